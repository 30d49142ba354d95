"""Messages between the grader's own processes: a JSON object, and bytes behind it."""

import json
import struct
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
