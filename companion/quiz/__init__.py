"""``python -m companion.quiz``: questions on each lesson."""
