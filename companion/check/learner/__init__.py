"""A learner's code: its file, its lines, its traceback, and what it may change around it."""
