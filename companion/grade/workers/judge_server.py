"""The process that judges: it holds the reference and what came out of a sandbox, and runs no submission."""

import contextlib
import json
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

from companion.check.judge import Judge
from companion.check.learner.file import sources_of
from companion.check.learner.isolation import unchanged
from companion.check.learner.lines import Location
from companion.check.problem import Reference
from companion.check.recording.recorder import watch
from companion.check.rules.findings import Divergence, Finding
from companion.check.run import LoopRun
from companion.check.verdict import Mistake, ProblemVerdict, mistake
from companion.errors import UserError
from companion.grade.marking import exercises
from companion.grade.marking.criteria import RIGHT
from companion.grade.marking.rubric import CriterionMark, judge_criteria, none_runs, own_updates
from companion.grade.sandbox.inside import ERROR, Task
from companion.grade.sandbox.wire import decode, encode
from companion.grade.sandbox.wire_values import WireError
from companion.grade.workers.channel import receive, send
from companion.terminal.formats import spell_out

TRACE_AFTER = 60  # steps: some six submissions
LONGEST = 40  # seconds of judging, or of making the reference
LONGEST_LINE = 200  # characters of a line of code
STUB = "train still raises NotImplementedError"
FORGED = "its result is not one that the recorder writes"


def serve(connection: Connection) -> None:
    """Answer requests until the other side ends."""
    judges: dict[Task, Judge] = {}
    answer: dict[str, Any]
    while (message := receive(connection)) is not None:
        content, blob = message
        task = Task(**content["task"])
        with unchanged(), _deadline():
            if content["what"] == "prepare":
                judges = {task: prepare(task, blob)}  # of the one before nobody asks again
                answer, blob = {}, reference_of(judges[task])
            elif content["what"] == "calls":
                answer, blob = {"calls": exercises.calls_of(task.lesson, task.seed)}, b""
            elif content["what"] == "exercises":
                done = exercises.judge(task.lesson, task.seed, blob, content["names"])
                answer, blob = {"done": done}, b""
            else:
                answer, blob = judge_safely(judges[task], blob, content["file"], content["text"]), b""
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


def judge_safely(judge: Judge, result: bytes, file: str, text: str) -> dict[str, Any]:
    """Do as `judge_one`; an exception in it is told in the answer, since the result may be to blame."""
    try:
        return judge_one(judge, result, file, text)
    except Exception as error:
        told = f"the judge met {type(error).__name__} in what it left: {str(error)[:LONGEST_LINE]}"
        return _answer(none_runs(told), error=told, shown=traceback.format_exc()) | {"failed": True}


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


def judge_one(judge: Judge, result: bytes, file: str, text: str) -> dict[str, Any]:
    """Judge what a submission has left.

    Parameters
    ----------
    judge : Judge
        Of the task that it ran on.
    result : bytes
        As it came out of the sandbox.
    file, text : str
        Name and content of the submission's file; the text is shown, not run.

    Returns
    -------
    dict
        Of what JSON knows: ``criteria``, ``mistakes``, ``unknown``, ``error``, ``learner``, ``fit``,
        ``notes``, ``first_difference``, ``trajectory``.
    """
    lines = Lines(file, text)
    if result.startswith(ERROR):
        return _of_error(result[len(ERROR) :], lines)
    try:
        run = decode(result, judge.reference.recording, len(judge.problem.x))
        epochs = judge.problem.epochs
        lengths = [len(run.history), *([len(run.recording.history)] if run.recording else [])]
        if any(length != epochs for length in lengths):
            raise WireError("there are too few or too many losses")
    except WireError as error:
        return _answer(none_runs(FORGED), error=f"{FORGED}: {error}")
    one = judge.judge(run)
    criteria = judge_criteria(one, run, judge)
    mistakes = [
        mistake(
            f.name, f.evidence, f.place or run.report, lines.at(f.place or run.report), [one.problem.title]
        )
        for f in one.findings
        if f.name
    ]
    unknown = [finding for finding in one.findings if not finding.name]
    trajectory = "" if all(c.state == RIGHT for c in criteria) else fingerprint(run)
    answer = _answer(criteria, mistakes, unknown, one, trajectory)
    if not one.findings and own_updates(run, judge) < len(judge.reference.updates):
        answer["look"] = ["(only its result could be compared)"]
    return answer


class Lines:
    """The lines of a submission, to show them."""

    def __init__(self, file: str, text: str) -> None:
        try:
            self.texts = {name: code.splitlines() for name, code in sources_of(file, text)}
        except UserError:  # a broken notebook, of which the run has said so
            self.texts = {}

    def at(self, place: Location | None) -> str:
        """Give the line at a place; "" if there is none."""
        lines = self.texts.get(place.file, []) if place is not None else []
        return lines[place.line - 1].strip()[:LONGEST_LINE] if place and 0 < place.line <= len(lines) else ""


def _of_error(text: bytes, lines: Lines) -> dict[str, Any]:
    """Read what the sandbox says of an exception, of which every word may be the submission's own."""
    try:
        content = json.loads(text)
        told, shown, name = (str(content.get(key) or "") for key in ("text", "shown", "name"))
        file, line = content.get("file"), content.get("line")
        place = Location(file, line) if isinstance(file, str) and type(line) is int else None
    except (ValueError, AttributeError, RecursionError):
        return _answer(none_runs(FORGED), error=FORGED)
    if content.get("not_done") is True:
        return _answer(none_runs(STUB), error=STUB) | {"not_done": True}
    mistakes = []
    if name in ("no-gradient", "variables-in-tf-function"):
        mistakes = [mistake(name, told[:1000], place, lines.at(place), [])]
    return _answer(none_runs(told[:1000]), mistakes, error=told[:1000], shown=shown[:10_000])


def fingerprint(run: LoopRun) -> str:
    """Give a short text that is the same for runs with the same losses and weights, but for rounding."""
    numbers = [*run.history, *(float(np.linalg.norm(array.astype("float64"))) for array in run.end)]
    return " ".join(f"{number:.4g}" for number in numbers)


def _answer(
    criteria: list[CriterionMark],
    mistakes: list[Mistake] | None = None,
    unknown: list[Finding] | None = None,
    one: ProblemVerdict | None = None,
    trajectory: str = "",
    error: str = "",
    shown: str = "",
) -> dict[str, Any]:
    return spell_out(
        {
            "criteria": [{"name": c.name, "state": c.state, "told": c.told} for c in criteria],
            "mistakes": [
                {
                    "name": m.name, "title": m.title, "evidence": m.evidence, "line": m.line, "code": m.code,
                    "file": None if m.file is None else PurePath(m.file).name, "cure": m.cure, "link": m.link,
                    "section": m.section,
                }
                for m in mistakes or []
            ],
            "unknown": [finding.evidence for finding in unknown or []],
            "learner": one.learner if one else [],
            "fit": one.fit if one else [],
            "first_difference": _difference(one.first_difference if one else None),
            "notes": one.unwatched if one else [],
            "trajectory": trajectory,
            "error": error,
            "shown": shown,
        }
    )  # fmt: skip


def _difference(at: Divergence | None) -> dict[str, Any] | None:
    return None if at is None else {"what": at.what, "epoch": at.epoch, "batch": at.batch}


if __name__ == "__main__":  # where processes cannot be forked
    if sys.platform == "win32":
        serve(Connection(socket.fromshare(sys.stdin.buffer.read()).detach()))
    else:
        serve(Connection(int(sys.argv[1])))
