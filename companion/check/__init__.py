"""``python -m companion.check``: is a loop ``.fit``, and if not, why, in which line?"""
