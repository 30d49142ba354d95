"""Keras' float type, set in one visible place and put back."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras


@contextmanager
def precision(dtype: str) -> Iterator[None]:
    """Make `dtype` the float type of everything Keras makes and casts inside the ``with`` block.

    Two global settings are needed. ``floatx`` decides the type to which ``.fit`` casts
    arrays, and the type of losses and metrics. The dtype policy decides the type of
    layers. Keras reads the policy from ``floatx`` only once, when it makes the first layer
    of the process. After that, ``set_floatx`` alone would leave the layers in the old type
    and feed them data in the new one.

    Parameters
    ----------
    dtype : {"float64", "float32"}
        The float type in force inside the block. Both settings are put back at its end,
        also when it ends with an exception.

    Raises
    ------
    ValueError
        If Keras does not know `dtype`.
    """
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    try:
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
