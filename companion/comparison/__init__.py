"""Identical, or where not: two histories, or a model of one's own against ``.fit``."""

from companion.comparison.history import Comparison, Difference

__all__ = ["Comparison", "Difference"]
