"""The process that judges: it holds the reference and what came out of a sandbox, and runs no submission."""

import contextlib
import json
import linecache
import os
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import PurePath
from typing import Any

import numpy as np

from companion.check.catalogue import Mistake, mistake
from companion.check.judge import Judge
from companion.check.learner.file import sources_of
from companion.check.learner.isolation import unchanged
from companion.check.learner.lines import Location
from companion.check.problem import Reference
from companion.check.recording.loop_watcher import watch
from companion.check.run import LoopRun
from companion.errors import UserError
from companion.grade.marking import exercises
from companion.grade.marking.grade import (
    ERROR,
    GRADED,
    INTERNAL,
    NOT_DONE,
    RIGHT,
    UNSEEN,
    FirstDifference,
    Judgment,
    as_json,
    not_judged,
)
from companion.grade.marking.rubric import is_unseen, judge_criteria, own_updates
from companion.grade.sandbox.inside import ERROR_HEAD, Task
from companion.grade.sandbox.wire import decode, encode
from companion.grade.sandbox.wire_values import WireError
from companion.grade.workers.channel import receive, send

TRACE_AFTER = 20  # steps in which a way to compute the loss is tried; a graph pays from then on
LONGEST = 40  # seconds of judging, or of making the reference
MOST_ERROR = 1 << 20  # bytes
LONGEST_LINE = 200  # characters of a line of code
STUB = "train still raises NotImplementedError"
NOT_SEEN = "its result is right, but no gradient of its own was seen that leads to it: read it"
FORGED = "its result was not written by the grader's recorder"


def serve(connection: Connection) -> None:
    """Answer requests until the other side ends."""
    judges: dict[Task, Judge] = {}
    answer: dict[str, Any]
    while (message := receive(connection)) is not None:
        content, blob = message
        task = Task(**content["task"])
        with unchanged(), _deadline():
            if content["what"] == "prepare":
                judges = {task: prepare(task, blob)}  # the earlier task will not come again
                answer, blob = {}, reference_of(judges[task])
            elif content["what"] == "calls":
                answer, blob = {"calls": exercises.calls_of(task.lesson, task.seed)}, b""
            elif content["what"] == "exercises":
                done = exercises.judge(task.lesson, task.seed, blob, content["names"])
                answer, blob = {"done": done}, b""
            else:
                results = blob[: content["length"]], blob[content["length"] :]
                judgment = judge_safely(judges[task], *results, content["file"], content["text"])
                answer, blob = as_json(judgment), b""
        send(connection, answer, blob)


@contextlib.contextmanager
def _deadline() -> Iterator[None]:
    """End this process if what is in the ``with`` block takes too long; another judge is then made."""
    timer = threading.Timer(LONGEST, os._exit, [1])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def judge_safely(judge: Judge, result: bytes, as_written: bytes, file: str, text: str) -> Judgment:
    """Do the same as `judge_one`; an exception goes into the judgment: the result may be its cause."""
    try:
        return judge_one(judge, result, file, text, as_written)
    except Exception as error:
        told = f"the judge failed on its result: {type(error).__name__}: {str(error)[:LONGEST_LINE]}"
        return _not_run(told, INTERNAL, shown=traceback.format_exc())


def prepare(task: Task, reference: bytes = b"") -> Judge:
    """Make the judge of a task, from a reference that another has made, if there is one."""
    problem = task.problem()
    if not reference:
        return Judge(problem, trace_after=TRACE_AFTER)
    model = problem.start()
    with watch(model, problem.x) as like:  # whose variables are like those of the reference
        pass
    fit = decode(reference, like, len(problem.x))
    judge = Judge(problem, Reference(problem, fit.recording), TRACE_AFTER)
    judge.compiled = fit.history, fit.end
    return judge


def reference_of(judge: Judge) -> bytes:
    """Write down what ``.fit`` gives, for other judges of the same task."""
    return encode(LoopRun(*judge.compiled, judge.reference.recording))


def judge_one(judge: Judge, result: bytes, file: str, text: str, as_written: bytes = b"") -> Judgment:
    """Judge what a submission has left when it was watched, and, if it was, when run as it is written.

    Its text is shown, not run.
    """
    lines = Lines(file, text)
    for told in (result, as_written):
        if told.startswith(ERROR_HEAD):
            return _of_error(told[len(ERROR_HEAD) :], lines)
    try:
        run = decode(result, judge.reference.recording, len(judge.problem.x))
        if as_written:
            recording = run.recording
            run = decode(as_written, judge.reference.recording, len(judge.problem.x))
            run.recording = recording
        lengths = [len(run.history), *([len(run.recording.history)] if run.recording else [])]
        if any(length != judge.problem.epochs for length in lengths) and not run.returned:
            raise WireError("there are too few or too many losses")
    except WireError as error:
        return _not_run(FORGED, error=f"{FORGED}: {error}")
    with lines.known():
        one = judge.judge(run)
    criteria = judge_criteria(one, run, judge)
    mistakes = [
        _made(finding.name, finding.evidence, place, lines.at(place))
        for finding in one.findings
        if finding.name
        for place in (finding.place or run.report,)
    ]
    at = one.first_difference
    seen = one.findings or own_updates(one, run, judge) == len(judge.reference.updates)
    is_right = all(criterion.state == RIGHT for criterion in criteria)
    unseen = is_right and not seen and is_unseen(run)
    return Judgment(
        status=UNSEEN if unseen else GRADED,
        compiled=run.recording is not None and run.recording.compiled,
        error=NOT_SEEN if unseen else "",
        criteria=tuple(criteria),
        mistakes=tuple(mistakes),
        unknown=tuple(finding.evidence for finding in one.findings if not finding.name),
        learner=tuple(one.learner),
        fit=tuple(one.fit),
        first_difference=None if at is None else FirstDifference(at.what, at.epoch, at.batch),
        notes=(*one.unwatched, *run.left_out),
        trajectory="" if is_right else fingerprint(run),
        look=() if seen else ("(only its result could be compared)",),
    )


class Lines:
    """The lines of a submission, to show them."""

    def __init__(self, file: str, text: str) -> None:
        try:
            self.texts = {name: code.splitlines() for name, code in sources_of(file, text)}
        except UserError:  # a broken notebook, of which the run has said so
            self.texts = {}

    @contextlib.contextmanager
    def known(self) -> Iterator[None]:
        """Let those who look for the line of a mistake find the text, and no file of the same name."""
        for name, lines in self.texts.items():
            code = "\n".join(lines)
            linecache.cache[name] = (len(code), None, [f"{line}\n" for line in lines], name)
        try:
            yield
        finally:
            for name in self.texts:
                linecache.cache.pop(name, None)

    def at(self, place: Location | None) -> str:
        """Return the line at a place; "" if there is none."""
        lines = self.texts.get(place.file, []) if place is not None else []
        return lines[place.line - 1].strip()[:LONGEST_LINE] if place and 0 < place.line <= len(lines) else ""


def _of_error(text: bytes, lines: Lines) -> Judgment:
    """Read what the sandbox says of an exception, of which every word may be the submission's own."""
    if len(text) > MOST_ERROR:
        return _not_run(FORGED)
    try:
        content = json.loads(text)
        told, shown, name = (str(content.get(key) or "") for key in ("text", "shown", "name"))
        file, line = content.get("file"), content.get("line")
        place = Location(file, line) if isinstance(file, str) and type(line) is int else None
    except (ValueError, AttributeError, RecursionError):
        return _not_run(FORGED)
    if content.get("not_done") is True:
        return _not_run(STUB, NOT_DONE)
    if content.get("fault") is True:
        return _not_run(f"the grader failed on it: {told[:1000]}", INTERNAL)
    package = str(content.get("package") or "")[:LONGEST_LINE]
    named = name in ("no-gradient", "variables-in-tf-function")
    mistakes = (_made(name, told[:1000], place, lines.at(place)),) if named else ()
    return _not_run(told[:1000], mistakes=mistakes, shown=shown[:10_000], package=package)


def _not_run(told: str, status: str = ERROR, **more: Any) -> Judgment:
    """Return the judgment of a run that gave no result."""
    return Judgment(status=status, criteria=not_judged(told), **{"error": told} | more)


def _made(name: str, evidence: str, place: Location | None, code: str) -> Mistake:
    """Return all that is known of a mistake; its file without the folder of the sandbox."""
    at = place and Location(PurePath(place.file).name, place.line)
    return mistake(name, evidence, at, code)


def fingerprint(run: LoopRun) -> str:
    """Return a short text that is equal for runs whose losses and weights are equal except for rounding."""
    numbers = [*run.history, *(float(np.linalg.norm(array.astype("float64"))) for array in run.end)]
    return " ".join(f"{number:.4g}" for number in numbers)


if __name__ == "__main__":  # where processes cannot be forked
    if sys.platform == "win32":
        serve(Connection(socket.fromshare(sys.stdin.buffer.read()).detach()))
    else:
        serve(Connection(int(sys.argv[1])))
