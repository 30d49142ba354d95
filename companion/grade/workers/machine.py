"""What grades submissions on this machine: sandboxes, and as many judges as are busy at one time.

This side of it needs no TensorFlow, and may be used from several threads.
"""

import json
import os
import platform
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from companion.errors import UserError
from companion.grade.sandbox.ending import AS_WRITTEN, BOTH, WATCHED, Ending
from companion.grade.sandbox.limits import Limits
from companion.grade.sandbox.probe import PROTECTIONS
from companion.grade.workers.channel import Channel, JudgeEndedError, MachineError

CAN_FORK = sys.platform == "linux"  # macOS can, but not safely after TensorFlow has been imported


@dataclass
class JudgeProcess:
    """A judge that is not busy, and the one task for which it is prepared."""

    channel: Channel
    prepared: str = ""


class Machine:
    """Runs submissions in sandboxes and judges what they leave.

    Attributes
    ----------
    protections : dict of str to bool
        Which of `companion.grade.sandbox.probe.PROTECTIONS` hold, once the sandbox has been tried out.
    layers : list of str
        The layers of protection that are on.
    off : dict of str to str
        Those that could not be turned on, each with the reason.
    forks : bool
        Whether processes are forked from one that has imported TensorFlow.
    tried : set of str
        The tasks on which loops that are known were graded as they must be.
    """

    def __init__(self, *, forks: bool = True) -> None:
        self._referring = threading.Lock()
        self._references: dict[str, bytes] = {}
        self._calls: dict[str, list[Any]] = {}
        self._judges: SimpleQueue[JudgeProcess] = SimpleQueue()
        self.forks = forks and CAN_FORK
        if self.forks:
            from companion.grade.workers.fork_client import ForkClient  # which Windows cannot import

            self._processes: Any = ForkClient()
        else:
            from companion.grade.workers.spawn import SpawnClient

            self._processes = SpawnClient()
        self.protections: dict[str, bool] = {}
        self.layers: list[str] = []
        self.off: dict[str, str] = {}
        self.tried: set[str] = set()

    def start(self) -> None:
        """Wait until processes can be made, and try out the sandbox; do so once."""
        if not self.protections:
            tried, ending = self._try_out()
            self.layers, self.off = list(ending.layers), ending.off
            self.protections = {name: bool(tried.get(name)) for name in PROTECTIONS}

    def reasons(self) -> str:
        """Return why layers of protection are off, in words."""
        off = [f"{name} is off: {reason}" for name, reason in self.off.items()]
        return "; ".join(off) or f"on: {', '.join(self.layers) or 'no layer'}, on {platform.system()}"

    def _try_out(self) -> tuple[dict[str, bool], Ending]:
        """Try the sandbox, from inside, before anybody's code is in it."""
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o777)
            secret = Path(folder, "secret")
            secret.write_text("secret")
            secret.chmod(0o666)
            outside = {"file": str(secret), "folder": folder, "process": str(os.getpid())}
            ending = self._processes.run({"file": None, "outside": outside}, {}, Limits(), None)
        try:
            return json.loads(ending.result), ending
        except ValueError:
            told = f"{ending.how}: {ending.told} {ending.printed[-500:]}".strip()
            raise UserError(f"the sandbox cannot be tried out ({told}); nothing was graded") from None

    def close(self) -> None:
        """End all processes."""
        self._processes.close()

    def reference(self, task: dict[str, int], known: bytes = b"") -> bytes:
        """Return the results of ``.fit`` on a task, computed once; `known` are those of another machine."""
        key = json.dumps(task, sort_keys=True)
        with self._referring:
            if known:
                self._references = {key: known}
            if key not in self._references:
                judge = self._free_judge()
                _, made = judge.channel.ask({"what": "prepare", "task": task})
                judge.prepared = key
                self._judges.put(judge)
                self._references = {key: made}  # the earlier run will not come again
            return self._references[key]

    def run(
        self,
        task: dict[str, int],
        limits: Limits,
        file: str,
        files: dict[str, bytes],
        calls: list[Any] | None = None,
        *,
        as_written: bool = False,
    ) -> Ending:
        """Run a submission in a sandbox: its functions for the exercises, or its loop.

        A loop is watched; where a process costs little, it is run as it is written by another call.
        """
        how = AS_WRITTEN if as_written else WATCHED if self.forks else BOTH
        content = {"file": file, "task": task, "calls": calls, "how": how}
        return self._processes.run(content, files, limits, self.layers)

    def exercise_calls(self, task: dict[str, int]) -> list[Any]:
        """Return what the functions for the lesson's exercises are called with."""
        key = json.dumps(task, sort_keys=True)
        if key not in self._calls:
            self._calls[key] = self._ask_any({"what": "calls", "task": task})["calls"]
        return self._calls[key]

    def judge_exercises(self, task: dict[str, int], result: bytes, names: list[str]) -> list[dict[str, str]]:
        """Judge the results of the exercises with these names."""
        return self._ask_any({"what": "exercises", "task": task, "names": names}, result)["done"]

    def _ask_any(self, content: dict[str, Any], blob: bytes = b"") -> dict[str, Any]:
        judge = self._free_judge()
        answer = self._ask(judge, content, blob)
        self._judges.put(judge)
        return answer

    def _ask(self, judge: JudgeProcess, content: dict[str, Any], blob: bytes) -> dict[str, Any]:
        try:
            return judge.channel.ask(content, blob)[0]
        except MachineError as error:
            if self._processes.is_alive():
                raise JudgeEndedError(str(error)) from None
            raise

    def judge(
        self,
        task: dict[str, int],
        reference: bytes,
        result: bytes,
        file: str,
        text: str,
        as_written: bytes = b"",
    ) -> dict[str, Any]:
        """Judge what a submission has left, watched and as it is written, as JSON of a `Judgment`."""
        reference = self.reference(task, reference)
        judge, key = self._free_judge(), json.dumps(task, sort_keys=True)
        if key != judge.prepared:
            judge.channel.ask({"what": "prepare", "task": task}, reference)
            judge.prepared = key
        content = {"what": "judge", "task": task, "file": file, "text": text, "length": len(result)}
        answer = self._ask(judge, content, result + as_written)
        self._judges.put(judge)
        return answer

    def _free_judge(self) -> JudgeProcess:
        try:
            return self._judges.get_nowait()
        except Empty:
            return JudgeProcess(self._processes.judge())
