"""Which loss of each epoch a script shows: in a list, by a metric, or printed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from companion.check.learner.lines import Location
from companion.check.learner.variables import series

NUMBER = re.compile(r"[-+]?\d+\.\d+(?:[eE][-+]?\d+)?|[-+]?\d+[eE][-+]?\d+")
FEWEST_DIGITS = 3  # after the point: fewer tell too little
ABOUT_LOSS = ("loss", "cost", "error", "mse", "entropy")


@dataclass(frozen=True)
class Reported:
    """A number for each epoch, or for some, that may be the loss.

    Attributes
    ----------
    name : str
        Of the list, or the word in front of the printed number.
    values : dict of int to float
        By epoch.
    resolution : float
        Half of the last printed digit; 0 for a list.
    place : Location or None
        The line that shows it.
    length : int
        How many epochs it has, those that were not watched too; 0 if that is not known.
    of_batches : bool
        Whether it has as many numbers as an epoch has steps, and may hold the batches of the last epoch.
    """

    name: str
    values: dict[int, float]
    resolution: float
    place: Location | None
    length: int = 0
    of_batches: bool = False

    @property
    def is_about_loss(self) -> bool:
        """Return whether its name speaks of a loss of the training."""
        name = self.name.lower()
        return any(word in name for word in ABOUT_LOSS) and "val" not in name and "test" not in name


@dataclass(frozen=True)
class Printed:
    """A line that the script has printed, after how many steps (None: it was not watched then), and where."""

    text: str
    steps: int | None
    place: Location | None


def reported(
    names: dict[str, Any],
    epochs: int,
    an_epoch: int,
    before: int,
    results: Sequence[tuple[int, Location | None, float]],
    printed: Sequence[Printed],
    history: Sequence[float] | None = None,
    of_fit: Sequence[Any] = (),
    counted: Mapping[str, int] = MappingProxyType({}),
    spans: Mapping[str, slice] = MappingProxyType({}),
) -> list[Reported]:
    """List what may be the loss of each epoch, the surest first.

    Parameters
    ----------
    names : dict
        The script's variables, and what its functions returned.
    epochs, an_epoch : int
        How many were recorded, and the steps of one.
    before : int
        How many steps of other networks came before.
    results : list
        Of metrics: after how many steps, where, and the value.
    printed : list of Printed
        What was printed.
    history : list of float, optional
        What ``.fit`` returned, where it runs the script's own step.
    of_fit : list of list
        The lists that other calls of ``.fit`` returned: they are not the loop's.
    counted : dict
        How long the script's lists were when the recorded epochs had ended.
    spans : dict
        Which part of a list this loop has filled, where another one trains the same network.
    """
    found = []
    if history is not None:
        found.append(Reported("loss", dict(enumerate(history[:epochs])), 0.0, None))
    for name, value in series(names):
        losses = None if any(value is other for other in of_fit) else _numbers(value)
        losses = losses and losses[spans.get(name, slice(None))]
        if losses and (len(losses) >= epochs or Reported(name, {}, 0.0, None).is_about_loss):
            of_batches = len(losses) == an_epoch != epochs and counted.get(name) != epochs
            values = dict(enumerate(losses[:epochs]))
            found.append(Reported(name, values, 0.0, None, len(losses), of_batches))
    since = [(steps - before, place, value) for steps, place, value in results]
    lines = [line if line.steps is None else replace(line, steps=line.steps - before) for line in printed]
    found += _from_metrics(epochs, an_epoch, since) + _from_print(epochs, an_epoch, lines)
    return sorted(found, key=lambda one: (not one.is_about_loss, one.of_batches, one.resolution))


def _numbers(value: Any) -> list[float] | None:
    """Return a list of losses as floats; None if it is none."""
    if isinstance(value, np.ndarray) and (value.ndim != 1 or value.dtype.kind != "f"):
        return None
    if not isinstance(value, list | tuple | np.ndarray) or len(value) == 0:
        return None
    numbers = []
    for one in value:
        if (
            isinstance(one, bool | str | int)
            or getattr(one, "shape", ()) != ()
            or not hasattr(one, "__float__")
        ):
            return None
        try:
            numbers.append(float(one))
        except (TypeError, ValueError):
            return None
    return numbers


def _epoch_of(steps: int | None, an_epoch: int) -> int | None:
    """Return which epoch has just ended after so many steps; None in the middle of one."""
    if steps is None or steps <= 0:
        return None
    epoch, rest = divmod(steps, an_epoch)
    return epoch - 1 if rest == 0 else None


def _from_metrics(
    epochs: int, an_epoch: int, results: Sequence[tuple[int, Location | None, float]]
) -> list[Reported]:
    found: dict[Location | None, dict[int, list[float]]] = {}
    for steps, place, value in results:
        epoch = _epoch_of(steps, an_epoch)
        if epoch is not None and epoch < epochs:
            found.setdefault(place, {}).setdefault(epoch, []).append(value)
    reports = []
    for place, by_epoch in found.items():
        for number in range(min(map(len, by_epoch.values()))):
            values = {epoch: shown[number] for epoch, shown in by_epoch.items()}
            reports.append(Reported("the result of a metric", values, 0.0, place))
    return reports


def _from_print(epochs: int, an_epoch: int, printed: Sequence[Printed]) -> list[Reported]:
    found: dict[tuple[Location | None, int], dict[int, tuple[float, int, str]]] = {}
    for line in printed:
        epoch = _epoch_of(line.steps, an_epoch)
        if epoch is None or epoch >= epochs:
            continue
        for number, match in enumerate(NUMBER.finditer(line.text)):
            digits = len(match[0].partition(".")[2])
            before = re.findall(r"[A-Za-z_]+(?![\w.]*\()", line.text[: match.start()])  # not tf.Tensor(
            word = before[-1] if before else ""
            found.setdefault((line.place, number), {}).setdefault(epoch, (float(match[0]), digits, word))
    reports = []
    for (place, _), by_epoch in found.items():
        digits = max(digits for _, digits, _ in by_epoch.values())
        if digits < FEWEST_DIGITS:
            continue
        values = {epoch: value for epoch, (value, _, _) in by_epoch.items()}
        times = sum(line.place == place for line in printed)
        once = (
            sum(line.place == place and line.steps is not None for line in printed) == len(values) == epochs
        )
        word = next(iter(by_epoch.values()))[2]
        reports.append(Reported(word, values, 0.5 * 10.0**-digits, place, times if once else 0))
    return reports


def as_history(one: Reported, epochs: int) -> tuple[list[float], list[int] | None]:
    """Return a number for each epoch, and the epochs in which it is known."""
    known = sorted(one.values)
    first = one.values[known[0]]
    history = [one.values.get(epoch, first) for epoch in range(epochs)]
    return history, None if len(known) == epochs else known
