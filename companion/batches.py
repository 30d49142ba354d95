"""The batches that ``model.fit`` feeds, in the order in which it feeds them."""

import keras
import numpy as np
import tensorflow as tf


def batches_in_order(x: np.ndarray, y: np.ndarray, batch_size: int) -> tf.data.Dataset:
    """Cut `x` and `y` into the batches of ``model.fit(x, y, batch_size, shuffle=False)``.

    Two habits of ``.fit`` are copied because each can change the last bit of a loss:
    floats are cast to ``keras.config.floatx()``, and the batch dimension of the
    element spec is fixed where `batch_size` divides the number of rows and unknown
    (``None``) where the last batch is short. TensorFlow compiles the two into
    different sums, so a step traced with this element spec adds up as ``.fit`` does.

    Parameters
    ----------
    x : ndarray of shape (n, ...), float
        The inputs.
    y : ndarray of shape (n, ...), float
        The targets, row for row.
    batch_size : int
        Rows in a batch, at least 1. The short batch at the end is kept.

    Returns
    -------
    tf.data.Dataset
        Pairs ``(x_batch, y_batch)``; its length is the number of batches.

    Raises
    ------
    ValueError
        If there is no row, `x` and `y` differ in length, or `batch_size` is below 1.
    """
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(f"x has {len(x)} rows and y {len(y)}: both need the same number, at least 1")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: it must be 1 or more")
    dtype = keras.config.floatx()
    rows = tf.data.Dataset.from_tensor_slices((tf.cast(x, dtype), tf.cast(y, dtype)))
    return rows.batch(batch_size, drop_remainder=len(x) % batch_size == 0).cache()
