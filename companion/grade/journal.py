"""Every finished grade, on disk at once: a line of JSON each, only ever added to."""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from companion.errors import OutputError, UserError
from companion.grade.marking.grade import Grade, as_json, grade_of


class Journal:
    """The journal of a folder of grades, open for adding; one process at a time can have it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.file = open(path, "a+b")  # noqa: SIM115
        except OSError as error:
            told = f"{str(path)!r} cannot be written: {error.strerror}; name another --output"
            raise OutputError(told) from None
        _lock(self.file, path)
        self.lines = self._read()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.file.close()

    def _read(self) -> list[dict[str, Any] | Grade]:
        """Read what is there, and cut off a last line that was being written when all ended."""
        self.file.seek(0)
        content = self.file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            self.file.truncate(len(whole))
        lines: list[dict[str, Any] | Grade] = []
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                content = json.loads(line)
                lines.append(grade_of(content) if content["kind"] == "grade" else _run_of(content))
            except (ValueError, KeyError, TypeError, AttributeError):
                told = f"{str(self.path)!r}, line {number}: the grader did not write this line"
                raise UserError(f"{told}; move the file away, or name another --output") from None
        return lines

    def add_run(self, about: dict[str, Any]) -> None:
        """Add what a run begins with; errors as `add_grade`."""
        self._write({"kind": "run"} | about)
        self.lines.append({"kind": "run"} | about)

    def add_grade(self, grade: Grade) -> None:
        """Add a grade; when this returns it is on the disk."""
        self._write({"kind": "grade"} | as_json(grade))
        self.lines.append(grade)

    def _write(self, line: dict[str, Any]) -> None:
        try:
            self.file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
            self.file.flush()
            os.fsync(self.file.fileno())
        except OSError as error:
            told = f"{str(self.path)!r} cannot be written: {error.strerror}; --resume goes on from there"
            raise OutputError(told) from None

    @property
    def last_run(self) -> dict[str, Any] | None:
        """Return what the last run began with."""
        return next((line for line in reversed(self.lines) if isinstance(line, dict)), None)

    def groups(self) -> dict[str, list[list[str]]]:
        """Return the members, id and name, of each group that a run had."""
        runs = (line.get("groups", {}) for line in self.lines if isinstance(line, dict))
        return {group: members for groups in runs for group, members in groups.items()}

    def since_last_run(self) -> list[Grade]:
        """Return the grades that came after the last run began."""
        begun = max((n for n, line in enumerate(self.lines) if isinstance(line, dict)), default=-1)
        return [line for line in self.lines[begun + 1 :] if isinstance(line, Grade)]

    def grades(self) -> dict[str, Grade]:
        """Return the last grade of each student."""
        return {line.id: line for line in self.lines if isinstance(line, Grade)}


def _run_of(content: dict[str, Any]) -> dict[str, Any]:
    """Check that a line holds what a run began with, and return it."""
    if content["kind"] != "run" or not {"lesson", "seed", "fixed", "force", "only"} <= content.keys():
        raise ValueError("no run")
    return content


def _lock(file: IO[bytes], path: Path) -> None:
    """Keep a second grader out; the system opens the lock when this process ends, however it ends."""
    try:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # Windows
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        told = f"{str(path.parent)!r} is in use by another grader: wait for it, or name another --output"
        raise UserError(told) from None
