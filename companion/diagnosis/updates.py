"""What became of each gradient: by which optimizer, how often, to which variables, at which rate."""

from typing import Any

import numpy as np

from companion.diagnosis.clipping import clipping
from companion.diagnosis.findings import UPDATE, Case, Difference, Finding, flat, largest_difference
from companion.diagnosis.gradients import fit_gradient
from companion.diagnosis.recording import State, Update
from companion.diagnosis.steps import Step

CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")
RATE_NOISE = 1e-6  # a rate is read as a float32
RATIO_NOISE = 1e-3
STEP_NOISE = 1e-5  # of what an update moves
CLIPPED_NOISE = 1e-3  # of a difference of weights, divided by the rate


def update_findings(case: Case) -> list[Finding]:
    """Compare each update with the one that the optimizer of ``.fit`` makes of the same gradient."""
    if not any(_moves(update) for step in case.steps for update in step.updates):
        told = "the weights are the same after it as before"
        return [_finding("no-update", case, 0, told)]
    found = optimizer_counts(case) + _left_out(case)
    if all(step.updates[0].optimizer is not None for step in case.steps):
        found += _settings(case)
    else:
        found += _by_hand(case)
    return found or _against_simulation(case)


def _moves(update: Update) -> bool:
    return any((a != b).any() for a, b in zip(update.before, update.after, strict=True))


def optimizer_counts(case: Case) -> list[Finding]:
    """Count optimizers, and updates a step."""
    found = []
    by_epoch: dict[int, list[int]] = {}
    for step in case.steps:
        by_epoch.setdefault(step.epoch, []).extend(
            u.optimizer for u in step.updates if u.optimizer is not None
        )
    all_of = [number for numbers in by_epoch.values() for number in numbers]
    different, per_epoch = len(set(all_of)), [set(numbers) for numbers in by_epoch.values()]
    if different == len(case.steps) > 1:
        told = f"{different} optimizers make {len(case.steps)} updates, where .fit has one for all"
        found.append(_finding("new-optimizer-every-step", case, 1, told, what="optimizer", learner=2, fit=1))
    elif different == len(per_epoch) > 1 and all(len(numbers) == 1 for numbers in per_epoch):
        told = f"{different} optimizers for {len(per_epoch)} epochs, where .fit has one for all"
        at = next(number for number, step in enumerate(case.steps) if step.epoch == 1)
        found.append(
            _finding("new-optimizer-every-epoch", case, at, told, what="optimizer", learner=2, fit=1)
        )
    twice = [[u for u in step.updates if u.optimizer is not None] for step in case.steps]
    if all(len(updates) == 2 and _same_gradients(*updates) for updates in twice):
        told = "the optimizer is applied 2 times to one gradient"
        place = twice[0][1].place
        where = Difference("update", 0, 0, None, 2, 1)
        found.append(Finding("two-updates-a-step", UPDATE, where, f"update 1: {told}", place))
    return found


def _same_gradients(one: Update, other: Update) -> bool:
    pairs = zip(one.gradients or [], other.gradients or [], strict=True)
    return all(
        (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))
        for a, b in pairs
    )


def _left_out(case: Case) -> list[Finding]:
    """Look for variables that no update reaches, though `.fit` would change them."""
    ends = case.steps[0].updates[0].before, case.steps[-1].updates[-1].after
    fit = case.reference.updates[0].before, case.reference.updates[-1].after
    left = [
        number
        for number in range(len(case.names))
        if all(_reaches(step, number) is False for step in case.steps)
        and (ends[0][number] == ends[1][number]).all()
        and (fit[0][number] != fit[1][number]).any()
    ]
    if not left or len(left) == len(case.names):
        return []
    named = ", ".join(f"`{case.names[number]}`" for number in left)
    told = f"never updated: {named}; .fit updates all {len(case.names)} trainable variables"
    step = case.steps[0]
    missing_in_tape = step.by_tape[left[0]] is None
    at = Difference("update", 0, 0, case.names[left[0]])
    place = step.gradient.place if missing_in_tape else step.updates[0].place
    return [Finding("some-variables-only", UPDATE, at, told, place)]


def _reaches(step: Step, number: int) -> bool:
    if step.updates[0].optimizer is None:
        return bool((step.updates[0].before[number] != step.updates[-1].after[number]).any())
    return step.used[number] is not None


def _settings(case: Case) -> list[Finding]:
    """Compare the optimizer's class, configuration and learning rates with those of ``.fit``."""
    rates = [step.updates[0].settings["learning_rate"] for step in case.steps]
    if not _differences(case, simulated(case, rates)):
        return _rates(case, rates)  # settings that are others, but do the same here
    found = []
    for key, own, fits in other_settings(case):
        told = f"the optimizer has {key}={own!r}, that of .fit {key}={fits!r}"
        name = "another-optimizer"
        if key in CLIPPING:
            name = "clipping-left-out" if own is None else "gradients-clipped"
        found.append(_finding(name, case, 0, told, "optimizer", _number(own), _number(fits)))
    return found + _rates(case, rates)


def other_settings(case: Case) -> list[tuple[str, Any, Any]]:
    """List in what the optimizer is set otherwise than that of ``.fit``, but for the learning rate."""
    mine, fit = case.steps[0].updates[0].settings, case.reference.updates[0].settings
    if not mine:
        return []
    found = [
        (key, mine["config"].get(key), value)
        for key, value in fit["config"].items()
        if key not in ("name", "learning_rate") and mine["config"].get(key) != value
    ]
    if mine["class_name"] == fit["class_name"]:
        return found
    return [("class", mine["class_name"], fit["class_name"]), *(one for one in found if one[0] in CLIPPING)]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _rates(case: Case, mine: list[float]) -> list[Finding]:
    """Compare learning rates, update by update."""
    fit = [fit_rate(case, step) for step in case.steps]
    wrong = [n for n, (a, b) in enumerate(zip(mine, fit, strict=True)) if abs(a - b) > RATE_NOISE * abs(b)]
    if not wrong:
        return []
    first = wrong[0]
    told = f"the learning rate is {mine[first]:.6g}, that of .fit {fit[first]:.6g}"
    if np.allclose(mine, [-rate for rate in fit], rtol=RATIO_NOISE):
        return [_finding("update-uphill", case, first, told, learner=mine[first], fit=fit[first])]
    name = "wrong-learning-rate"
    if len(set(fit)) > 1 and np.allclose(mine, fit[0], rtol=RATE_NOISE):
        name, told = "schedule-missing", f"{told}: it stays what it was, and that of .fit changes"
    return [_finding(name, case, first, told, learner=mine[first], fit=fit[first])]


def fit_rate(case: Case, step: Step) -> float:
    """Give the learning rate that ``.fit`` has at a step."""
    rates = case.reference.rates
    an_epoch = len(rates) // case.problem.epochs
    return rates[min(step.epoch * an_epoch + min(step.batch, an_epoch - 1), len(rates) - 1)]


def is_right_in_all(case: Case) -> bool:
    """Say whether each step moves the weights as ``.fit`` would, however it has come to that."""
    if any(not step.forwards or any(f.rows is None for f in step.forwards) for step in case.steps):
        return False
    gradients = [fit_gradient(case, number) for number in range(len(case.steps))]
    return not _differences(case, simulated(case, None, gradients))


def _by_hand(case: Case) -> list[Finding]:
    """Compare updates by hand with plain gradient descent, then with the optimizer of ``.fit``."""
    if not _differences(case, simulated(case)):
        return []
    ratio = _ratio(case)
    if ratio is None:
        return _clipped_by_hand(case)
    found = []
    times = {min(step.updates[0].assigned.values(), default=0) for step in case.steps}
    size = abs(ratio)
    if ratio < 0:
        told = f"the weights move by {size:.4g} times learning rate times gradient, and uphill"
        found.append(_finding("update-uphill", case, 0, told, learner=ratio, fit=1))
    if times == {2} and abs(size - 2) < RATIO_NOISE * 2:
        found.append(
            _finding("two-updates-a-step", case, 0, "each variable is updated 2 times", learner=2, fit=1)
        )
    elif abs(size - 1) > RATIO_NOISE:
        rate = case.reference.rates[0]
        told = f"the weights move by {size * rate:.4g} times the gradient, with .fit by {rate:.4g} times"
        found += [_finding("wrong-learning-rate", case, 0, told, learner=size * rate, fit=rate)]
    plain = [_plain(step, ratio * case.reference.rates[0]) for step in case.steps]
    bound = _constrained(case, plain)
    if not _differences(case, bound):
        return found or [_plain_only(case)]
    if not _differences(case, plain):
        return [*found, _skipped(case, plain, bound)]
    return []


def _plain_only(case: Case) -> Finding:
    """Say what plain gradient descent leaves out of the optimizer of ``.fit``."""
    fit = case.reference.updates[0].settings
    clips = [f"{key}={fit['config'][key]}" for key in CLIPPING if fit["config"].get(key) is not None]
    if clips:
        told = f"the gradient is applied as it is, where the optimizer of .fit has {', '.join(clips)}"
        return _finding("clipping-left-out", case, 0, told)
    told = f"the weights move by learning rate times gradient alone, where .fit has {fit['class_name']}"
    return _finding("updates-by-assign", case, 0, f"{told} with more to it")


def _skipped(case: Case, plain: list[State], bound: list[State]) -> Finding:
    """Say which constraint an update by assignment skips."""
    pairs = enumerate(zip(plain, bound, strict=True))
    number = next(n for n, (a, b) in pairs if _differ(a, b, b))
    variable, mine, fit = largest_difference(case.names, plain[number], bound[number])
    told = f"`{variable}` has a constraint that the update skips: {mine:.6g}, with it {fit:.6g}"
    step = case.steps[number]
    at = Difference("update", step.epoch, step.batch, variable, mine, fit)
    return Finding("updates-by-assign", UPDATE, at, f"update {number + 1}: {told}", _place(case, number))


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
    """Give how many times learning rate times gradient the weights move, if that is one number."""
    free = [n for n, v in enumerate(case.replay.twin.trainable_variables) if v.constraint is None]
    ratios, noises = [], []
    for step in case.steps:
        moved = [n for n in free if _reaches(step, n) and step.by_tape[n] is not None]
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
            uphill = [_finding("update-uphill", case, 0, told)] if sign < 0 else []
            return [*uphill, _finding("gradients-clipped", case, clipped[0], clipped[1])]
    return []


def simulated(
    case: Case,
    rates: list[float] | None = None,
    gradients: list[list[np.ndarray]] | None = None,
) -> list[State]:
    """Give the weights after each update as the optimizer of ``.fit`` would make it.

    Parameters
    ----------
    case : Case
        From whose weights before each update.
    rates : list of float, optional
        Learning rates; those of ``.fit`` unless told.
    gradients : list of list of ndarray, optional
        Of what; of the loop's own unless told.

    Returns
    -------
    list of list of ndarray
        By step: the trainable variables.
    """
    twin = case.replay.twin
    optimizer = case.problem.optimizer(case.problem.learning_rate)
    optimizer.build(twin.trainable_variables)
    states: list[State] = []
    for step in case.steps:
        for variable, value in zip(twin.trainable_variables, step.updates[0].before, strict=True):
            variable.assign(value)
        number = len(states)
        optimizer.learning_rate = rates[number] if rates else fit_rate(case, step)
        used = gradients[number] if gradients else step.used
        pairs = [(g, v) for g, v in zip(used, twin.trainable_variables, strict=True) if g is not None]
        optimizer.apply([g for g, _ in pairs], [v for _, v in pairs])
        states.append([np.array(v.numpy()) for v in twin.trainable_variables])
    return states


def _differ(mine: State, fit: State, before: State) -> bool:
    """Say whether two states after an update are farther apart than rounding can bring them."""
    for a, b, start in zip(mine, fit, before, strict=True):
        largest, moved = float(np.abs(b).max(initial=0)), float(np.abs(b - start).max(initial=0))
        if not np.allclose(a, b, rtol=0, atol=8 * np.finfo(b.dtype).eps * largest + STEP_NOISE * moved):
            return True
    return False


def _differences(case: Case, states: list[State]) -> list[int]:
    runs = enumerate(zip(case.steps, states, strict=True))
    return [n for n, (s, fit) in runs if _differ(s.updates[-1].after, fit, s.updates[0].before)]


def _against_simulation(case: Case) -> list[Finding]:
    """Where nothing else was found: is each update what the optimizer of ``.fit`` makes of the gradient?"""
    states = simulated(case)
    wrong = _differences(case, states)
    if not wrong:
        return []
    number = wrong[0]
    variable, mine, fit = largest_difference(case.names, case.steps[number].updates[-1].after, states[number])
    told = f"`{variable}` is {mine:.7g} after it, with .fit {fit:.7g}, from the same weights and gradient"
    at = Difference("update", case.steps[number].epoch, case.steps[number].batch, variable, mine, fit)
    return [Finding("", UPDATE, at, f"update {number + 1}: {told}", _place(case, number))]


def _place(case: Case, number: int) -> Any:
    return case.steps[number].updates[0].place


def _finding(
    name: str,
    case: Case,
    number: int,
    told: str,
    what: str = "update",
    learner: float | None = None,
    fit: float | None = None,
) -> Finding:
    number = min(number, len(case.steps) - 1)
    step = case.steps[number]
    at = Difference(what, step.epoch, step.batch, None, learner, fit)
    place = step.updates[0].place or step.gradient.place
    return Finding(name, UPDATE, at, f"update {number + 1}: {told}", place)
