"""``python -m companion.conformance``: hundreds of small networks, by hand and by ``.fit``."""
