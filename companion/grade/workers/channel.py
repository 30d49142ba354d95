"""A stream to another process of the grader's own."""

from dataclasses import dataclass
from typing import IO, Any

from companion.grade.workers.frames import receive, send


class MachineError(Exception):
    """A process of the grader's own has ended; the submission need not be to blame."""


class JudgeEndedError(MachineError):
    """A judge has ended while it judged; the nursery lives, so what it judged is to blame."""


@dataclass
class Peer:
    """A stream to a process that answers requests.

    Attributes
    ----------
    stream : binary file
        To write to and read from.
    """

    stream: IO[bytes]

    def ask(self, content: dict[str, Any], blob: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """Send a request and wait for the answer.

        Raises
        ------
        MachineError
            If the other side has ended.
        """
        try:
            send(self.stream, content, blob)
            answer = receive(self.stream)
        except OSError as error:
            raise MachineError(str(error)) from None
        if answer is None:
            raise MachineError("it ended without an answer")
        return answer
