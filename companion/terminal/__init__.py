"""What every command needs of a terminal: options, console, files, bars, a quiet start."""
