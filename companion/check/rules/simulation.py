"""What the optimizer of ``.fit`` makes of a gradient, from the weights that the loop had."""

import numpy as np

from companion.check.recording.events import State
from companion.check.rules.findings import Case
from companion.check.rules.gradients import fit_gradient
from companion.check.steps import Step

STEP_NOISE = 1e-5  # of what an update moves


def fit_rate(case: Case, step: Step) -> float:
    """Return the learning rate that ``.fit`` has at a step."""
    rates = case.reference.rates
    an_epoch = len(rates) // len(case.reference.history)
    return rates[min(step.epoch * an_epoch + min(step.batch, an_epoch - 1), len(rates) - 1)]


def simulated(
    case: Case,
    rates: list[float] | None = None,
    gradients: list[list[np.ndarray]] | None = None,
) -> list[State]:
    """Return the weights after each update as the optimizer of ``.fit`` would make it."""
    case.replay.start_updates()
    return [
        case.replay.updated(
            step.updates[0].before,
            gradients[number] if gradients else step.used,
            rates[number] if rates else fit_rate(case, step),
        )
        for number, step in enumerate(case.steps)
    ]


def is_right_in_all(case: Case) -> bool:
    """Return whether each step moves the weights as ``.fit`` would, in whatever way."""
    if any(not step.forwards or any(f.rows is None for f in step.forwards) for step in case.steps):
        return False
    gradients = [fit_gradient(case, number) for number in range(len(case.steps))]
    return not differences(case, simulated(case, None, gradients))


def differences(case: Case, states: list[State]) -> list[int]:
    """Return the numbers of the steps after which the weights differ from `states`."""
    runs = enumerate(zip(case.steps, states, strict=True))
    return [n for n, (s, fit) in runs if differ(s.updates[-1].after, fit, s.updates[0].before)]


def differ(mine: State, fit: State, before: State) -> bool:
    """Return whether two states after an update are farther apart than rounding can bring them."""
    for all_of_a, all_of_b, all_of_start in zip(mine, fit, before, strict=True):
        there = np.isfinite(all_of_a) & np.isfinite(all_of_b) & np.isfinite(all_of_start)
        if (np.isfinite(all_of_a) != np.isfinite(all_of_b)).any():
            return True
        a, b, start = all_of_a[there], all_of_b[there], all_of_start[there]
        largest, moved = float(np.abs(b).max(initial=0)), float(np.abs(b - start).max(initial=0))
        if not np.allclose(a, b, rtol=0, atol=8 * np.finfo(b.dtype).eps * largest + STEP_NOISE * moved):
            return True
    return False
