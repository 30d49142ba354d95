"""What a run of a loop did, as plain arrays and numbers."""
