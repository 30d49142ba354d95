"""What grades submissions on this machine: sandboxes, and as many judges as are busy at one time.

This side of it needs no TensorFlow, and may be used from several threads.
"""

import json
import os
import sys
import tempfile
import threading
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from companion.errors import UserError
from companion.grading.limits import Limits
from companion.grading.outcome import Outcome
from companion.grading.peer import Peer
from companion.grading.probe import PROTECTIONS

CAN_FORK = sys.platform == "linux"  # macOS can, but not safely after TensorFlow has been imported


class Machine:
    """Runs submissions in sandboxes and judges what they leave.

    Parameters
    ----------
    task : dict
        What all submissions are run on: the fields of `companion.grading.child.Task`.
    limits : Limits
        What each may use.
    reference : bytes
        What ``.fit`` gives on it, if that has been made already.
    forks : bool
        Whether to fork from one process, where that can be done; else each submission gets a Python
        process of its own.

    Attributes
    ----------
    protections : dict of str to bool
        Which of `companion.grading.probe.PROTECTIONS` hold, once the sandbox has been tried out.
    layers : list of str
        The layers of protection that are on.
    """

    def __init__(
        self, task: dict[str, int], limits: Limits, reference: bytes = b"", *, forks: bool = True
    ) -> None:
        self.task, self.limits, self._reference = task, limits, reference
        self.protections: dict[str, bool] = {}
        self.layers: list[str] | None = None
        self._referring = threading.Lock()
        self._judges: SimpleQueue[Peer] = SimpleQueue()
        if forks and CAN_FORK:
            from companion.grading.forked import Forked  # which Windows cannot import

            self._processes: Any = Forked()
        else:
            from companion.grading.separate import Separate

            self._processes = Separate()
        self._try_out()

    def _try_out(self) -> None:
        """Try the sandbox, from inside, before anybody's code is in it."""
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o777)
            secret = Path(folder, "secret")
            secret.write_text("secret")
            secret.chmod(0o666)
            outside = {"file": str(secret), "folder": folder, "process": str(os.getpid())}
            outcome = self._processes.run({"file": None, "outside": outside}, {}, self.limits, None)
        try:
            found = json.loads(outcome.result)
        except ValueError:
            told = f"{outcome.how}: {outcome.told} {outcome.printed[-500:]}".strip()
            raise UserError(f"the sandbox cannot be tried out ({told}); nothing was graded") from None
        self.protections = {name: bool(found.get(name)) for name in PROTECTIONS}
        self.layers = list(outcome.layers)

    def close(self) -> None:
        """End all processes."""
        self._processes.close()

    def reference(self) -> bytes:
        """Give what ``.fit`` makes of the task; made once."""
        with self._referring:
            if not self._reference:
                judge = self._processes.judge()
                _, self._reference = judge.ask({"what": "prepare", "task": self.task})
                self._judges.put(judge)
            return self._reference

    def run(self, file: str, files: dict[str, bytes]) -> Outcome:
        """Run a submission in a sandbox.

        Parameters
        ----------
        file : str
            The name of the one that defines ``train``.
        files : dict of str to bytes
            All that were handed in, by relative path.

        Returns
        -------
        Outcome

        Raises
        ------
        MachineError
            If the process that was to watch it has ended.
        """
        return self._processes.run({"file": file, "task": self.task}, files, self.limits, self.layers)

    def judge(self, result: bytes, file: str, text: str) -> dict[str, Any]:
        """Judge what a submission has left; the keys are those of `companion.grading.judge.judge_one`.

        Raises
        ------
        MachineError
            If the judge has ended.
        """
        reference = self.reference()
        try:
            judge = self._judges.get_nowait()
        except Empty:
            judge = self._processes.judge()
            judge.ask({"what": "prepare", "task": self.task}, reference)
        answer, _ = judge.ask({"what": "judge", "task": self.task, "file": file, "text": text}, result)
        self._judges.put(judge)
        return answer
