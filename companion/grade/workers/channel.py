"""Messages to another process of the grader's own: a JSON object, and bytes behind it."""

import json
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

# Of libraries that come with NumPy, and of the C library: a submission's threads are counted. oneDNN compiles
# its products anew in each process, which takes longer than all that is done with them here.
FOR_SMALL_NETWORKS = {
    "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2",
    "TF_ENABLE_ONEDNN_OPTS": "0",
}  # fmt: skip
# What processes of the grader get of its environment: a submission can read it, whatever it is told.
PASSED_ON = (
    "PATH", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "HOME", "TMPDIR",
    "KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL",
)  # fmt: skip
LONGEST = 256 << 20  # bytes of a part of a message; a result has 64 MB at most


class MachineError(Exception):
    """A process of the grader's own has ended; the submission need not be to blame."""


class JudgeEndedError(MachineError):
    """A judge has ended while it judged; the fork server lives, so what it judged is to blame."""


def send(connection: Connection, content: dict[str, Any], blob: bytes = b"") -> None:
    """Send what JSON knows, and bytes with it."""
    connection.send_bytes(json.dumps(content).encode())
    connection.send_bytes(blob)


def receive(connection: Connection) -> tuple[dict[str, Any], bytes] | None:
    """Receive a message; None where the other side has ended."""
    try:
        return json.loads(connection.recv_bytes(LONGEST)), connection.recv_bytes(LONGEST)
    except EOFError:
        return None


@dataclass
class Channel:
    """A connection to a process that answers requests.

    Attributes
    ----------
    connection : Connection
        Both ways.
    """

    connection: Connection

    def ask(self, content: dict[str, Any], blob: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """Send a request and wait for the answer."""
        try:
            send(self.connection, content, blob)
            answer = receive(self.connection)
        except OSError as error:
            raise MachineError(str(error)) from None
        if answer is None:
            raise MachineError("it ended without an answer")
        return answer
