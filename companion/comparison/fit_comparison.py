"""Two trainings of a network, by hand and by ``.fit``, compared in all that they leave behind."""

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import pandas as pd

from companion.comparison.history import Comparison
from companion.comparison.training import CallbackCall, Training, columns, epochs_of
from companion.comparison.ulp import ulp_text

NAMES = ("by hand", ".fit")
SHOWN = 10  # differences, where a comparison is printed
FEW = 3  # where their cause is printed too
UNREPEATABLE = (
    "But .fit does not equal itself either when it trains again, so this says nothing about the loop: "
    "something changes from one training to the next. Look for data or callbacks that keep a state, or draw "
    "numbers without a seed. Give them as functions: then they are made anew for each training. Under a "
    "strategy, .fit reads ahead from a Python generator: give a Dataset. For a model in a file, python -m "
    "companion.compare --twice finds out what changes."
)


class FitComparison:
    """A training by hand and one by ``.fit``, compared in all that they leave behind.

    Parameters
    ----------
    by_hand, fit : Training
        From the same seed.
    seed : int
        This seed.
    names : pair of str
        What to call the two.

    Attributes
    ----------
    repeatable : bool
        Whether ``.fit`` equals itself when it trains again; tried only if the two differ. If it does
        not, something other than the loop changes from one training to the next.
    notes : list of str
        What was not compared, because the loop does not report it.
    """

    def __init__(self, by_hand: Training, fit: Training, seed: int, names: tuple[str, str] = NAMES) -> None:
        self.by_hand, self.fit, self.seed, self.names = by_hand, fit, seed, names
        self.repeatable = True
        self.notes: list[str] = []

    @cached_property
    def histories(self) -> dict[str, Comparison]:
        """The histories' keys that both have, each compared."""
        first, second = columns(self.by_hand.history), columns(self.fit.history)
        return {
            key: Comparison(
                first[key], second[key], names=self.names, dtype=_float_type(first[key] + second[key])
            )
            for key in first
            if key in second
        }

    @cached_property
    def variables(self) -> dict[str, Comparison]:
        """The variables that both have, each compared."""
        first, second = self.by_hand.variables, self.fit.variables
        return {
            path: Comparison([], [], [first[path]], [second[path]], names=self.names)
            for path in first
            if path in second
        }

    @cached_property
    def differences(self) -> list[str]:
        """What differs, one line each; empty if nothing differs."""
        return [
            *self._first_call_that_differs(),  # the earliest: a batch's losses are among the calls
            *self._only_in_one(self.by_hand.history, self.fit.history, "the history has the key"),
            *(f"history {key}: {c.verdict()}" for key, c in self.histories.items() if not c.identical),
            *self._only_in_one(self.by_hand.variables, self.fit.variables, "there is the variable"),
            *(_variable_text(path, c) for path, c in self.variables.items() if not c.identical),
        ]

    def _first_call_that_differs(self) -> list[str]:
        first, second = self.by_hand.calls, self.fit.calls
        name, other_name = self.names
        for number, (one, other) in enumerate(zip(first, second, strict=False)):
            # as text, in which NaN is NaN, and -0.0 is not 0.0
            if repr(one) != repr(other):
                return [f"callback call {number}: {name} {_call_text(one)}, {other_name} {_call_text(other)}"]
        if len(first) != len(second):
            by = [by_text(one) for one in self.names]
            return [f"callbacks are called {len(first)} times {by[0]}, {len(second)} times {by[1]}"]
        return []

    def _only_in_one(self, first: Iterable[str], second: Iterable[str], what: str) -> list[str]:
        one, other = set(first), set(second)
        return [
            *(f"{what} {key!r} {by_text(self.names[0])} only" for key in sorted(one - other)),
            *(f"{what} {key!r} {by_text(self.names[1])} only" for key in sorted(other - one)),
        ]

    @property
    def identical(self) -> bool:
        """Whether nothing at all differs, down to the last bit."""
        return not self.differences

    @property
    def max_abs_diff(self) -> float:
        """The largest distance in the histories that both have."""
        return max((comparison.max_abs_diff for comparison in self.histories.values()), default=0.0)

    @property
    def max_ulp(self) -> float:
        """The same in units in the last place."""
        return max((comparison.max_ulp for comparison in self.histories.values()), default=0.0)

    def verdict(self) -> str:
        """Return one line: whether the two are identical, and if not, where they first differ."""
        if self.differences:
            more = len(self.differences) - 1
            return f"not identical: {self.differences[0]}" + (f"; {more} more differences" if more else "")
        epochs = max((len(history) for history in self.fit.history.values()), default=0)
        reported = f"{epochs} epoch{'s' * (epochs != 1)} of {', '.join(self.fit.history) or 'nothing'}"
        calls = f", {len(self.fit.calls)} callback calls" if self.fit.calls else ""
        return f"identical: {reported}, {len(self.variables)} variables{calls}"

    def frame(self) -> pd.DataFrame:
        """Put the histories side by side, one row per epoch.

        Returns
        -------
        DataFrame
            Index ``epoch``, counted from 0; under each key of the histories the columns of
            `Comparison.frame`, NaN in epochs in which it was not reported.
        """
        frames = {key: compared.frame() for key, compared in self.histories.items()}
        for key, frame in frames.items():
            frame.index = pd.Index(self.epochs(key), name="epoch")
        if not frames:
            return pd.DataFrame(index=pd.RangeIndex(0, name="epoch"))
        return pd.concat(frames, axis=1).sort_index().rename_axis("epoch")

    def epochs(self, key: str) -> list[int]:
        """Return the numbers of the epochs in which `key`, one of `histories`, was reported."""
        longer = max(self.fit, self.by_hand, key=lambda training: len(columns(training.history)[key]))
        return epochs_of(longer)[key if key in longer.history else key.rpartition("[")[0]]

    def __repr__(self) -> str:
        return self.text(".differences has all")

    def text(self, where_all_are: str, most: int = SHOWN) -> str:
        """Return the verdict, the first differences, `most` at most, and what was not compared."""
        notes = "".join(f"\n{line}" for line in self.notes)
        if self.identical:
            return self.verdict() + notes
        shown, more = self.differences[:most], len(self.differences) - most
        tail = [f"... and {more} more: {where_all_are}"] if more > 0 else []
        why = "" if self.repeatable else f"\n{UNREPEATABLE}"
        return "\n- ".join(["not identical:", *shown, *tail]) + why + notes


def _float_type(losses: list[float]) -> str:
    """Find the type the numbers were computed in, for counting ulps: a history holds Python floats."""
    numbers = np.asarray(losses)
    with np.errstate(over="ignore"):
        return "float32" if np.array_equal(numbers.astype("float32"), numbers, equal_nan=True) else "float64"


def by_text(name: str) -> str:
    """Write how something was trained: by hand, by .fit, by your loop."""
    return name if name.startswith(("by ", "in ", "at ")) else f"by {name}"


def _variable_text(path: str, comparison: Comparison) -> str:
    at = comparison.first_difference
    if at is None or at.index is None:
        return f"variable {path} differs in shape or type"
    name, other = comparison.names
    ulp = f" or {ulp_text(at.ulp)} ulp" if isinstance(at.first, float) else ""  # not of a seed's counter
    return (
        f"variable {path} at {at.index}: {name} {at.first!r}, {other} {at.second!r}, {at.abs_diff:.2g}{ulp} "
        f"apart; the largest is {comparison.weights_max_abs_diff:.2g}"
    )


def _call_text(call: CallbackCall) -> str:
    method, number, logs = call
    return f"{method}({', '.join(str(part) for part in (number, logs or None) if part is not None)})"
