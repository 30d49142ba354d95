"""What a loss curve does, read off its numbers: a word for it, and the rule behind the word."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

BLOWN_UP = 1.1  # times the loss before any update
BOUNCING_SHARE = 0.01
DOWN = 0.6  # times the loss before any update
FEWEST_UPDATES = 100
SHORT = 3 / 4  # of a third of the epochs: this is a quarter of all epochs
STILL = 0.1  # of the fall of the loss in a third of the epochs, if it fell evenly
# The words for what a training does, in the order in which they are tried.
BEHAVIORS = {
    "blows up": "ends more than 10 % above the loss before any update, or as NaN",
    "bounces": "more than 1 % of its steps go up",
    "learns": "comes down to 60 % of the loss before any update",
    "too short to tell": "not down to 60 %, and has one epoch, fewer than 100 updates, or an end so steep "
    "that a quarter more epochs would bring it there",
    "stuck": "not down to 60 %, and stands still for a third of its epochs",
    "crawls": "not down to 60 %, but falls all the time",
}


def steps_up(history: Sequence[float]) -> int:
    """Count the steps from one epoch to the next at which the loss rises, or stops being a number.

    Parameters
    ----------
    history : sequence of float
        One loss per epoch.

    Returns
    -------
    int
        From 0 to ``len(history) - 1``.
    """
    losses = np.asarray(history, dtype="float64")
    before, after = losses[:-1], losses[1:]
    return int(((after > before) | (np.isnan(after) & ~np.isnan(before))).sum())


def behavior(start: float, history: Sequence[float], updates: int) -> str:
    """Return a word for what a training does, by the rules of `BEHAVIORS`.

    Parameters
    ----------
    start : float
        The loss of all rows before any update. The loss of the first epoch does not serve for this: at a
        large rate, the network may be thrown off within this epoch.
    history : sequence of float
        One loss per epoch.
    updates : int
        How many updates there were in all epochs.

    Returns
    -------
    str
        A key of `BEHAVIORS`.
    """
    last = history[-1]
    if not last <= BLOWN_UP * start:
        return "blows up"
    if steps_up(history) > BOUNCING_SHARE * (len(history) - 1):
        return "bounces"
    if last <= DOWN * start:
        return "learns"
    a_quarter_more = SHORT * _falls(start, history)[1][-1]
    if len(history) == 1 or updates < FEWEST_UPDATES or last - a_quarter_more <= DOWN * start:
        return "too short to tell"
    return "crawls" if standstill(start, history) is None else "stuck"


def _falls(start: float, history: Sequence[float]) -> tuple[list[int], list[float]]:
    """Return the ends of the thirds of a training, as numbers of epochs, and by how much each lowers it."""
    losses = [start, *history]
    ends = np.linspace(0, len(history), min(3, len(history)) + 1).round().astype(int).tolist()
    return ends, [losses[a] - losses[b] for a, b in itertools.pairwise(ends)]


def standstill(start: float, history: Sequence[float]) -> tuple[int, int] | None:
    """Find the third of a training in which the loss falls least, if it hardly falls there.

    Parameters
    ----------
    start : float
        The loss of all rows before any update.
    history : sequence of float
        One loss per epoch.

    Returns
    -------
    pair of int or None
        The epoch after which this third begins, -1 for the start, and the epoch with which it ends. None
        if the loss falls all the time.
    """
    ends, falls = _falls(start, history)
    least = int(np.argmin(falls))
    if falls[least] > STILL * (start - history[-1]) / len(falls):
        return None
    return ends[least] - 1, ends[least + 1] - 1


def blew_up_at(start: float, history: Sequence[float]) -> int | None:
    """Return the epoch in which a training that blows up first was that far above its start.

    Parameters
    ----------
    start : float
        The loss of all rows before any update.
    history : sequence of float
        One loss per epoch.

    Returns
    -------
    int or None
        The epoch, counted from 0; None if the training does not end that high.
    """
    top = BLOWN_UP * start
    return None if history[-1] <= top else next(k for k, loss in enumerate(history) if not loss <= top)


def first_epoch_apart(one: Sequence[float], other: Sequence[float], gap: float) -> int | None:
    """Find where two curves are first more than `gap` apart, or only one of them is a number.

    Parameters
    ----------
    one, other : sequence of float
        Two histories of the same length.
    gap : float
        In units of the loss.

    Returns
    -------
    int or None
        The epoch, counted from 0; None if they stay together.
    """
    for epoch, (a, b) in enumerate(zip(one, other, strict=True)):
        if a != b and not abs(a - b) <= gap and not (math.isnan(a) and math.isnan(b)):
            return epoch
    return None


def first_epoch_at(history: Sequence[float], loss: float) -> int | None:
    """Return the epoch, counted from 0, in which a training first came down to `loss`; None if in none."""
    return next((epoch for epoch, value in enumerate(history) if value <= loss), None)
