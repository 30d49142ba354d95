"""A stream to another process of the grader's own."""

import json
import struct
from dataclasses import dataclass
from typing import IO, Any

_LENGTHS = struct.Struct(">QQ")


def send(stream: IO[bytes], content: dict[str, Any], blob: bytes = b"") -> None:
    """Write a message.

    Parameters
    ----------
    stream : binary file
        A pipe or socket.
    content : dict
        Of what JSON knows.
    blob : bytes
        What comes with it.
    """
    text = json.dumps(content).encode()
    stream.write(_LENGTHS.pack(len(text), len(blob)) + text + blob)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """Read a message; None where the other side has ended."""
    head = stream.read(_LENGTHS.size)
    if len(head) < _LENGTHS.size:
        return None
    text, blob = _LENGTHS.unpack(head)
    content, rest = stream.read(text), stream.read(blob)
    return (json.loads(content), rest) if len(content) == text and len(rest) == blob else None


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
