"""A learner's ``train`` beside ``.fit``: run both, compare, and say why they differ."""

import functools
import time

import keras

from companion.check.catalogue import Mistake, mistake
from companion.check.judge import Judge
from companion.check.learner.file import check_train
from companion.check.learner.isolation import unchanged
from companion.check.learner.lines import Location, file_is_own, line_of_report, text_of
from companion.check.learner.traceback import LoopError
from companion.check.problem import Problem, Train
from companion.check.problems import lesson_problem, revealing_problem
from companion.check.result import NOT_DONE, LoopCheck
from companion.check.rules.findings import Finding
from companion.check.rules.places import start_of_epoch
from companion.check.run import run_as_written, run_watched
from companion.check.verdict import ProblemVerdict
from companion.errors import UserError
from companion.terminal.lesson_list import LESSONS

MAKERS = {"lesson": lesson_problem, "revealing": revealing_problem}


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
        and returns a list of losses, one per epoch. It is run several times, each time on a new network.
    lesson : int or str
        The lesson whose data, network and loss are used: a number from 1 to 5, or a name such as
        "lesson3".
    problem : {"lesson", "revealing"} or Problem, optional
        What `train` runs on: the lesson's data, the small problem in which every mistake shows, or a
        problem of your own. By default, it runs on the first two.
    seed : int
        The seed of the initial weights and the row order.
    epochs : int, optional
        3 by default.
    name : str, optional
        What to call the loop.

    Returns
    -------
    LoopCheck
        It prints as a report, also in a notebook. If `train` raises an exception or returns something
        wrong, the report says so.

    Raises
    ------
    UserError
        If `train` is no function that can be checked, or another argument is wrong.

    Notes
    -----
    The check leaves seeds, Keras' settings and Keras itself as they were before.
    """
    check_train(train)
    with unchanged():
        judges = _judges(lesson, problem, seed, epochs)
    check = LoopCheck(str(name or getattr(train, "__name__", "train")))
    started = time.perf_counter()
    try:
        for number, judge in enumerate(judges):
            with unchanged(), file_is_own(train):
                check.problems.append(_check_on(train, judge, first=number == 0))
    except UserError as error:
        check.error = error
    check.seconds = time.perf_counter() - started
    _sum_up(check, train)
    return check


def _judges(lesson: int | str, problem: str | Problem | None, seed: int, epochs: int | None) -> list[Judge]:
    if isinstance(problem, Problem):
        return [Judge(problem)]
    number = int(str(lesson).removeprefix("lesson")) if str(lesson).removeprefix("lesson").isdigit() else 0
    if f"lesson{number}" not in LESSONS:
        raise UserError(f"lesson is {lesson!r}: it must be a number from 1 to {len(LESSONS)}")
    if epochs is not None and (not isinstance(epochs, int) or epochs < 1):
        raise UserError(f"epochs is {epochs!r}: it must be a whole number of 1 or more")
    if problem not in (None, *MAKERS):
        raise UserError(
            f"problem is {problem!r}: it must be 'lesson', 'revealing', a Problem, or left out for both"
        )
    policy = keras.config.dtype_policy().name
    names = [name for name in MAKERS if problem in (None, name)]
    return [_lesson_judge(name, number, seed, epochs, keras.config.floatx(), policy) for name in names]


@functools.lru_cache(maxsize=8)
def _lesson_judge(name: str, number: int, seed: int, epochs: int | None, floatx: str, policy: str) -> Judge:
    """Keep the results of ``.fit`` on a lesson's problem: in a notebook a loop is checked many times."""
    return Judge(MAKERS[name](number, seed, epochs))


def _check_on(train: Train, judge: Judge, *, first: bool) -> ProblemVerdict:
    """Run loop and ``.fit`` on one problem: as they are, then eagerly and watched."""
    run = run_as_written(train, judge.problem, first=first, may_be_none=True)
    try:
        run.recording = run_watched(train, judge.problem, may_be_none=True)
    except LoopError as error:  # the run as it is did not raise it
        run.told = error.told
    return judge.judge(run)


def _sum_up(check: LoopCheck, train: Train) -> None:
    """Put the findings of all problems together, those of the revealing one first."""
    found: dict[str, tuple[Finding, list[str]]] = {}
    for one in reversed(check.problems):
        for finding in one.findings:
            if finding.name:
                found.setdefault(finding.name, (finding, []))[1].append(one.problem.title)
    own = check.problems[0].problem.title if check.problems else ""
    # What shows on the person's own data comes first.
    for finding, titles in sorted(found.values(), key=lambda pair: own not in pair[1]):
        place = finding.place or line_of_report(train)
        if finding.name == "metric-never-reset" and place is not None:
            place = start_of_epoch(place) or place
        check.mistakes.append(mistake(finding.name, finding.evidence, place, text_of(place), titles))
    named = {one.problem.title for one in check.problems if any(finding.name for finding in one.findings)}
    for one in reversed(check.problems):
        # If the revealing problem has named the reasons, unexplained differences on another add nothing.
        if one is check.problems[-1] or not named - {one.problem.title}:
            check.unknown += [(one.problem.title, finding) for finding in one.findings if not finding.name]
    if check.error is not None:
        check.mistakes = _of_error(check.error)
        check.verdict = NOT_DONE if getattr(check.error, "not_done", False) else "error"
    elif check.problems:
        ranks = ["identical", "close", "differs"]
        check.verdict = max((one.verdict for one in check.problems), key=ranks.index)


def _of_error(error: UserError) -> list[Mistake]:
    if not isinstance(error, LoopError) or not error.name:
        return []
    place = Location(error.file, error.line) if error.file and error.line else None
    return [mistake(error.name, error.told, place, text_of(place), [])]
