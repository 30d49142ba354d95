"""What a loss curve does, read off its numbers."""

import math
from collections.abc import Sequence

import numpy as np

BOUNCING_SHARE = 0.01
CRAWLING_SHARE = 0.6
RULE = (
    "blows up: ends above its first loss or not as a number; bounces: more than 1 % of its steps go up; "
    "crawls: has not come down to 60 % of its first loss; learns: none of these"
)


def steps_up(history: Sequence[float]) -> int:
    """Count the steps from one epoch to the next at which the loss rises, or stops being a number.

    Parameters
    ----------
    history : sequence of float
        A loss an epoch.

    Returns
    -------
    int
        From 0 to ``len(history) - 1``.
    """
    losses = np.asarray(history, dtype="float64")
    before, after = losses[:-1], losses[1:]
    return int(((after > before) | (np.isnan(after) & ~np.isnan(before))).sum())


def behavior(history: Sequence[float]) -> str:
    """Say in a word what a training does, by `RULE`.

    Parameters
    ----------
    history : sequence of float
        A loss an epoch.

    Returns
    -------
    {"blows up", "bounces", "crawls", "learns", "is one epoch only"}
        The last of a history that has nothing to be compared with.
    """
    if len(history) < 2:
        return "is one epoch only"
    first, last = history[0], history[-1]
    if not math.isfinite(last) or last > first:
        return "blows up"
    if steps_up(history) > BOUNCING_SHARE * (len(history) - 1):
        return "bounces"
    return "crawls" if last > CRAWLING_SHARE * first else "learns"


def blew_up_at(history: Sequence[float]) -> int | None:
    """Find where a training that ends above its first loss, or not as a number, first was above it.

    Parameters
    ----------
    history : sequence of float
        A loss an epoch.

    Returns
    -------
    int or None
        The epoch, counted from 0; None of a training that ends no higher than it began.
    """
    if history[-1] <= history[0]:
        return None
    return next(epoch for epoch, loss in enumerate(history) if not loss <= history[0])


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
    """Find when a training first came down to `loss`.

    Parameters
    ----------
    history : sequence of float
        A loss an epoch.
    loss : float
        The level.

    Returns
    -------
    int or None
        The epoch, counted from 0; None if it never did.
    """
    return next((epoch for epoch, value in enumerate(history) if value <= loss), None)
