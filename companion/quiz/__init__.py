"""``python -m companion.quiz``: questions to each lesson."""
