"""Grades one submission, wherever it is called: in a thread, a process, or on another machine.

The arguments and results of `grade` can be pickled, so that any ``concurrent.futures.Executor`` can run it.
"""

import atexit
import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib import metadata

import companion
from companion.check.catalogue import ExerciseResult
from companion.check.learner.file import decoded, sources_of
from companion.errors import UserError
from companion.grade import canaries
from companion.grade.clean_text import all_clean, as_terminal_shows, clean, one_line
from companion.grade.intake.likeness import shape_of_loop
from companion.grade.marking.grade import (
    ERROR,
    INTERNAL,
    NOT_JUDGED,
    RIGHT,
    CriterionMark,
    Grade,
    Judgment,
    judgment_of,
    not_judged,
)
from companion.grade.sandbox.ending import DONE, FAILED, Ending
from companion.grade.sandbox.limits import Limits
from companion.grade.sandbox.probe import PROTECTIONS
from companion.grade.workers.channel import JudgeEndedError, MachineError
from companion.grade.workers.machine import Machine
from companion.terminal.lesson_list import lesson_file

TRIES = 2  # for a submission, if a process of the grader has ended
PRINTED = 4000  # characters kept of what was printed
MOST_LOOKED_AT = 200_000  # bytes of a file
SLOW = 2.0  # seconds outside of train, from which on they are told

# What a training loop has no use for, and what could help to get around the grader.
SUSPECT = re.compile(
    r"\b(_getframe|currentframe|inspect\.stack|gc\.get_objects|gc\.get_referrers|ctypes|__code__|__wrapped__|"
    r"__globals__|__closure__|os\._exit|os\.kill|os\.fork|subprocess|multiprocessing|socket|sys\.modules|"
    r"settrace|setprofile|builtins|import __main__|companion\.(?:grade|check|loop)|mock|importlib|"
    r"from companion import [^\n]{0,80}\b(?:grade|check)\b|functions_run_eagerly|urllib|"
    r"http\.client|requests|(?:import |\.)r?glob\b|listdir|scandir|os\.walk|gradebook|"
    r"overrides\.csv)|/proc/|/etc/|/home/"
)


@dataclass(frozen=True)
class Job:
    """A submission to be graded, with all that is needed for it.

    Attributes
    ----------
    id, name, source : str
        As in `companion.grade.intake.submissions.Submission`.
    late : bool
        Likewise.
    file : str
        Which of `files` defines ``train``.
    files : dict of str to bytes
        What was handed in.
    key : str
        What the grade depends on.
    task : dict
        The fields of `companion.grade.sandbox.inside.Task`.
    limits : Limits
        What it may use.
    points : dict of str to float
        By criterion.
    share : float
        Which share of its points a criterion gives that depends on one that does not hold.
    packages : tuple of str
        What must be installed.
    reference : bytes
        What ``.fit`` gives on the task; b"" if it is to be made.
    forks : bool
        Whether to fork from one process; else each submission gets a Python process of its own.
    required : tuple of str
        Which of `companion.grade.sandbox.probe.PROTECTIONS` must hold, or nothing is graded.
    version : str
        Of the companion that asks.
    """

    id: str
    name: str
    source: str
    late: bool
    file: str
    files: dict[str, bytes]
    key: str
    task: dict[str, int]
    limits: Limits
    points: dict[str, float]
    share: float = 0.0
    packages: tuple[str, ...] = ()
    reference: bytes = b""
    forks: bool = True
    required: tuple[str, ...] = ()
    version: str = companion.__version__


_machines: dict[bool, Machine] = {}  # of this process, by whether they fork; started at the first use
_starting, _trying = threading.Lock(), threading.Lock()


def machine(*, forks: bool = True, required: Sequence[str] = ()) -> Machine:
    """Return this process's machine."""
    with _starting:
        if forks not in _machines:
            _machines[forks] = Machine(forks=forks)
        found = _machines[forks]
        found.start()
    lacking = [PROTECTIONS[name] for name in required if not found.protections[name]]
    if lacking:
        told = f"nothing was graded, since this does not hold here: {'; '.join(lacking)}"
        raise UserError(f"{told} ({found.reasons()}); grade on Linux, or use --unsafe if you trust all code")
    return found


@atexit.register
def close_machines() -> None:
    """End what has been started."""
    while _machines:
        _machines.popitem()[1].close()


def grade(job: Job) -> Grade:
    """Run and judge a submission."""
    here = _machine_of(job)
    _try_canaries(here, job)
    return _grade(here, job)


def _grade(here: Machine, job: Job) -> Grade:
    told = ""
    for _ in range(TRIES):
        try:
            ending = here.run(job.task, job.limits, job.file, job.files)
            if ending.how == FAILED:
                raise MachineError(ending.told)
            done = ending.how == DONE
            judgment = _judged(here, job, ending.result) if done else None
            if here.forks and judgment and judgment.compiled and is_right(judgment):
                ending, judgment = _as_written(here, job, ending)
            exercises = _exercises(here, job) if done else ()
        except MachineError as error:
            told = f"the grader's own process failed ({error}); grade it again with --only {job.id}"
        else:
            found = graded(job, ending, judgment)
            layers = tuple(here.layers)
            return replace(found, protections=here.protections, layers=layers, exercises=exercises)
    return not_run(job, INTERNAL, told)


def _try_canaries(here: Machine, job: Job) -> None:
    """Grade, once for a task, two loops of which it is known what they must get."""
    task = json.dumps([job.task, asdict(job.limits)])
    with _trying:
        if task in here.tried:
            return
        right, mistaken = (
            _grade(
                here, replace(job, id=canaries.FILE, file=canaries.FILE, files={canaries.FILE: text.encode()})
            )
            for text in canaries.canaries(job.task["lesson"])
        )
        wrong = canaries.told_wrongly(right, mistaken)
        if wrong:
            raise UserError(f"nothing was graded: {wrong} ({here.reasons()})")
        here.tried.add(task)


def is_right(judgment: Judgment) -> bool:
    """Return whether all criteria hold."""
    return all(one.state == RIGHT for one in judgment.criteria)


def _as_written(here: Machine, job: Job, watched: Ending) -> tuple[Ending, Judgment | None]:
    """Run a loop that compiles itself, and that was right when it was watched, as it is written."""
    ending = here.run(job.task, job.limits, job.file, job.files, as_written=True)
    if ending.how == FAILED:
        raise MachineError(ending.told)
    judgment = _judged(here, job, watched.result, ending.result) if ending.how == DONE else None
    seconds, memory = watched.seconds + ending.seconds, max(watched.memory, ending.memory)
    return replace(ending, seconds=seconds, memory=memory, printed=watched.printed), judgment


def _judged(here: Machine, job: Job, result: bytes, as_written: bytes = b"") -> Judgment:
    """Have the result judged. If it ends the judge, the submission gets no points and no second judge."""
    text = decoded(job.files[job.file], job.file)
    try:
        answer = here.judge(job.task, job.reference, result, job.file, text, as_written)
    except JudgeEndedError:
        told = "judging its result took too long, or crashed the judge"
        return Judgment(status=ERROR, criteria=not_judged(told, told), error=told)
    return judgment_of(all_clean(answer))


def _exercises(here: Machine, job: Job) -> tuple[ExerciseResult, ...]:
    """Run and judge what it has of the lesson's exercises, in a sandbox of its own."""
    if not defined(job):
        return ()
    names = list(dict.fromkeys(name for name, *_ in here.exercise_calls(job.task)))
    done, ended = _called(here, job, names)
    if ended and len(names) > 1:  # one of them used too much: run each alone, for the others
        done = list(_called_alone(here, job, names))
    return tuple(done)


def _called_alone(here: Machine, job: Job, names: Sequence[str]) -> Iterator[ExerciseResult]:
    """Run and judge each exercise alone; all together have twice the time of a submission."""
    end = time.monotonic() + 2 * job.limits.seconds
    for name in names:
        left = end - time.monotonic()
        if left < 1:
            yield ExerciseResult(name, ERROR, "not run: the other exercises took all the time")
            continue
        limits = replace(job.limits, seconds=min(job.limits.seconds, left))
        yield from _called(here, replace(job, limits=limits), [name])[0]


def _called(here: Machine, job: Job, names: list[str]) -> tuple[list[ExerciseResult], bool]:
    """Run and judge some exercises together; say also whether they were ended before they were done."""
    calls = [one for one in here.exercise_calls(job.task) if one[0] in names]
    ending = here.run(job.task, job.limits, job.file, job.files, calls)
    if ending.how == FAILED:
        raise MachineError(ending.told)
    told = ending.told
    if ending.how == DONE:
        try:
            done = all_clean(here.judge_exercises(job.task, ending.result, names))
            return [ExerciseResult(**one) for one in done], False
        except JudgeEndedError:
            told = "judging its answers crashed the judge"
    return [ExerciseResult(name, ERROR, clean(told)) for name in names], True


def defined(job: Job) -> list[str]:
    """Return the names of the lesson's exercises that a submission defines."""
    stubs = lesson_file(job.task["lesson"], "exercise.py").read_text(encoding="utf-8")
    names = re.findall(r"^def (\w+)\(", stubs, re.MULTILINE)
    text = decoded(job.files[job.file], job.file)
    return [name for name in names if name != "train" and re.search(rf"\bdef\s+{name}\b", text)]


def reference_for(job: Job) -> bytes:
    """Return what ``.fit`` makes of a task, for all jobs of it, once known loops are graded rightly."""
    here = _machine_of(job)
    lacking = [name for name in job.packages if not _is_there(name)]
    if lacking:
        told = f"the assignment needs {', '.join(lacking)}, which this Python does not have"
        raise UserError(f"nothing was graded: {told}; python -m pip install {' '.join(lacking)}")
    try:
        reference = here.reference(job.task)
    except MachineError as error:
        raise UserError(f"the process that judges ended before it graded anything ({error})") from None
    _try_canaries(here, replace(job, reference=reference))
    return reference


def _is_there(package: str) -> bool:
    """Return whether a package is installed, by the name that ``pip`` has for it."""
    try:
        metadata.distribution(re.split(r"[\s\[<>=!~;]", package, maxsplit=1)[0])
    except metadata.PackageNotFoundError:
        return False
    return True


def _machine_of(job: Job) -> Machine:
    if job.version != companion.__version__:
        told = f"a worker has companion {companion.__version__}, and {job.version} is wanted"
        raise UserError(f"{told}; install the same version everywhere")
    return machine(forks=job.forks, required=job.required)


def graded(job: Job, ending: Ending, judgment: Judgment | None) -> Grade:
    """Put the grade together from how the run ended and what the judge says."""
    if judgment is None:
        return not_run(job, ending.how, ending.told, ending)
    whole = not_run(job, judgment.status, judgment.error, ending)
    parts = {one.name: getattr(judgment, one.name) for one in fields(judgment)}
    parts["look"] = whole.look + judgment.look
    parts["criteria"] = pointed(job, judgment.criteria)
    if ending.outside > SLOW:
        told = f"the code outside of train took {ending.outside:.0f} s"
        parts["notes"] = (*judgment.notes, told)
    return _undecided(replace(whole, **parts))


def _undecided(found: Grade) -> Grade:
    """Judge no criterion, and say where it failed, if an instructor must decide."""
    if not found.needs_decision:
        return found
    where = "" if found.in_train or not found.told else "outside of train: "
    told = where + found.told
    criteria = [replace(one, state=NOT_JUDGED, told=told, points=0.0) for one in found.criteria]
    return replace(found, told=told, criteria=tuple(criteria))


def pointed(job: Job, criteria: Sequence[CriterionMark]) -> tuple[CriterionMark, ...]:
    """Return the criteria with their points."""
    shares = [1.0 if one.state == RIGHT else job.share if one.follows else 0.0 for one in criteria]
    return tuple(
        replace(one, points=job.points[one.name] * share, maximum=job.points[one.name])
        for one, share in zip(criteria, shares, strict=True)
    )


def not_run(job: Job, status: str, told: str, ending: Ending | None = None) -> Grade:
    """Return the grade of a submission that gave no result."""
    found = Grade(
        id=job.id,
        name=job.name,
        late=job.late,
        source=job.source,
        key=job.key,
        seed=job.task["seed"],
        status=status,
        told=one_line(told),
        shape=shape_of_loop(job.file, job.files[job.file]) if job.file in job.files else "",
        in_train=ending is None or ending.in_train,
        seconds=ending.seconds if ending else None,
        memory=ending.memory if ending else None,
        printed=clean(as_terminal_shows(ending.printed))[:PRINTED] if ending else "",
        criteria=pointed(job, not_judged(one_line(told))),
        maximum=sum(job.points.values()),
        look=tuple(suspect(job)),
    )
    return found if ending and ending.how == DONE else _undecided(found)


def suspect(job: Job) -> list[str]:
    """List the names in the files of a submission that a training loop does not need."""
    found: set[str] = set()
    for name, content in job.files.items():
        text = content[:MOST_LOOKED_AT].decode("utf-8", "replace")
        with contextlib.suppress(UserError):  # a broken notebook is read as it is
            text = "\n".join(code for _, code in sources_of(name, text))
        if name.endswith((".py", ".ipynb")):
            found |= {one[0] for one in SUSPECT.finditer(text)}
    return sorted(found)
