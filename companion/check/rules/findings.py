"""What the rules have found in a run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from companion.check.learner.lines import Location
from companion.check.problem import Problem, Reference
from companion.check.recording.events import Recording
from companion.check.replay import Replay
from companion.check.steps import Step

OF_ORDER = ("not-shuffled", "shuffled-otherwise")
CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")  # the names of the optimizer's arguments
# Stages of a step, in their order: what goes wrong in an earlier one matters first.
START, ROWS, FORWARD, GRADIENT, UPDATE, REPORT = range(6)


@dataclass(frozen=True)
class Divergence:
    """A place where the loop and ``.fit`` differ.

    Attributes
    ----------
    what : str
        "weights", "rows", "gradient", "update", "optimizer", "tape" or "report".
    epoch, batch : int or None
        Counted from 0; None if the difference has no epoch or batch.
    variable : str or None
        Such as ``dense/kernel``.
    learner, fit : float or None
        The two numbers.
    """

    what: str
    epoch: int | None = None
    batch: int | None = None
    variable: str | None = None
    learner: float | None = None
    fit: float | None = None


@dataclass(frozen=True)
class Finding:
    """A mistake, or with the empty name a difference whose reason is not known.

    Attributes
    ----------
    name : str
        A key of the catalogue, `companion.check.catalogue`, or "".
    stage : int
        In which part of a step.
    difference : Divergence
        Where it first shows.
    evidence : str
        In a sentence, with the numbers.
    place : Location or None
        The line of the learner's file.
    """

    name: str
    stage: int
    difference: Divergence
    evidence: str
    place: Location | None = None

    @property
    def order(self) -> tuple[bool, int, int, int]:
        """Return what to sort by: the earliest first, but last the order of the rows, which moves little."""
        epoch, batch = self.difference.epoch, self.difference.batch
        last = 10**9  # the report of an epoch comes after its batches
        place = last if batch is None and self.stage == REPORT else batch or 0
        return (self.name in OF_ORDER, epoch or 0, place, self.stage)


@dataclass
class Case:
    """All that the rules look at.

    Attributes
    ----------
    problem : Problem
        What was trained.
    reference : Reference
        What ``.fit`` did.
    recording : Recording
        What the loop did.
    steps : list of Step
        The same, step by step.
    replay : Replay
        Computes what ``.fit`` would have done.
    unwatched : list of str
        What could not be seen, in sentences.
    """

    problem: Problem
    reference: Reference
    recording: Recording
    steps: list[Step]
    replay: Replay
    unwatched: list[str]

    @property
    def epochs(self) -> int:
        """Return for how many epochs the loop ran; ``.fit`` may have been stopped after fewer or more."""
        return len(self.recording.history)

    @property
    def batches_of_fit(self) -> list[list[np.ndarray]]:
        """Return by epoch and step which rows ``.fit`` feeds, for as many epochs as the loop runs."""
        batches = self.reference.batches
        return [batches[min(epoch, len(batches) - 1)] for epoch in range(self.epochs)]

    @property
    def names(self) -> list[str]:
        """Name the trainable variables."""
        return [self.recording.variables[number] for number in self.recording.trainable]


def flat(arrays: Sequence[np.ndarray | None]) -> np.ndarray:
    """Put all numbers one after the other, as float64; leave out what is None."""
    parts = [np.asarray(array, dtype="float64").ravel() for array in arrays if array is not None]
    return np.concatenate(parts) if parts else np.zeros(0)


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Return the distance of two arrays, relative to the length of the second; infinite where not finite."""
    length = float(np.linalg.norm(other))
    distance = float(np.linalg.norm(one - other))
    if not np.isfinite(distance):
        return np.inf
    return 0.0 if distance == 0 else distance / length if length else np.inf


def told_apart(one: float, other: float) -> tuple[str, str]:
    """Write two numbers with as many digits as tell them apart."""
    for digits in (6, 9, 12):
        texts = f"{one:.{digits}g}", f"{other:.{digits}g}"
        if texts[0] != texts[1]:
            return texts
    return f"{one:.17g}", f"{other:.17g}"


def largest_difference(
    names: Sequence[str], mine: Sequence[np.ndarray | None], fits: Sequence[np.ndarray | None]
) -> tuple[str | None, float | None, float | None]:
    """Find the variable and the two numbers that are farthest apart."""
    best: tuple[float, str | None, float | None, float | None] = (-1.0, None, None, None)
    for name, a, b in zip(names, mine, fits, strict=True):
        if a is None or b is None or np.shape(a) != np.shape(b) or not np.size(a):
            continue
        distance = np.abs(np.asarray(a, dtype="float64") - b)
        at = np.unravel_index(int(np.argmax(np.where(np.isnan(distance), np.inf, distance))), distance.shape)
        size = float(distance[at]) if np.isfinite(distance[at]) else np.inf
        if size > best[0]:
            best = (size, name, float(a[at]), float(b[at]))
    return best[1:]


def update_finding(
    name: str,
    case: Case,
    number: int,
    told: str,
    what: str = "update",
    learner: float | None = None,
    fit: float | None = None,
) -> Finding:
    """Make a finding about the update of a step, the first being number 0."""
    number = min(number, len(case.steps) - 1)
    step = case.steps[number]
    at = Divergence(what, step.epoch, step.batch, None, learner, fit)
    place = step.updates[0].place or step.gradient.place
    return Finding(name, UPDATE, at, f"update {number + 1}: {told}", place)
