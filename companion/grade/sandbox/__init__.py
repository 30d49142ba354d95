"""One submission, locked in, watched, and stopped where it must be."""
