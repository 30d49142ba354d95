"""What a lesson prints, draws and writes."""
