"""Which rows of the data a batch is made of."""

from typing import Any

import numpy as np
import tensorflow as tf


class RowNumbers:
    """Finds rows by their numbers as float32."""

    def __init__(self, x: np.ndarray) -> None:
        self.shape = x.shape[1:]
        self.first: dict[bytes, int] = {}
        for number, row in enumerate(_keys(x)):
            self.first.setdefault(row, number)

    def of(self, batch: Any) -> np.ndarray | None:
        """Return for each row of `batch` where it stands first in the data; None if one is not there."""
        if not isinstance(batch, tf.Tensor | np.ndarray) or batch.shape[1:] != self.shape:
            return None
        rows = [self.first.get(key) for key in _keys(batch)]
        return None if None in rows or not rows else np.array(rows)


def _keys(x: Any) -> list[bytes]:
    rows = np.asarray(x, dtype="float32") + np.float32(0)  # which makes -0.0 a 0.0
    return [row.tobytes() for row in rows.reshape(len(rows), -1)]
