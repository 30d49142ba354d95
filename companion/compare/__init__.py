"""``python -m companion.compare``: a model of one's own, by hand and by ``.fit``."""
