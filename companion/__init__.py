"""What Keras' ``.fit()`` does, written by hand: equal bit for bit.

Importing this package imports nothing heavy; TensorFlow comes in with the lessons
(``from companion import lesson3``).
"""

from companion.startup import choose_tensorflow, hide_start_up_notes

__version__ = "0.1.0"

choose_tensorflow()
hide_start_up_notes()
