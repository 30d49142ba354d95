"""``.fit`` for all sessions: one process beside this one trains, one task after the other."""

import importlib
import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

from companion.live.worker_process import WorkerProcess
from companion.precision import precision

MOST_KEPT = 200  # results, for all sessions together
REST = 0.3  # seconds for which a wish must stand: while a dial is dragged, each one is gone at once


class Task(NamedTuple):
    """What is to be trained: by which activity's ``by_hand_and_fit``, in which precision, with what."""

    activity: str
    dtype: str
    arguments: tuple[Any, ...]


class Failed(NamedTuple):
    """Why a task has no result."""

    why: str


class Fits:
    """Has trainings done in a second process, and keeps their results.

    Each session has one wish at a time; wishes are met in turn, once they stand.
    """

    def __init__(self) -> None:
        self._wishes: OrderedDict[Hashable, tuple[Task, float]] = OrderedDict()  # and since when
        self._results: OrderedDict[Task, Any] = OrderedDict()
        self._worker: WorkerProcess | None = None

    def result(self, session: Hashable, task: Task) -> Any:
        """Return what came of a task, or None while it is not done; this session waits for it then."""
        self._look()
        if task in self._results:
            self.forget(session)
            self._results.move_to_end(task)
            self._begin()
            return self._results[task]
        if session not in self._wishes or self._wishes[session][0] != task:
            self._wishes[session] = task, time.monotonic()
        self._begin()
        return None

    def verdict(self, session: Hashable, task: Task, losses: Sequence[float]) -> str:
        """Return whether by hand, ``.fit`` and these losses are identical; "" while that is not known."""
        done = self.result(session, task)
        if isinstance(done, Failed):
            return f"not compared: .fit, in the second process, failed ({done.why})"
        if done is None:
            return ""
        _, fit, verdict = done
        same = np.array_equal(fit, losses, equal_nan=True)
        return verdict if same else "not identical: the losses here differ from those of .fit"

    def forget(self, session: Hashable) -> None:
        """Forget the wish of a session."""
        self._wishes.pop(session, None)

    def _look(self) -> None:
        """Take what the second process has done."""
        if self._worker is None or self._worker.task is None:
            return
        task = self._worker.task
        try:
            done = self._worker.answer()
        except RuntimeError as error:  # the training failed, the process goes on
            self._keep(task, Failed(str(error)))
        except (EOFError, OSError):
            self._keep(task, Failed("its process has ended"))
            self._worker = None
        else:
            if done is not None:
                self._keep(*done)

    def _keep(self, task: Task, result: Any) -> None:
        self._results[task] = result
        while len(self._results) > MOST_KEPT:
            self._results.popitem(last=False)

    def _begin(self) -> None:
        """Give the second process the next wish, if it has nothing to do."""
        if self._worker is None:
            self._worker = WorkerProcess(_work)
        if self._worker.task is not None:
            return
        for session, (task, since) in list(self._wishes.items()):
            if task in self._results or time.monotonic() < since + REST:
                continue
            try:
                self._worker.ask(task)
            except OSError:  # it has just ended
                self._keep(task, Failed("its process has ended"))
                self._worker = None
            self._wishes.move_to_end(session)
            return

    def close(self) -> None:
        """End the second process."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None


def _work(task: Task) -> Any:
    """Train, in the second process."""
    activity = importlib.import_module(f"companion.live.activities.{task.activity}")
    with precision(task.dtype):
        return activity.by_hand_and_fit(*task.arguments)
