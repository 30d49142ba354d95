"""From a recording to named mistakes with their evidence, or to "unknown, but the difference is here"."""

import itertools
from dataclasses import dataclass, replace

import numpy as np

from companion.check.problem import Problem, Reference
from companion.check.recording.events import Forward, Gradient, ReadyMade, Recording, Update
from companion.check.replay import Replay
from companion.check.rules.findings import (
    FORWARD,
    REPORT,
    START,
    UPDATE,
    Case,
    Divergence,
    Finding,
    largest_difference,
)
from companion.check.rules.gradients import Explanation, gradient_findings
from companion.check.rules.places import place_of
from companion.check.rules.reports import report_findings
from companion.check.rules.rows import row_findings
from companion.check.rules.simulation import is_right_in_all
from companion.check.rules.updates import frozen_updated, optimizer_counts, other_settings, update_findings
from companion.check.steps import Step, Steps, steps_of
from companion.terminal.formats import count_of

SAME = 1e-4  # of a number: what is nearer has come from the rounding of large numbers


@dataclass(frozen=True)
class Diagnosis:
    """What is found in a run.

    Attributes
    ----------
    findings : list of Finding
        The earliest first; those with an empty name are differences without a known reason.
    unwatched : list of str
        What could not be watched, in sentences.
    steps : list of Step
        The run, cut into steps.
    """

    findings: list[Finding]
    unwatched: list[str]
    steps: list[Step]


def diagnose(problem: Problem, reference: Reference, recording: Recording, replay: Replay) -> Diagnosis:
    """Find out where and why a loop is not ``.fit``, and in which line one would correct it."""
    found = _diagnose(problem, reference, recording, replay)
    case = Case(problem, reference, recording, found.steps, replay, [])
    placed = [replace(finding, place=place_of(finding, case)) for finding in found.findings]
    return replace(found, findings=placed)


def _diagnose(problem: Problem, reference: Reference, recording: Recording, replay: Replay) -> Diagnosis:
    taken = steps_of(recording, len(recording.history))
    stopped_alike = len(recording.history) == len(reference.history)
    warm_up = taken.cut_warm_up(reference.batches) if stopped_alike else 0
    case = Case(problem, reference, recording, taken.steps, replay, [])
    ready_made = [event for event in recording.events if isinstance(event, ReadyMade)]
    by_hand = any(step.gradient.tape in recording.own_tapes for step in case.steps)
    if (ready_made or case.steps) and not by_hand:
        what = f"{ready_made[0].name} is called, and" if ready_made else "updates are made, but"
        return Diagnosis(
            [_copied(case, f"{what} your own code computes no gradient for an update")], [], case.steps
        )
    if not case.steps:
        return Diagnosis(_without_steps(case), case.unwatched, case.steps)
    if recording.copies_apart is not None:  # it explains all that follows
        return Diagnosis([_not_added_up(case)], case.unwatched, case.steps)
    if is_same_result(recording, reference):
        if _moved_by_ready_made(recording):
            return Diagnosis(
                [_copied(case, f"{ready_made[0].name} moves the weights, not your own code")], [], case.steps
            )
        # The result is right, however it was reached. Settings that differ but change nothing here are noted.
        case.unwatched += [
            f"the optimizer has {key}={own!r}, but .fit has {fits!r}; this makes no difference here"
            for key, own, fits in other_settings(case)
        ]
        return Diagnosis(optimizer_counts(case), case.unwatched, case.steps)
    fewer = _fewer_updates(case)
    thrown = None if fewer else _thrown_away(case) or _not_applied(case)
    if thrown is not None:  # it explains all that follows
        return Diagnosis([thrown], case.unwatched, case.steps)
    if fewer is not None:  # each gradient stands for the update that it should have had
        case.steps = steps_of(recording, case.epochs, each_gradient=True).steps
    put_back = _put_back(case)
    found = _start(case, taken, warm_up, ready_made) + put_back
    if any(not step.forwards or any(f.rows is None for f in step.forwards) for step in case.steps):
        _suppose_rows(case)
    rows = row_findings(case)
    found += rows
    in_order = all(finding.name for finding in rows)  # else steps do not follow each other as in .fit
    explained: list[Explanation] | None = None
    if fewer is not None:
        gradients, explained = gradient_findings(case)
        found += [*gradients, fewer]
    elif is_right_in_all(case):
        found += (_passes(case, []) if in_order else []) + optimizer_counts(case) + frozen_updated(case)
    else:
        gradients, explained = gradient_findings(case)
        found += gradients + (_passes(case, gradients) if in_order else []) + update_findings(case)
    reports = report_findings(case, explained) if recording.reported != [] else []
    if not stopped_alike:
        reports.append(_other_epochs(case))
    if warm_up and any(not finding.name for finding in reports):
        return Diagnosis(
            [_too_many(case, warm_up)], case.unwatched, case.steps
        )  # which of the epochs are reported is not known
    found += reports
    return Diagnosis(sorted(_merged(found), key=lambda finding: finding.order), case.unwatched, case.steps)


def _thrown_away(case: Case) -> Finding | None:
    """Find forward passes under tapes of the loop of which no gradient is taken, one or more a step."""
    events = case.recording.events
    taken = {event.tape for event in events if isinstance(event, Gradient)}
    own = set(case.recording.own_tapes)
    thrown = [
        event for event in events
        if isinstance(event, Forward) and event.tapes and event.training
        and not set(event.tapes) & taken and set(event.tapes) & own
    ]  # fmt: skip
    if len(thrown) < len(case.steps):
        return None
    told = (
        f"{len(thrown)} forward passes are recorded by tapes of which no gradient is taken; only the "
        f"{len(case.steps)} others count"
    )
    at = Divergence("tape", 0, 0, None, len(thrown), 0)
    return Finding("tape-thrown-away", FORWARD, at, told, thrown[0].place)


def _fewer_updates(case: Case) -> Finding | None:
    """Find a loop that computes all gradients of ``.fit``, but makes fewer updates."""
    if case.replay.optimizer.gradient_accumulation_steps:
        return None
    each = steps_of(case.recording, case.epochs, each_gradient=True).steps
    fit = [rows for epoch in case.batches_of_fit for rows in epoch]
    if not len(case.steps) < len(each) == len(fit):
        return None
    if not all(np.array_equal(step.rows, rows) for step, rows in zip(each, fit, strict=True)):
        return None
    most = max(len(step.forwards) for step in case.steps)
    told = f"{len(each)} gradients are computed, but {len(case.steps)} updates are made"
    told += f"; one update uses up to {most} batches" if most > 1 else ""
    at = Divergence("update", 0, 0, None, len(case.steps), len(each))
    return Finding("gradients-not-applied", UPDATE, at, told, case.steps[0].updates[0].place)


def _not_applied(case: Case) -> Finding | None:
    """Find gradients on rows of their own that no update is made with, one or more a step."""
    events, own = case.recording.events, set(case.recording.own_tapes)
    differentiated = {event.tape for event in events if isinstance(event, Gradient)} & own
    used = [forward for step in case.steps for forward in step.forwards]
    rows = [forward.rows for forward in used if forward.rows is not None]
    lost = [
        event for event in events
        if isinstance(event, Forward) and event.rows is not None and differentiated & set(event.tapes)
        and not any(event is forward for forward in used)
        and not any(np.array_equal(event.rows, others) for others in rows)
    ]  # fmt: skip
    if len(lost) < len(case.steps):
        return None
    gradients = len(lost) + len(used)
    told = (
        f"{gradients} gradients are computed, but {len(case.steps)} updates are made, each with one of them"
    )
    at = Divergence("update", 0, 0, None, len(case.steps), gradients)
    return Finding("gradients-not-applied", UPDATE, at, told, case.steps[0].updates[0].place)


def _put_back(case: Case) -> list[Finding]:
    """Find weights that are set after the last update of an optimizer; leave that out of the steps."""
    last = case.steps[-1]
    by_optimizer = [update.optimizer is not None for step in case.steps for update in step.updates]
    if not any(by_optimizer) or by_optimizer[-1] or not all(by_optimizer[:-1]):
        return []
    update = last.updates.pop()
    variable, mine, fit = largest_difference(case.names, update.after, update.before)
    told = f"after the last update, `{variable}` is set from {fit:.6g} to {mine:.6g}"
    at = Divergence("weights", last.epoch, last.batch, variable, mine, fit)
    return [Finding("weights-put-back", REPORT, at, told, update.place)]


def _other_epochs(case: Case) -> Finding:
    """Find that the loop runs for another number of epochs than ``.fit``."""
    mine, fit = case.epochs, len(case.reference.history)
    at = Divergence("report", min(mine, fit), None, None, mine, fit)
    return Finding(
        "other-epochs", REPORT, at, f"the loop runs for {count_of(mine, 'epoch')}, but .fit for {fit}"
    )


def _not_added_up(case: Case) -> Finding:
    """Find that each replica of a strategy updates by its own gradient."""
    assert case.recording.copies_apart is not None
    variable, first, last, place = case.recording.copies_apart
    told = (
        f"the {case.recording.replicas} replicas assign different values to their copies of `{variable}`, "
        f"such as {first:.6g} and {last:.6g}: each updates by its own gradient"
    )
    at = Divergence("update", 0, 0, variable, first, last)
    return Finding("gradients-not-added-up", UPDATE, at, told, place)


def _copied(case: Case, told: str) -> Finding:
    """Find that it is not the learner's own code that trains."""
    ready_made = [event for event in case.recording.events if isinstance(event, ReadyMade)]
    place = ready_made[0].place if ready_made else case.steps[0].gradient.place
    at = Divergence("tape", 0, 0, None, 0, len(case.reference.updates))
    return Finding("fit-called-inside", START, at, told, place)


def _moved_by_ready_made(recording: Recording) -> bool:
    """Return whether a call of ``.fit`` has moved the weights with no gradient from the learner's code."""
    return any(
        isinstance(called, ReadyMade) and isinstance(then, Update) and then.optimizer is None
        for called, then in itertools.pairwise(recording.events)
    )


def _too_many(case: Case, more: int) -> Finding:
    fit = len(case.reference.updates)
    told = f"{fit + more} updates, but .fit makes {fit} in {count_of(case.problem.epochs, 'epoch')}"
    return Finding("", START, Divergence("update", 0, 0, None, fit + more, fit), told)


def is_same_result(recording: Recording, reference: Reference) -> bool:
    """Return whether a run ends with the losses and the variables of ``.fit``, except for rounding."""
    fit, noise = reference.recording, reference.noise
    if len(recording.history) != len(fit.history):
        return False
    there = range(len(fit.history)) if recording.reported is None else recording.reported
    mine, theirs = ([history[n] for n in there] for history in (recording.history, fit.history))
    near = recording.resolution
    return np.allclose(mine, theirs, rtol=noise, atol=near, equal_nan=True) and all(
        np.allclose(a, b, rtol=noise, atol=noise, equal_nan=True)
        for a, b in zip(recording.end, fit.end, strict=True)
    )


def _merged(found: list[Finding]) -> list[Finding]:
    """Drop names that come twice, and those that another one says better."""
    names = {finding.name for finding in found}
    said_better = {"penalty-left-out"} if "penalty-in-report-only" in names else set()
    kept: dict[str, Finding] = {}
    unknown = []
    for finding in found:
        if not finding.name:
            unknown += [] if any(names) and _is_rounding(finding) else [finding]
        elif finding.name not in said_better:
            kept.setdefault(finding.name, finding)
    return [*kept.values(), *unknown]


def _is_rounding(finding: Finding) -> bool:
    """Return whether the two numbers of a difference show the same digits in a report."""
    mine, fit = finding.difference.learner, finding.difference.fit
    if mine is None or fit is None:
        return False
    return bool(np.isclose(mine, fit, rtol=SAME, equal_nan=True))


def _without_steps(case: Case) -> list[Finding]:
    """Return the findings on a run in which no gradient from a tape was applied."""
    if case.recording.graphs:
        case.unwatched.append(
            "a gradient is taken inside a graph that cannot be run eagerly: only the result was compared"
        )
        return []
    changed = [event for event in case.recording.events if isinstance(event, Update)]
    if changed:
        case.unwatched.append(
            "the weights change, but no tf.GradientTape computes a gradient for them: only the result was "
            "compared"
        )
        return []
    at = Divergence("update", 0, 0, None, 0, len(case.reference.updates))
    told = f"the weights of the model never change, but .fit makes {len(case.reference.updates)} updates"
    places = [event.place for event in case.recording.events if isinstance(event, Forward)]
    return [Finding("no-update", START, at, told, places[0] if places else None)]


def _start(case: Case, taken: Steps, warm_up: int, ready_made: list[ReadyMade]) -> list[Finding]:
    """Compare the weights with which the loop begins with those it was given."""
    found = []
    set_by_hand = any(isinstance(event, Update) for event in taken.leading)
    first = case.steps[0].forwards[0] if case.steps[0].forwards else None
    given = case.reference.recording.start
    begins = first.state if first else case.recording.start
    mine, fit = case.recording.trained(begins), case.recording.trained(given)
    place = first.place if first else None
    if case.recording.other_model:
        at = Divergence("weights", 0, 0, None)
        told = "the loop trains a different model from the one that train was given"
        ends = zip(case.recording.end, case.recording.start, strict=True)
        told += "; the given model stays unchanged" if all((a == b).all() for a, b in ends) else ""
        found.append(Finding("another-model-trained", START, at, told, place))
    others = [n for n in range(len(given)) if n not in case.recording.trainable]
    moved = any((begins[n] != given[n]).any() for n in others)
    variable, a, b = largest_difference(case.names, mine, fit)
    called = next((event for event in taken.leading if isinstance(event, Forward) and event.training), None)
    if a == b and moved and called is not None and not warm_up:
        parts = ([state[n] for n in others] for state in (begins, given))
        variable, a, b = largest_difference([case.recording.variables[n] for n in others], *parts)
        at = Divergence("weights", 0, 0, variable, a, b)
        told = (
            f"the network is called in training mode before the first step, so `{variable}` is {a:.6g}; "
            f"with .fit it is {b:.6g}"
        )
        return [*found, Finding("extra-training-pass", FORWARD, at, told, called.place)]
    if a == b:
        return found
    at = Divergence("weights", 0, 0, variable, a, b)
    numbers = f"`{variable}` is {a:.6g} before the first update, but {b:.6g} with .fit"
    if warm_up:
        numbers = f"{warm_up} updates come before the first reported epoch: {numbers}"
    trained = warm_up or ready_made or (moved and not set_by_hand)
    name = "already-trained" if trained else "other-initial-weights"
    setting = next((event.place for event in taken.leading if isinstance(event, Update)), place)
    return [*found, Finding(name, START, at, numbers, ready_made[0].place if ready_made else setting)]


def _suppose_rows(case: Case) -> None:
    """Assume the rows of ``.fit``, since the network's input could not be seen."""
    rows = [rows for epoch in case.reference.batches for rows in epoch]
    case.unwatched.append(
        "the rows of your batches could not be seen, because the input of the network is not made of rows "
        "of x; each step was compared on the rows that .fit takes"
    )
    for number, step in enumerate(case.steps):
        if number < len(rows):
            state = step.forwards[-1].state if step.forwards else step.gradient.state
            step.forwards = [Forward(rows[number], None, state, (), step.forward_place)]


def _passes(case: Case, gradients: list[Finding]) -> list[Finding]:
    """Compare what forward passes change, such as moving averages, with the one pass per step of ``.fit``."""
    if any(not finding.name for finding in gradients):
        return []
    training = all(finding.name != "training-left-out" for finding in gradients)
    moved = {*case.recording.trainable, *case.recording.frozen}
    others = [n for n in range(len(case.recording.start)) if n not in moved]
    for before, step in zip(case.steps, case.steps[1:], strict=False):
        if len(before.forwards) != 1 or len(step.forwards) != 1:
            return []
        expected = case.replay.state_after(before.forwards[0], training)
        begins = step.forwards[0].state
        if all(np.allclose(begins[n], expected[n], rtol=1e-5, atol=1e-7) for n in others):
            continue
        names = [case.recording.variables[n] for n in others]
        variable, a, b = largest_difference(names, [begins[n] for n in others], [expected[n] for n in others])
        at = Divergence("weights", step.epoch, step.batch, variable, a, b)
        told = (
            f"{step.where}: before it, `{variable}` is {a:.6g}, but {b:.6g} with one training pass per step"
        )
        again = next((f for f in before.after if f.training), None)
        name = "extra-training-pass" if again else ""
        return [Finding(name, FORWARD, at, told, again.place if again else step.forward_place)]
    return []
