"""What became of each gradient: by which optimizer, how often, to which variables, at which rate."""

from typing import Any

import numpy as np

from companion.check.recording.events import State, Update
from companion.check.rules.by_hand import RATIO_NOISE, by_hand_findings
from companion.check.rules.findings import (
    CLIPPING,
    UPDATE,
    Case,
    Divergence,
    Finding,
    largest_difference,
    update_finding,
)
from companion.check.rules.places import in_one_loop
from companion.check.rules.simulation import differences, fit_rate, simulated

RATE_NOISE = 1e-6  # a rate is read as a float32


def update_findings(case: Case) -> list[Finding]:
    """Compare each update with the one that the optimizer of ``.fit`` makes of the same gradient."""
    if not any(_moves(update) for step in case.steps for update in step.updates):
        told = "the weights do not change"
        return [update_finding("no-update", case, 0, told)]
    found = optimizer_counts(case) + _left_out(case) + frozen_updated(case)
    if all(step.updates[0].optimizer is not None for step in case.steps):
        found += _settings(case)
    else:
        found += by_hand_findings(case)
    return found or _against_simulation(case)


def _moves(update: Update) -> bool:
    return any((a != b).any() for a, b in zip(update.before, update.after, strict=True))


def optimizer_counts(case: Case) -> list[Finding]:
    """Count optimizers, and updates a step; with an optimizer that remembers nothing, new ones are a note."""
    found = []
    new = _new_optimizers(case)
    if new is not None and _remembers(case.steps[0].updates[0]):
        found.append(new)
    elif new is not None:
        told = "with SGD without momentum this makes no difference, but others forget their earlier steps"
        case.unwatched.append(f"{new.evidence}; {told}")
    twice = [[u for u in step.updates if u.optimizer is not None] for step in case.steps]
    if all(len(updates) == 2 for updates in twice) and all(step.is_repeated for step in case.steps):
        told = "the optimizer is applied 2 times to one gradient"
        place = twice[0][1].place
        where = Divergence("update", 0, 0, None, 2, 1)
        found.append(Finding("two-updates-a-step", UPDATE, where, f"update 1: {told}", place))
    return found


def _new_optimizers(case: Case) -> Finding | None:
    """Find that there is a new optimizer for each step, or for each epoch."""
    by_epoch: dict[int, list[int]] = {}
    for step in case.steps:
        by_epoch.setdefault(step.epoch, []).extend(
            u.optimizer for u in step.updates if u.optimizer is not None
        )
    all_of = [number for numbers in by_epoch.values() for number in numbers]
    different, per_epoch = len(set(all_of)), [set(numbers) for numbers in by_epoch.values()]
    each_epoch = different == len(per_epoch) > 1 and all(len(numbers) == 1 for numbers in per_epoch)
    if different == len(case.steps) > 1 and not (each_epoch and _is_made_outside(case)):
        name, at, of = "new-optimizer-every-step", 1, f"make {len(case.steps)} updates"
    elif each_epoch:
        at = next(number for number, step in enumerate(case.steps) if step.epoch == 1)
        name, of = "new-optimizer-every-epoch", f"for {len(per_epoch)} epochs"
    else:
        return None
    told = f"{different} optimizers {of}, but .fit has one for all"
    return update_finding(name, case, at, told, what="optimizer", learner=2, fit=1)


def _remembers(update: Update) -> bool:
    """Return whether an optimizer keeps something from step to step."""
    settings = update.settings
    config = settings.get("config") or {}
    has_schedule = not isinstance(config.get("learning_rate", 0.0), int | float)
    return settings.get("class_name") != "SGD" or bool(config.get("momentum")) or has_schedule


def _is_made_outside(case: Case) -> bool:
    """Return whether the optimizer is made outside of the loop over batches, of which an epoch has one."""
    update = case.steps[-1].updates[0]
    return bool(update.made and update.place and not in_one_loop(update.made, update.place))


def frozen_updated(case: Case) -> list[Finding]:
    """Find variables that an optimizer updates though they are not trainable."""
    if not case.recording.frozen:
        return []
    names = ", ".join(f"`{case.recording.variables[number]}`" for number in case.recording.frozen)
    told = f"the optimizer updates {names}, which are not trainable: .fit leaves them as they are"
    return [update_finding("frozen-updated", case, 0, told)]


def _left_out(case: Case) -> list[Finding]:
    """Look for variables that no update reaches, though `.fit` would change them."""
    ends = case.steps[0].updates[0].before, case.steps[-1].updates[-1].after
    fit = case.reference.updates[0].before, case.reference.updates[-1].after
    left = [
        number
        for number in range(len(case.names))
        if all(step.reaches(number) is False for step in case.steps)
        and (ends[0][number] == ends[1][number]).all()
        and (fit[0][number] != fit[1][number]).any()
    ]
    if not left or len(left) == len(case.names):
        return []
    named = ", ".join(f"`{case.names[number]}`" for number in left)
    told = f"never updated: {named}; .fit updates all {len(case.names)} trainable variables"
    step = case.steps[0]
    missing_in_tape = step.by_tape[left[0]] is None
    at = Divergence("update", 0, 0, case.names[left[0]])
    place = step.gradient.place if missing_in_tape else step.updates[0].place
    return [Finding("some-variables-only", UPDATE, at, told, place)]


def _settings(case: Case) -> list[Finding]:
    """Compare the optimizer's class, configuration and learning rates with those of ``.fit``."""
    rates = [step.updates[0].settings["learning_rate"] for step in case.steps]
    if not differences(case, simulated(case, rates)):
        return _rates(case, rates)  # the settings differ, but have the same effect here
    found = []
    for key, own, fits in other_settings(case):
        told = f"the optimizer has {key}={own!r}, but .fit has {key}={fits!r}"
        name = "another-optimizer"
        if key in CLIPPING:
            name = "clipping-left-out" if own is None else "gradients-clipped"
        found.append(update_finding(name, case, 0, told, "optimizer", _number(own), _number(fits)))
    return found + _rates(case, rates)


def other_settings(case: Case) -> list[tuple[str, Any, Any]]:
    """List the settings in which the optimizer differs from that of ``.fit``, except the learning rate."""
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
    told = f"the learning rate is {mine[first]:.6g}, but {fit[first]:.6g} in .fit"
    if np.allclose(mine, [-rate for rate in fit], rtol=RATIO_NOISE):
        return [update_finding("update-uphill", case, first, told, learner=mine[first], fit=fit[first])]
    name = "wrong-learning-rate"
    an_epoch = len(mine) // case.epochs
    if len(set(fit)) > 1 and np.allclose(mine[an_epoch:], fit[:-an_epoch], rtol=RATE_NOISE):
        name, told = "schedule-late", f"{told}: each of your rates comes an epoch late"
    if len(set(fit)) > 1 and np.allclose(mine, fit[0], rtol=RATE_NOISE):
        name, told = "schedule-missing", f"{told}: yours stays constant, but .fit changes it"
    return [update_finding(name, case, first, told, learner=mine[first], fit=fit[first])]


def _rates_differ(case: Case, states: list[State]) -> Finding | None:
    """Find variables that move a constant times as far as with the optimizer of ``.fit``."""
    times = np.ones(len(case.names))
    for number in range(len(case.names)):
        ratios = []
        for step, fit in zip(case.steps, states, strict=True):
            before = step.updates[0].before[number]
            mine, its = step.updates[-1].after[number] - before, fit[number] - before
            if its.any():
                ratios.append(float((mine * its).sum() / (its * its).sum()))
        if not ratios or not np.allclose(ratios, ratios[0], rtol=1e-2):
            return None
        times[number] = ratios[0]
    off = [number for number in range(len(times)) if abs(times[number] - 1) > 1e-2]
    if not off or len(off) == len(times):
        return None
    named = ", ".join(f"`{case.names[number]}` {times[number]:.3g} times" for number in off)
    told = f"these variables move farther or less far than in .fit, the others do not: {named}"
    return update_finding("rates-differ", case, 0, told, learner=float(times[off[0]]), fit=1)


def _against_simulation(case: Case) -> list[Finding]:
    """Where nothing else was found: is each update what the optimizer of ``.fit`` makes of the gradient?"""
    states = simulated(case)
    wrong = differences(case, states)
    if not wrong:
        return []
    differ = _rates_differ(case, states)
    if differ is not None:
        return [differ]
    number = wrong[0]
    variable, mine, fit = largest_difference(case.names, case.steps[number].updates[-1].after, states[number])
    told = f"`{variable}` is {mine:.7g} afterwards, but {fit:.7g} in .fit, from the same weights and gradient"
    at = Divergence("update", case.steps[number].epoch, case.steps[number].batch, variable, mine, fit)
    return [Finding("", UPDATE, at, f"update {number + 1}: {told}", case.steps[number].updates[0].place)]
