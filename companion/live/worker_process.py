"""A second process, which works while this one still answers the user."""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from companion.terminal.quiet_start import WORKER

Work = Callable[[Any], Any]


class WorkerProcess:
    """Does one task after another in a process of its own, which ends with this one."""

    def __init__(self, work: Work) -> None:
        context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there,), name=WORKER, daemon=True)
        self._process.start()
        there.close()
        self._here.send(work)
        self.task: Any = None

    def ask(self, task: Any) -> bool:
        """Hand over a task; return whether it was taken, or another is still being done."""
        if self.task is not None:
            return False
        self._here.send(task)
        self.task = task
        return True

    def answer(self) -> tuple[Any, Any] | None:
        """Return a task that is done and what came out, if there is one."""
        if self.task is None or not self._here.poll():
            return None
        task, self.task = self.task, None
        done, result = self._here.recv()
        if not done:
            raise RuntimeError(result)
        return task, result

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.terminate()
        self._here.close()


def _let_others_go_first() -> None:
    """Take only the time that the process which answers the user and the browser leave."""
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    elif hasattr(os, "nice"):
        os.nice(19)


def _serve(there: Connection) -> None:
    """Work until nobody asks any more."""
    _let_others_go_first()
    work = there.recv()  # this imports TensorFlow
    while True:
        try:
            task = there.recv()
        except (EOFError, OSError):
            return
        try:
            answer = (True, work(task))
        except Exception as error:  # told where it can be seen
            answer = (False, f"{type(error).__name__}: {error}")
        there.send(answer)
