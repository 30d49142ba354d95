"""A learner's ``train`` beside ``.fit``: run both, compare, and say why they differ."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from companion.diagnosis.catalogue import MISTAKES
from companion.diagnosis.diagnose import diagnose
from companion.diagnosis.findings import REPORT, Difference, Finding, largest_difference
from companion.diagnosis.problem import Problem, Reference
from companion.diagnosis.recorder import watch
from companion.diagnosis.recording import Gradient, Place
from companion.diagnosis.replay import Replay
from companion.diagnosis.surroundings import unchanged
from companion.errors import UserError
from companion.learner import check_train, history_of
from companion.loop_check import LoopCheck
from companion.loop_error import NO_GRADIENT, LoopError
from companion.outcome import Mistake, OneProblem
from companion.problems import ASSIGNMENTS, lesson_problem, revealing_problem
from companion.source import line_of_report, text_of
from companion.ulp import abs_difference

NOISE = 2e-6  # of losses and weights: 41 right loops were at most 6e-7 apart from .fit, compiled or not

Train = Callable[..., Any]


def check_loop(
    train: Train,
    lesson: int | str = 3,
    *,
    problem: str | Problem | None = None,
    seed: int = 0,
    epochs: int | None = None,
    name: str | None = None,
) -> LoopCheck:
    """Run a hand-written loop beside ``.fit`` and say whether they are the same, and if not, why.

    Parameters
    ----------
    train : callable
        ``train(model, x, y, *, learning_rate, batch_size, epochs)``, which trains `model` in place
        and gives a list of losses, one an epoch. It is run several times, each time on a new network.
    lesson : int or str
        Whose data, network and loss: from 1 to 5, or such as "lesson3".
    problem : {"lesson", "revealing"} or Problem, optional
        Just the lesson's data, just the small problem in which every mistake shows, or one of your
        own; both of the lesson's unless told.
    seed : int
        Of initial weights and order.
    epochs : int, optional
        3 unless told.
    name : str, optional
        What to call the loop.

    Returns
    -------
    LoopCheck
        Prints as a report, in a notebook too. An exception in `train`, and a wrong return, are in it.

    Raises
    ------
    UserError
        If `train` or an argument is nothing that can be checked.

    Notes
    -----
    Seeds, Keras' settings and Keras itself are afterwards as they were before.
    """
    check_train(train)
    problems = _problems(lesson, problem, seed, epochs)
    check = LoopCheck(str(name or getattr(train, "__name__", "train")))
    started = time.perf_counter()
    try:
        for number, one in enumerate(problems):
            with unchanged():
                check.problems.append(_check_on(train, one, first=number == 0))
    except UserError as error:
        check.error = error
    check.seconds = time.perf_counter() - started
    _sum_up(check, train)
    return check


def _problems(
    lesson: int | str, problem: str | Problem | None, seed: int, epochs: int | None
) -> list[Problem]:
    if isinstance(problem, Problem):
        return [problem]
    number = int(str(lesson).removeprefix("lesson")) if str(lesson).removeprefix("lesson").isdigit() else 0
    if number not in ASSIGNMENTS:
        raise UserError(f"lesson is {lesson!r}: it must be a number from 1 to {max(ASSIGNMENTS)}")
    if epochs is not None and (not isinstance(epochs, int) or epochs < 1):
        raise UserError(f"epochs is {epochs!r}: it must be a whole number from 1 on")
    makers = {"lesson": lesson_problem, "revealing": revealing_problem}
    if problem not in (None, *makers):
        raise UserError(
            f"problem is {problem!r}: it must be 'lesson', 'revealing', a Problem, or left out for both"
        )
    return [make(number, seed, epochs) for name, make in makers.items() if problem in (None, name)]


def _check_on(train: Train, problem: Problem, *, first: bool) -> OneProblem:
    """Run loop and ``.fit`` on one problem: as they are, then eagerly and watched."""
    own = problem.start()
    try:
        with contextlib.nullcontext() if first else _silence():
            learner = _run(train, problem, own, first=first)
    except LoopError as error:
        _look_closer(train, problem, error)
        raise
    reference = Reference(problem)
    findings, unwatched, seen = _watched(train, problem, reference)
    compiled = problem.compiled(run_eagerly=False)
    fit = problem.fit(compiled)
    mine, fits = [[np.array(v.numpy()) for v in model.variables] for model in (own, compiled)]
    if not findings:
        findings = _unseen(reference.recording.variables, (learner, mine), (fit, fits), "")
        if findings and seen:
            findings, note = _compiled_otherwise(problem, (learner, mine), findings)
            unwatched = unwatched + note
    same = [np.array_equal(a, b, equal_nan=True) for a, b in zip(mine, fits, strict=True)]
    identical = np.array_equal(learner, fit, equal_nan=True) and all(same)
    apart = max(float(abs_difference(a, b).max(initial=0)) for a, b in zip(mine, fits, strict=True))
    return OneProblem(problem, learner, fit, identical, apart, findings, unwatched)


def _watched(train: Train, problem: Problem, reference: Reference) -> tuple[list[Finding], list[str], bool]:
    """Run the loop eagerly and watched: give what is found, what could not be seen, and whether it ran."""
    model = problem.start()
    try:
        with _silence(), watch(model, problem.x) as recording:
            recording.history = _run(train, problem, model, first=False)
    except LoopError as error:  # which it did not meet as it is
        told = f"run eagerly, to be watched, the loop ends in {error.told}: only the result was compared"
        return [], [told], False
    findings, unwatched = diagnose(problem, reference, recording, Replay(problem))
    if not findings:
        fit = reference.history, reference.recording.end
        findings = _unseen(recording.variables, (recording.history, recording.end), fit, "run eagerly, ")
    return findings, unwatched, True


def _look_closer(train: Train, problem: Problem, error: LoopError) -> None:
    """Where something was None, find out whether it was a gradient."""
    if error.name or "NoneType" not in error.told:
        return
    model = problem.start()
    with contextlib.suppress(LoopError), _silence(), watch(model, problem.x) as recording:
        _run(train, problem, model, first=True)
    gradients = [event for event in recording.events if isinstance(event, Gradient)]
    if gradients and any(gradients[-1].values[number] is None for number in gradients[-1].asked):
        error.name_it("no-gradient", NO_GRADIENT)


def _run(train: Train, problem: Problem, model: Any, *, first: bool) -> list[float]:
    """Call the learner's function; put back what it may set for all."""
    try:
        with unchanged():
            result = problem.train(train, model)
    except (KeyboardInterrupt, UserError):
        raise
    except BaseException as error:  # SystemExit too
        raise LoopError(error, f"while train runs on {problem.title}") from None
    try:
        return history_of(result, problem.epochs)
    except UserError as error:
        if first:
            raise
        raise UserError(f"{error}; the first call was right: is something kept from call to call?") from None


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Swallow what the loop prints: it has been printed once."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


Result = tuple[list[float], list[np.ndarray]]  # losses, and all variables at the end


def _unseen(names: list[str], mine: Result, fit: Result, how: str) -> list[Finding]:
    """Find differences of the results where no rule has seen one."""
    for epoch, (a, b) in enumerate(zip(mine[0], fit[0], strict=True)):
        if not _near(a, b):
            told = f"epoch {epoch}: {how}you report {a:.7g}, .fit {b:.7g}, and no rule says why"
            return [Finding("", REPORT, Difference("report", epoch, None, None, a, b), told)]
    if all(_near(a, b) for a, b in zip(mine[1], fit[1], strict=True)):
        return []
    variable, one, other = largest_difference(names, mine[1], fit[1])
    told = f"at the end, {how}`{variable}` is {one:.7g}, with .fit {other:.7g}, and no rule says why"
    return [Finding("", REPORT, Difference("weights", len(fit[0]) - 1, None, variable, one, other), told)]


def _compiled_otherwise(
    problem: Problem, mine: Result, found: list[Finding]
) -> tuple[list[Finding], list[str]]:
    """Explain why a loop is ``.fit`` when it is run eagerly, but not as it is."""
    by_xla = problem.compiled(run_eagerly=False, jit_compile=True)
    losses = problem.fit(by_xla)
    if not _unseen([], mine, (losses, [v.numpy() for v in by_xla.variables]), ""):
        how = "compiled by XLA, and equal to .fit with jit_compile=True, where dropout draws other numbers"
        return [], [f"the loop is {how}"]
    told = (
        f"{found[0].evidence}; run eagerly both are equal: a tf.function keeps what Python does in it as it "
        "was the first time, and under jit_compile=True dropout draws other numbers"
    )
    return [replace(found[0], evidence=told)], []


def _near(a: Any, b: Any) -> bool:
    return bool(np.allclose(a, b, rtol=NOISE, atol=NOISE, equal_nan=True))


def _sum_up(check: LoopCheck, train: Train) -> None:
    """Put the findings of all problems together, those of the revealing one first."""
    found: dict[str, tuple[Finding, list[str]]] = {}
    for one in reversed(check.problems):
        for finding in one.findings:
            if finding.name:
                found.setdefault(finding.name, (finding, []))[1].append(one.problem.title)
    check.mistakes = [
        _named(finding.name, finding.evidence, finding.place or line_of_report(train), titles)
        for finding, titles in found.values()
    ]
    named = {one.problem.title for one in check.problems if any(finding.name for finding in one.findings)}
    for one in reversed(check.problems):
        # Where the revealing problem has named the reasons, another's open ones say nothing more.
        if one is check.problems[-1] or not named - {one.problem.title}:
            check.unknown += [(one.problem.title, finding) for finding in one.findings if not finding.name]
    if check.error is not None:
        check.mistakes = _of_error(check.error)
        check.verdict = "error"
    elif check.problems:
        ranks = ["identical", "close", "differs"]
        check.verdict = max((one.verdict for one in check.problems), key=ranks.index)


def _named(name: str, evidence: str, place: Place | None, problems: list[str]) -> Mistake:
    """Say all that is known of a mistake."""
    known = MISTAKES[name]
    file, line = (place.file, place.line) if place else (None, None)
    return Mistake(
        name,
        known.title,
        evidence,
        file,
        line,
        text_of(place),
        known.cure,
        known.link,
        known.section,
        problems,
    )


def _of_error(error: UserError) -> list[Mistake]:
    if not isinstance(error, LoopError) or not error.name:
        return []
    place = Place(error.file, error.line) if error.file and error.line else None
    return [_named(error.name, error.told, place, [])]
