"""Which rows of the data a batch is made of."""

from typing import Any

import numpy as np
import tensorflow as tf

MOST_ASKED = 100_000  # rows


class RowNumbers:
    """Finds rows by their numbers as float32."""

    def __init__(self, x: np.ndarray) -> None:
        self.shapes = [leaf.shape[1:] for leaf in tf.nest.flatten(x)]
        self.first: dict[bytes, int] = {}
        for number, row in enumerate(_keys(x)):
            self.first.setdefault(row, number)

    def of(self, batch: Any) -> np.ndarray | None:
        """Return for each row of `batch` where it stands first in the data; None if one is not there."""
        leaves = tf.nest.flatten(batch)
        if not all(isinstance(leaf, tf.Tensor | np.ndarray) for leaf in leaves):
            return None
        if [leaf.shape[1:] for leaf in leaves] != self.shapes:
            return None
        rows = [self.first.get(key) for key in _keys(batch)]
        return None if None in rows or not rows else np.array(rows)


def _keys(x: Any) -> list[bytes]:
    parts = []
    for leaf in tf.nest.flatten(x):
        rows = np.asarray(leaf)
        if rows.dtype.kind not in "SUO":
            rows = rows.astype("float32") + np.float32(0)  # which makes -0.0 a 0.0
            parts.append([row.tobytes() for row in rows])
        else:
            parts.append([repr(row.tolist()).encode() for row in rows])
    return [b"".join(row) for row in zip(*parts, strict=True)]


class RowTable:
    """Numbers rows as they come, and keeps each once."""

    def __init__(self) -> None:
        self.first: dict[bytes, int] = {}
        self.rows: list[list[np.ndarray]] = []  # by number: the row of each input
        self.structure: Any = None
        self.asked: set[bytes] = set()  # rows for which the network was called outside of a tape
        self.chosen = 0  # rows that were fed after that

    def of(self, batch: Any, *, learn: bool) -> np.ndarray | None:
        """Return the number of each row of a batch; None if one is not known and `learn` is false."""
        leaves = [np.asarray(leaf) for leaf in tf.nest.flatten(batch)]
        if not leaves or any(leaf.ndim == 0 or len(leaf) != len(leaves[0]) for leaf in leaves):
            return None
        keys = _keys(leaves)
        if learn:
            self.structure = batch if self.structure is None else self.structure
            for number, key in enumerate(keys):
                if key not in self.first:
                    self.chosen += key in self.asked
                    self.first[key] = len(self.rows)
                    self.rows.append([np.array(leaf[number]) for leaf in leaves])
        rows = [self.first.get(key) for key in keys]
        return None if None in rows or not rows else np.array(rows)

    def forget_after(self, count: int) -> None:
        """Forget all rows but the first `count`."""
        self.rows = self.rows[:count]
        self.first = {key: number for key, number in self.first.items() if number < count}

    def ask(self, batch: Any) -> None:
        """Note rows for which the network is called outside of a tape, before it is trained on them."""
        leaves = [np.asarray(leaf) for leaf in tf.nest.flatten(batch)]
        if len(self.asked) < MOST_ASKED and all(leaf.ndim and len(leaf) == len(leaves[0]) for leaf in leaves):
            self.asked.update(_keys(leaves))

    def data(self) -> Any:
        """Return all rows, in the structure in which they came; ValueError if they differ in shape."""
        leaves = [np.stack(parts) for parts in zip(*self.rows, strict=True)]
        return tf.nest.pack_sequence_as(self.structure, leaves)
