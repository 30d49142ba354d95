"""``python -m companion.mistakes``: a right loop, broken on purpose."""
