"""How a gradient was computed: so many times that of the loss, so many times that of the penalty."""

from dataclasses import dataclass

import numpy as np

from companion.check.replay import Variant
from companion.check.rules.findings import Case, apart, flat
from companion.check.steps import Step

NOISE = 1e-5  # of a gradient, relative to its length: 2e-7 was measured
COEFFICIENT = 1e-3  # of a factor found for it


@dataclass(frozen=True)
class Explanation:
    """A gradient as ``scale`` times that of the mean loss plus ``penalty`` times that of the penalty.

    Attributes
    ----------
    variant : Variant
        How the loss was computed.
    scale : float
        1 for a mean.
    penalty : float or None
        1 for a penalty that counts once; None where there is none.
    rows : int
        How many the batch has.
    """

    variant: Variant
    scale: float
    penalty: float | None
    rows: int


def explain(
    case: Case, step: Step, gradient: list[np.ndarray | None], variant: Variant
) -> Explanation | None:
    """Find the factors with which `gradient` comes from the forward passes of `step`, if there are any."""
    there = [number for number, part in enumerate(gradient) if part is not None]
    mine = flat(gradient)
    forwards = [forward for forward in step.forwards if forward.rows is not None]
    if not forwards or not len(mine) or not np.isfinite(mine).all():
        return None
    points = [case.replay.at(forward, variant) for forward in forwards]
    columns: list[np.ndarray] = []
    counts: list[int] = []
    for point, forward in zip(points, forwards, strict=True):
        column = flat([point.loss_gradient[number] for number in there])
        if not any(np.array_equal(column, other) for other in columns):
            columns.append(column)
            counts.append(len(forward.rows) if forward.rows is not None else 0)
    penalty = flat([points[-1].penalty_gradient[number] for number in there])
    found = _solve(mine, columns, counts, penalty)
    return None if found is None else Explanation(variant, *found)


def _solve(
    mine: np.ndarray, columns: list[np.ndarray], counts: list[int], penalty: np.ndarray
) -> tuple[float, float | None, int] | None:
    """Solve for the factors of each forward pass's gradient and of the penalty's."""
    basis = [*columns, penalty] if penalty.any() else columns
    matrix = np.stack(basis, axis=1)
    if not np.isfinite(matrix).all():
        return None
    factors = np.linalg.lstsq(matrix, mine, rcond=None)[0]
    if apart(matrix @ factors, mine) > NOISE:
        return None
    of_loss, of_penalty = factors[: len(columns)], factors[-1] if penalty.any() else None
    used = np.abs(of_loss) > COEFFICIENT * np.abs(of_loss).max()
    if not used.any():
        return None
    rows = np.array(counts)[used].sum()
    scales = of_loss[used] / (np.array(counts)[used] / rows)
    if not np.allclose(scales, scales[0], rtol=COEFFICIENT):
        return None
    return float(scales[0]), None if of_penalty is None else float(of_penalty), int(rows)
