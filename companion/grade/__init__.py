"""``python -m companion.grade``: the loops of a class."""
