"""What a lesson's run has found, as JSON and as CSV: the keys are a promise (see README.md)."""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from companion.comparison.history import Comparison
from companion.comparison.ulp import abs_difference
from companion.report.curves import steps_up
from companion.terminal.formats import spell_out
from companion.terminal.outputs import write
from companion.terminal.versions import versions


@dataclass(frozen=True)
class Printed:
    """A figure or statement of the lesson's page beside what the run gives.

    Attributes
    ----------
    figure : str
        What it is a figure of.
    printed : float, str or None
        As the page prints it; None where the page asks and gives no figure.
    measured : float or str
        What this run gives.
    agrees : bool or None
        Whether the two agree; None where the page gives no figure.
    decimals : int
        With how many decimals to show it: as many as the page prints.
    """

    figure: str
    printed: float | str | None
    measured: float | str
    agrees: bool | None = None
    decimals: int = 4


def as_printed(figure: str, text: str, measured: float) -> Printed:
    """Set a number of the page beside a measured one: they agree if rounding makes them the same."""
    decimals = len(text.partition(".")[2])
    return Printed(
        figure, float(text) if decimals else int(text), measured, f"{measured:.{decimals}f}" == text, decimals
    )


@dataclass(frozen=True)
class Result:
    """All that a lesson's run has found.

    Attributes
    ----------
    lesson : int
        1 to 5.
    title : str
        What the lesson is about.
    settings : mapping
        ``learning_rate``, ``epochs``, ``batch_size``, ``seed``, ``dtype``, ``hidden``.
    histories : mapping of str to list of float
        ``by_hand``, ``fit`` and, in the lessons that have it, ``numpy``: one loss per epoch.
    comparison : Comparison
        By hand against ``.fit``.
    textbook : Comparison
        By hand against ``model.fit(x, y, ...)`` as it stands in the lesson, for some epochs.
    textbook_rows : int
        On how many of the rows.
    metrics : mapping of str to float
        ``train_accuracy`` and ``test_accuracy``, from 0 to 1.
    scan : mapping of float to list of float
        The history at each learning rate that was tried.
    printed : sequence of Printed
        The page's figures beside the run's.
    others : mapping of str to Comparison
        What else was trained or recorded both ways, by hand against ``.fit``: the
        accuracy beside the loss, a second training.
    """

    lesson: int
    title: str
    settings: Mapping[str, Any]
    histories: Mapping[str, list[float]]
    comparison: Comparison
    textbook: Comparison
    textbook_rows: int
    metrics: Mapping[str, float]
    scan: Mapping[float, list[float]]
    printed: Sequence[Printed]
    others: Mapping[str, Comparison] = field(default_factory=dict)

    @property
    def comparisons(self) -> dict[str, Comparison]:
        """All that by hand and ``.fit`` were compared in, the loss of the lesson's own training first."""
        return {"loss": self.comparison, "model.fit(x, y, ...)": self.textbook, **self.others}

    @property
    def identical(self) -> bool:
        """Whether by hand and ``.fit`` agree bit for bit in all of it."""
        return all(comparison.identical for comparison in self.comparisons.values())

    def as_dict(self) -> dict[str, Any]:
        """Return everything as numbers, strings, lists and dicts, under the keys that README.md promises."""
        return {
            "lesson": self.lesson,
            "title": self.title,
            "settings": dict(self.settings),
            "histories": dict(self.histories),
            "comparison": comparison_as_dict(self.comparison),
            "others": {
                name: comparison_as_dict(other)
                | {"by_hand": other.first.tolist(), "fit": other.second.tolist()}
                for name, other in self.others.items()
            },
            "textbook_fit": {"epochs": len(self.textbook.second), "rows": self.textbook_rows}
            | comparison_as_dict(self.textbook),
            "metrics": dict(self.metrics),
            "scan": [
                {"learning_rate": rate, "final_loss": history[-1], "steps_up": steps_up(history)}
                for rate, history in self.scan.items()
            ],
            "printed": [
                {"figure": p.figure, "printed": p.printed, "measured": p.measured, "agrees": p.agrees}
                for p in self.printed
            ],
            "versions": versions(),
        }

    def as_json(self) -> str:
        """Write `as_dict` as JSON that any reader takes: NaN and infinities become strings."""
        return json.dumps(spell_out(self.as_dict()), indent=2, allow_nan=False) + "\n"

    def as_csv(self) -> str:
        """Write the histories side by side as CSV in full precision; NaN is "NaN", infinity "inf"."""
        frame = side_by_side(self.histories)
        for name, other in self.others.items():
            if len(other.first) == len(other.second) == len(frame):
                pair = other.first, other.second
                # as float64, which writes a float32 with all the digits that the JSON has
                frame[f"{name}_by_hand"], frame[f"{name}_fit"] = (part.astype("float64") for part in pair)
        return frame.to_csv(na_rep="NaN", lineterminator="\n")

    def write(self, options: argparse.Namespace) -> None:
        """Write the files that ``--json`` and ``--csv`` ask for."""
        if options.json is not None:
            write(options.json, self.as_json().encode())
        if options.csv is not None:
            write(options.csv, self.as_csv().encode())


def comparison_as_dict(comparison: Comparison) -> dict[str, Any]:
    """Return what was found, under the keys that README.md promises."""
    return {
        "identical": comparison.identical,
        "max_abs_diff": comparison.max_abs_diff,
        "max_ulp": _whole(comparison.max_ulp),
        "first_difference": _first_difference(comparison),
        "weights_identical": comparison.weights_identical,
        "weights_max_abs_diff": comparison.weights_max_abs_diff,
    }


def _first_difference(comparison: Comparison) -> dict[str, Any] | None:
    if comparison.first_difference is None:
        return None
    found = asdict(comparison.first_difference)
    by_hand, fit = found.pop("first"), found.pop("second")
    return found | {"by_hand": by_hand, "fit": fit, "ulp": _whole(found["ulp"])}


def _whole(ulp: float) -> int | float:
    return int(ulp) if math.isfinite(ulp) else ulp


def side_by_side(histories: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """Put histories side by side; NaN where one is shorter."""
    frame = pd.DataFrame({name: pd.Series(values, dtype="float64") for name, values in histories.items()})
    frame = frame.rename_axis("epoch")
    columns = [frame[name].to_numpy() for name in histories]
    pairs = [abs_difference(a, b) for i, a in enumerate(columns) for b in columns[:i]]
    frame["largest_difference"] = np.max(pairs, axis=0)
    return frame
