"""From what was found in a run to points."""
