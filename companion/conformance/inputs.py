"""The same rows in every form that ``.fit`` takes: what the conformance table feeds."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from companion.conformance.small_data import WEIGHTS


class Batches(keras.utils.PyDataset):
    """Batches of 8 rows."""

    def __init__(self, *arrays: np.ndarray, **options: Any) -> None:
        super().__init__(**options)
        self.arrays = arrays

    def __len__(self) -> int:
        return -(-len(self.arrays[0]) // 8)

    def __getitem__(self, number: int) -> tuple[np.ndarray, ...]:
        start = 8 * (number % len(self))
        return tuple(array[start : start + 8] for array in self.arrays)


class ReorderedBatches(Batches):
    """The same in an order that changes after each epoch."""

    epoch = 0

    def __getitem__(self, number: int) -> tuple[np.ndarray, ...]:
        return super().__getitem__(number + self.epoch)

    def on_epoch_end(self) -> None:
        """Begin the next epoch one batch later."""
        self.epoch += 1


class EndlessBatches(Batches):
    """The same without an end."""

    @property
    def num_batches(self) -> None:
        """None: nobody knows."""
        return None


def _dataset(x: Any, y: Any, *more: Any) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((x, y, *more))


def _generate(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    for start in range(0, len(arrays[0]), 8):
        yield tuple(array[start : start + 8] for array in arrays)


def _fed(make: Callable[[Any, Any], Any]) -> Callable[[Any, Any], tuple[Any, Any]]:
    """Feed what `make` makes of `x` and `y`, anew for each training."""
    return lambda x, y: (partial(make, x, y), None)


ARRAYS: dict[str, Callable[[Any, Any], tuple[Any, Any]]] = {
    "NumPy float32": lambda x, y: (x, y),
    "NumPy float64": lambda x, y: (x.astype("float64"), y.astype("float64")),
    "NumPy float16": lambda x, y: (x.astype("float16"), y),
    "NumPy integers": lambda x, y: ((3 * x).astype("int32"), y.astype("int64")),
    "NumPy booleans": lambda x, y: (x, y.astype(bool)),
    "tensors": lambda x, y: (tf.constant(x), tf.constant(y)),
    "DataFrame and Series": lambda x, y: (pd.DataFrame(x), pd.Series(y[:, 0])),
    "sparse tensor": lambda x, y: (tf.sparse.from_dense(np.maximum(x, 0)), y),
}
FED_ALONE: dict[str, Callable[[Any, Any], tuple[Any, Any]]] = {
    "Dataset": _fed(lambda x, y: _dataset(x, y).batch(8)),
    "Dataset, no short batch": _fed(lambda x, y: _dataset(x, y).batch(8, drop_remainder=True)),
    "Dataset, shuffled": _fed(lambda x, y: _dataset(x, y).shuffle(20).batch(8)),
    "Dataset, endless": _fed(lambda x, y: _dataset(x, y).shuffle(20).batch(8).repeat()),
    "Dataset of unknown length": _fed(lambda x, y: _dataset(x, y).filter(lambda x, _: x[0] > -1).batch(8)),
    "Dataset with weights": _fed(lambda x, y: _dataset(x, y, WEIGHTS).batch(8)),
    "PyDataset": _fed(Batches),
    "PyDataset, reordered": _fed(ReorderedBatches),
    "PyDataset with weights": _fed(lambda x, y: Batches(x, y, WEIGHTS)),
    "PyDataset, two workers": _fed(lambda x, y: Batches(x, y, workers=2)),
    "PyDataset, endless": _fed(EndlessBatches),
    "generator": _fed(_generate),
    "generator with weights": _fed(lambda x, y: _generate(x, y, WEIGHTS)),
}
