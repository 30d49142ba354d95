"""Updates without an optimizer: what was subtracted, and what was left out."""

import numpy as np

from companion.check.recording.events import State
from companion.check.rules.clipping import clipping
from companion.check.rules.findings import (
    CLIPPING,
    UPDATE,
    Case,
    Divergence,
    Finding,
    flat,
    largest_difference,
    update_finding,
)
from companion.check.rules.simulation import differ, differences, fit_rate, simulated
from companion.check.steps import Step

RATIO_NOISE = 1e-3
CLIPPED_NOISE = 1e-3  # of a difference of weights, divided by the rate


def by_hand_findings(case: Case) -> list[Finding]:
    """Compare updates by hand with plain gradient descent, then with the optimizer of ``.fit``."""
    if not differences(case, simulated(case)):
        return []
    ratio = _ratio(case)
    if ratio is None:
        return _clipped_by_hand(case)
    found = []
    times = {min(step.updates[0].assigned.values(), default=0) for step in case.steps}
    size = abs(ratio)
    if ratio < 0:
        told = f"the weights move uphill, by {size:.4g} times learning rate times gradient"
        found.append(update_finding("update-uphill", case, 0, told, learner=ratio, fit=1))
    if times == {2} and abs(size - 2) < RATIO_NOISE * 2:
        found.append(
            update_finding(
                "two-updates-a-step", case, 0, "each variable is updated 2 times", learner=2, fit=1
            )
        )
    elif abs(size - 1) > RATIO_NOISE:
        rate = case.reference.rates[0]
        told = f"the weights move by {size * rate:.4g} times the gradient, but by {rate:.4g} times with .fit"
        found += [update_finding("wrong-learning-rate", case, 0, told, learner=size * rate, fit=rate)]
    plain = [_plain(step, ratio * case.reference.rates[0]) for step in case.steps]
    bound = _constrained(case, plain)
    if not differences(case, bound):
        return found or _plain_only(case)
    if not differences(case, plain):
        return [*found, _skipped(case, plain, bound)]
    return []


def _plain_only(case: Case) -> list[Finding]:
    """Find what the optimizer of ``.fit`` does beyond plain gradient descent, if it does more."""
    plain = _constrained(case, [_plain(step, fit_rate(case, step)) for step in case.steps])
    pairs = zip(plain, simulated(case), case.steps, strict=True)
    if not any(differ(mine, fit, step.updates[0].before) for mine, fit, step in pairs):
        return []
    fit = case.reference.updates[0].settings
    clips = [f"{key}={fit['config'][key]}" for key in CLIPPING if fit["config"].get(key) is not None]
    if clips:
        told = f"the gradient is applied unclipped, but the optimizer of .fit has {', '.join(clips)}"
        return [update_finding("clipping-left-out", case, 0, told)]
    told = f"the weights move by learning rate times gradient only, but {fit['class_name']} in .fit"
    return [update_finding("updates-by-assign", case, 0, f"{told} does more")]


def _skipped(case: Case, plain: list[State], bound: list[State]) -> Finding:
    """Return which constraint an update by assignment skips."""
    pairs = enumerate(zip(plain, bound, strict=True))
    number = next(n for n, (a, b) in pairs if differ(a, b, b))
    variable, mine, fit = largest_difference(case.names, plain[number], bound[number])
    told = f"the update skips the constraint of `{variable}`: {mine:.6g}, with constraint {fit:.6g}"
    step = case.steps[number]
    at = Divergence("update", step.epoch, step.batch, variable, mine, fit)
    return Finding(
        "updates-by-assign", UPDATE, at, f"update {number + 1}: {told}", case.steps[number].updates[0].place
    )


def _plain(step: Step, rate: float) -> State:
    parts = zip(step.updates[0].before, step.by_tape, strict=True)
    return [w if g is None else (w - np.float32(rate) * g).astype(w.dtype) for w, g in parts]


def _constrained(case: Case, states: list[State]) -> list[State]:
    constraints = [variable.constraint for variable in case.replay.twin.trainable_variables]
    return [
        [w if c is None else np.array(c(w)) for w, c in zip(state, constraints, strict=True)]
        for state in states
    ]


def _ratio(case: Case) -> float | None:
    """Return how many times learning rate times gradient the weights move, if that is one number."""
    free = [n for n, v in enumerate(case.replay.twin.trainable_variables) if v.constraint is None]
    ratios, noises = [], []
    for step in case.steps:
        moved = [n for n in free if step.reaches(n) and step.by_tape[n] is not None]
        before, after = (
            flat([step.updates[0].before[n] for n in moved]),
            flat([step.updates[-1].after[n] for n in moved]),
        )
        full = case.reference.rates[0] * flat([step.by_tape[n] for n in moved])
        if not full.any() or not np.isfinite(after).all():
            return None
        rounding = 4 * np.finfo("float32").eps * np.linalg.norm(before)
        ratios.append(float((before - after) @ full / (full @ full)))
        noises.append(RATIO_NOISE * abs(ratios[-1]) + rounding / np.linalg.norm(full))
        if np.linalg.norm(before - after - ratios[-1] * full) > noises[-1] * np.linalg.norm(full):
            return None
    ratio = ratios[int(np.argmin(noises))]
    return (
        ratio if all(abs(one - ratio) <= noise for one, noise in zip(ratios, noises, strict=True)) else None
    )


def _clipped_by_hand(case: Case) -> list[Finding]:
    """Recognize clipping in what the weights move by."""
    free = [n for n, v in enumerate(case.replay.twin.trainable_variables) if v.constraint is None]
    rate = case.reference.rates[0]
    steps = []
    for step in case.steps:
        before, after = step.updates[0].before, step.updates[-1].after
        pairs = [((before[n] - after[n]) / rate, step.by_tape[n]) for n in free]
        steps.append([(a, b) for a, b in pairs if b is not None])
    for sign in (1, -1):
        clipped = clipping([[(sign * a, b) for a, b in pairs] for pairs in steps], CLIPPED_NOISE)
        if clipped is not None:
            told = "the weights move uphill, against the gradient"
            uphill = [update_finding("update-uphill", case, 0, told)] if sign < 0 else []
            return [*uphill, update_finding("gradients-clipped", case, clipped[0], clipped[1])]
    return []
