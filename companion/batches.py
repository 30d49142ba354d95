"""The same batches that ``model.fit`` feeds, in the same order."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from companion.errors import refuse_backend

refuse_backend(keras.config.backend())

PROBE = 64  # enough rows that two random orders are never the same


def order_of_fit(rows: int) -> np.ndarray:
    """Return the order in which ``model.fit(x, y, shuffle=True)`` goes through `rows` rows.

    ``.fit`` shuffles inside its input pipeline, which it builds anew for every epoch.
    Under a seed each new pipeline starts from that seed again: **the order is the same
    in every epoch**, and depends only on TensorFlow's global seed and on `rows`. Calling
    this function changes no random state.

    Parameters
    ----------
    rows : int
        How many there are, 1 or more.

    Returns
    -------
    ndarray of shape (rows,), int64
        Indices into the data, in the order in which the rows are fed.

    Raises
    ------
    ValueError
        If no seed was set. ``.fit`` then uses a new order in every epoch, and nobody
        can predict it.
    """
    if (_shuffled(PROBE) != _shuffled(PROBE)).any():
        raise ValueError(
            "no seed is set, so .fit shuffles anew in every epoch: call keras.utils.set_random_seed(0) first"
        )
    return _shuffled(rows)


def _shuffled(rows: int) -> np.ndarray:
    # This must be the first random operation of its graph, as in Keras' own pipeline: its seed depends on
    # how many came before it.
    pipeline = tf.data.Dataset.range(1).map(lambda _: tf.random.shuffle(tf.range(rows, dtype=tf.int64)))
    return next(iter(pipeline)).numpy()


class Batches:
    """The batches of an epoch, made once and used again in every epoch.

    All other attributes are those of the Dataset that the batches come from, such as ``element_spec``, and
    ``repeat()`` for ``.fit``.

    Parameters
    ----------
    dataset : tf.data.Dataset
        Gives ``(x_batch, y_batch)``; its length is known.
    """

    def __init__(self, dataset: tf.data.Dataset) -> None:
        self.dataset = dataset
        self._made: list[tuple[tf.Tensor, tf.Tensor]] = []

    def __iter__(self) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        self._made = self._made or list(self.dataset)
        return iter(self._made)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dataset, name)

    def compiled(self, step: Callable[[tf.Tensor, tf.Tensor], Any]) -> Callable[[tf.Tensor, tf.Tensor], Any]:
        """Compile ``step(x_batch, y_batch)`` for batches of these shapes: a ``tf.function``, traced once."""
        function = tf.function(step, input_signature=self.element_spec)
        # A concrete function is faster to call, but it cannot run eagerly, as a step must for debugging.
        return function if tf.config.functions_run_eagerly() else function.get_concrete_function()


def batches_of_fit(x: np.ndarray, y: np.ndarray, batch_size: int, *, shuffle: bool) -> Batches:
    """Cut `x` and `y` into the batches of one epoch of ``model.fit(x, y, batch_size=..., shuffle=...)``.

    Two more habits of ``.fit`` are copied, because each can change the last bit of a
    loss. Floats are cast to ``keras.config.floatx()``. The batch dimension of the
    element spec is fixed if `batch_size` divides the number of rows, and unknown
    (``None``) if the last batch is short. TensorFlow compiles the two into different
    sums, so a step traced with this element spec adds up as ``.fit`` does.

    Parameters
    ----------
    x : ndarray of shape (n, ...)
        The inputs. Floats are cast, integers kept.
    y : ndarray of shape (n, ...)
        The targets, one for each row of `x`. They are cast in the same way.
    batch_size : int
        Rows in a batch, at least 1. The short batch at the end is kept.
    shuffle : bool
        Whether the rows are fed in the order of `order_of_fit`, as ``.fit`` does unless
        told otherwise, or as they are.

    Returns
    -------
    Batches
        Pairs ``(x_batch, y_batch)``; its length is the number of batches. Use it in a
        hand-written loop, or with ``.repeat()`` and ``steps_per_epoch`` in ``.fit`` itself,
        which then need not build a pipeline in each epoch.

    Raises
    ------
    ValueError
        If there is no row, `x` and `y` differ in length, `batch_size` is below 1, or the
        rows are to be shuffled and no seed was set.
    """
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(f"x has {len(x)} rows and y {len(y)}: both need the same number, at least 1")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: it must be 1 or more")
    if shuffle:
        order = order_of_fit(len(x))
        x, y = x[order], y[order]
    rows = tf.data.Dataset.from_tensor_slices((_cast(x), _cast(y)))
    return Batches(rows.batch(batch_size, drop_remainder=len(x) % batch_size == 0).cache())


def _cast(array: np.ndarray) -> np.ndarray:
    is_float = np.issubdtype(array.dtype, np.floating)
    return array.astype(keras.config.floatx(), copy=False) if is_float else array
