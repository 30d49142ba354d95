"""Are two trainings the same? Where do they first differ, and by how much?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from companion.comparison.ulp import FLOATS, abs_difference, as_numbers, ulp_distance, ulp_text
from companion.terminal.formats import count_of


@dataclass(frozen=True)
class Difference:
    """The first place where two trainings differ.

    Attributes
    ----------
    what : {"loss", "length", "weights", "shape", "dtype"}
        A loss of the history, the history's length, a number in a weight array, or the
        number, shape or type of the weight arrays.
    epoch : int or None
        Counted from 0; None where weights differ.
    array : int or None
        Which weight array, counted from 0 as in ``model.get_weights()``.
    index : tuple of int or None
        Where in that array.
    first, second : float or None
        The two numbers; None where one of the trainings has none there.
    abs_diff : float
        Their distance; infinite if only one of the two is a number.
    ulp : float
        Their distance in representable numbers; infinite in the same cases.
    """

    what: str
    epoch: int | None = None
    array: int | None = None
    index: tuple[int, ...] | None = None
    first: float | None = None
    second: float | None = None
    abs_diff: float = math.inf
    ulp: float = math.inf


class Comparison:
    """Two loss histories and, if given, two sets of final weights, compared bit for bit.

    "Identical" means: as many epochs, as many weight arrays of the same shapes and
    types, and the same bits everywhere. NaN equals NaN in the same place, whatever its
    payload; -0.0 is not 0.0.

    Parameters
    ----------
    first, second : sequence of float
        The histories, one loss per epoch. They may differ in length.
    first_weights, second_weights : sequence of ndarray, optional
        The weights after training, as ``model.get_weights()`` gives them.
    names : pair of str, optional
        What to call the two; by default "by hand" and ".fit".
    dtype : str, optional
        The float type in which the losses were computed, for counting ulps: a history
        is often a list of Python floats, although the training was in float32. The default
        is the type of the two histories if it is the same, else float64.

    Raises
    ------
    ValueError
        If a history is not one-dimensional, `dtype` cannot represent a loss exactly, the
        two names are the same, or there is nothing at all to compare.
    TypeError
        If a history or the weights hold something that is not a real number.

    Examples
    --------
    >>> Comparison([0.5, 0.25], [0.5, 0.25]).verdict()
    'identical: 2 of 2 epochs'
    >>> Comparison([0.5, 0.25], [0.5, 0.125]).first_difference.epoch
    1
    """

    def __init__(
        self,
        first: Sequence[float],
        second: Sequence[float],
        first_weights: Sequence[np.ndarray] = (),
        second_weights: Sequence[np.ndarray] = (),
        *,
        names: tuple[str, str] = ("by hand", ".fit"),
        dtype: str | None = None,
    ) -> None:
        if len({*names, "difference", "ulp"}) < 4:
            raise ValueError(f"the names are {names}: they must differ, and not be 'difference' or 'ulp'")
        self.names = names
        one, other = _history(first, names[0]), _history(second, names[1])
        self.dtype = np.dtype(dtype or (one.dtype if one.dtype == other.dtype else "float64"))
        self.first, self.second = _exactly(one, self.dtype, names[0]), _exactly(other, self.dtype, names[1])
        self.first_weights = [as_numbers(array) for array in first_weights]
        self.second_weights = [as_numbers(array) for array in second_weights]
        if not any(len(part) for part in (self.first, self.second, self.first_weights, self.second_weights)):
            raise ValueError("nothing to compare: both histories are empty and there are no weights")

    @cached_property
    def _losses(self) -> tuple[np.ndarray, np.ndarray]:
        """The losses of the epochs that both have."""
        both = min(len(self.first), len(self.second))
        return self.first[:both], self.second[:both]

    @cached_property
    def _pairs(self) -> list[tuple[np.ndarray, np.ndarray] | None]:
        """The weight arrays side by side; None where they have no common shape and type."""
        pairs: list[tuple[np.ndarray, np.ndarray] | None] = []
        for a, b in zip(self.first_weights, self.second_weights, strict=False):
            pairs.append((a, b) if a.shape == b.shape and a.dtype == b.dtype else None)
        return pairs + [None] * abs(len(self.first_weights) - len(self.second_weights))

    @cached_property
    def epochs_identical(self) -> int:
        """How many epochs have the same loss, bit for bit."""
        return int((ulp_distance(*self._losses) == 0).sum())

    @cached_property
    def arrays_identical(self) -> int:
        """How many weight arrays are the same, bit for bit."""
        return sum(pair is not None and not ulp_distance(*pair).any() for pair in self._pairs)

    @property
    def history_identical(self) -> bool:
        """Whether the histories have the same length and the same losses."""
        return len(self.first) == len(self.second) == self.epochs_identical

    @property
    def weights_identical(self) -> bool:
        """Whether all weight arrays are the same; true where none were given."""
        return self.arrays_identical == len(self._pairs)

    @property
    def identical(self) -> bool:
        """Whether nothing at all differs."""
        return self.history_identical and self.weights_identical

    @cached_property
    def max_abs_diff(self) -> float:
        """The largest distance in the epochs that both have; infinite for NaN against a number."""
        return float(abs_difference(*self._losses).max(initial=0.0))

    @cached_property
    def max_ulp(self) -> float:
        """The same in units in the last place."""
        return float(ulp_distance(*self._losses).max(initial=0.0))

    @cached_property
    def weights_max_abs_diff(self) -> float:
        """The largest distance of two weights; infinite if arrays differ in shape or type."""
        distances = [
            math.inf if pair is None else abs_difference(*pair).max(initial=0.0) for pair in self._pairs
        ]
        return float(max(distances, default=0.0))

    @cached_property
    def first_difference(self) -> Difference | None:
        """Where the two first differ: an epoch, else a number in the weights; None if identical."""
        if not self.history_identical:
            return self._first_loss_difference()
        for number, pair in enumerate(self._pairs):
            if pair is None:
                return self._unlike_arrays(number)
            if ulp_distance(*pair).any():
                return _first_number(pair, "weights", array=number)
        return None

    def _first_loss_difference(self) -> Difference:
        both = len(self._losses[0])
        if self.epochs_identical < both:
            return _first_number(self._losses, "loss")
        first, second = (float(h[both]) if both < len(h) else None for h in (self.first, self.second))
        return Difference("length", epoch=both, first=first, second=second)

    def _unlike_arrays(self, number: int) -> Difference:
        both_there = number < min(len(self.first_weights), len(self.second_weights))
        same_shape = both_there and self.first_weights[number].shape == self.second_weights[number].shape
        return Difference("dtype" if same_shape else "shape", array=number)

    def verdict(self) -> str:
        """Return one line: whether the two are identical, and if not, where and by how much they differ."""
        epochs = f"{self.epochs_identical} of {max(len(self.first), len(self.second))} epochs"
        arrays = f"all {len(self._pairs)} weight arrays"
        if not self.weights_identical:
            arrays = f"{self.arrays_identical} of {len(self._pairs)} weight arrays"
        counts = f"{epochs}, {arrays}" if self._pairs else epochs
        if self.first_difference is None:
            return f"identical: {counts}"
        return f"not identical: the same in {counts}; {self._where(self.first_difference)}"

    def _where(self, at: Difference) -> str:
        if at.what == "shape":
            return f"weight array {at.array} differs in shape"
        if at.what == "dtype":
            return f"weight array {at.array} differs in type"
        if at.what == "length":
            epochs = count_of(len(self.first), "epoch")
            return f"{self.names[0]} has {epochs}, {self.names[1]} {len(self.second)}"
        place = f"epoch {at.epoch}" if at.what == "loss" else f"weight array {at.array} at {at.index}"
        largest = self.max_abs_diff if at.what == "loss" else self.weights_max_abs_diff
        ulp = f" or {ulp_text(self.max_ulp)} ulp" if at.what == "loss" else ""
        return (
            f"first difference at {place}: {self.names[0]} {at.first!r}, {self.names[1]} {at.second!r}, "
            f"{at.abs_diff:.2g} or {ulp_text(at.ulp)} ulp apart; the largest is {largest:.2g}{ulp}"
        )

    def frame(self) -> pd.DataFrame:
        """Put the histories side by side, one row per epoch.

        Returns
        -------
        DataFrame
            Index ``epoch``, counted from 0; a column for each history, under its name;
            ``difference``, absolute, and ``ulp``. Where one history has ended, its
            column is NaN, and the difference and the ulps are infinite.
        """
        epochs = pd.RangeIndex(max(len(self.first), len(self.second)), name="epoch")
        columns = {name: pd.Series(h) for name, h in zip(self.names, (self.first, self.second), strict=True)}
        frame = pd.DataFrame(columns, index=epochs)
        frame["difference"] = pd.Series(abs_difference(*self._losses)).reindex(epochs, fill_value=math.inf)
        frame["ulp"] = pd.Series(ulp_distance(*self._losses)).reindex(epochs, fill_value=math.inf)
        return frame


def _history(history: Sequence[float], name: str) -> np.ndarray:
    array = np.asarray(history)
    if array.ndim != 1:
        raise ValueError(
            f"the history {name!r} has shape {array.shape}: it must have one dimension, one loss per epoch"
        )
    try:
        array = as_numbers(array)
    except TypeError:
        raise TypeError(
            f"the history {name!r} holds {array.dtype} values: each must be a real number"
        ) from None
    if array.dtype.name in FLOATS:
        return array
    losses = array.astype("float64")
    if (losses.astype(array.dtype) != array).any():
        raise ValueError(f"the history {name!r} holds integers beyond 2**53, which float64 cannot tell apart")
    return losses


def _exactly(history: np.ndarray, dtype: np.dtype, name: str) -> np.ndarray:
    """Change the type of `history`, not its numbers: a rounding here could hide a difference."""
    if dtype.name not in FLOATS:
        raise ValueError(f"dtype is {dtype}: it must be one of {', '.join(FLOATS)}")
    with np.errstate(over="ignore"):
        converted = history.astype(dtype)
    if abs_difference(converted, history).any():
        raise ValueError(
            f"the history {name!r} holds losses that are not {dtype}: leave out dtype, or name their type"
        )
    return converted


def _first_number(pair: tuple[np.ndarray, np.ndarray], what: str, array: int | None = None) -> Difference:
    """Describe the first place where the two arrays of `pair` have other bits."""
    distance = ulp_distance(*pair)
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(distance != 0)), distance.shape))
    a, b = pair[0][index], pair[1][index]
    return Difference(
        what,
        epoch=index[0] if what == "loss" else None,
        array=array,
        index=None if what == "loss" else index,
        first=float(a),
        second=float(b),
        abs_diff=float(abs_difference(a, b)),
        ulp=float(distance[index]),
    )
