"""Write results: a file is written whole or not at all, and standard output stays clean."""

import contextlib
import os
import secrets
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from companion.errors import OutputError

STDOUT = "-"
SECONDS_BETWEEN = 1.0  # two looks at how far a work is


def holds_other(path: str, content: bytes) -> bool:
    """Return whether something else stands in a file, which would be lost."""
    file = Path(path)
    return path != STDOUT and file.is_file() and file.read_bytes() not in (b"", content)


def check_writable(path: str) -> None:
    """Refuse a file that could not be written, before hours of training are spent on it."""
    if path == STDOUT:
        return
    try:
        _check_target(path)
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{path!r} cannot be written: {reason}; name another file") from None


def _check_target(path: str) -> None:
    if not path:
        raise OutputError("the file name is empty: name a file, or '-' for standard output")
    if Path(path).is_dir() or path.endswith("/"):
        raise OutputError(f"{path!r} is a folder: name a file in it, for example {path.rstrip('/')}/result")
    denied = f"{path!r} cannot be written: permission denied; name a file in a folder of yours"
    if _is_device(path):
        if not os.access(path, os.W_OK):
            raise OutputError(denied)
        return
    target = Path(path).resolve()
    folder = target.parent
    if not folder.is_dir():
        mend = "is a file, not a folder; name another" if folder.exists() else "is missing; make it first"
        raise OutputError(f"{path!r} cannot be written: the folder {str(folder)!r} {mend}")
    try:
        target.stat()  # also finds names that are too long
    except FileNotFoundError:
        may_write = True
    else:
        may_write = os.access(target, os.W_OK)
    if not (may_write and os.access(folder, os.W_OK | os.X_OK)):
        raise OutputError(denied)


def _is_device(path: str) -> bool:
    """Return whether `path` is a device or a pipe, which is written to and must not be replaced."""
    return os.path.exists(path) and not os.path.isfile(path)


def write(path: str, content: bytes) -> None:
    """Write a new file beside, then rename it, so that an old file is replaced whole or not changed."""
    if path == STDOUT:
        _write_stdout(content)
        return
    try:
        if _is_device(path):
            Path(path).write_bytes(content)
        else:
            _replace(Path(path).resolve(), content)
    except OSError as error:
        raise OutputError(f"{path!r} cannot be written: {error.strerror}; nothing was changed") from None


def _replace(target: Path, content: bytes) -> None:
    beside = target.parent / f".companion-{secrets.token_hex(8)}"
    try:
        beside.write_bytes(content)
        if target.exists():
            shutil.copymode(target, beside)
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def _write_stdout(content: bytes) -> None:
    if sys.stdout is None:
        raise OutputError("standard output is closed: name a file")
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        leave_stdout()
    except OSError as error:
        raise stdout_refused(error) from None


def stdout_refused(error: OSError) -> OutputError:
    """Give up on standard output, for example because its disk is full; return what to tell the user."""
    leave_stdout()
    return OutputError(f"standard output cannot be written: {error.strerror}; send it elsewhere")


def leave_stdout() -> None:
    """Discard what is still to be printed: the reader, perhaps ``head``, has seen enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def busy(what: str, detail: Callable[[], str] | None = None) -> Iterator[Callable[[], None]]:
    """Say on a terminal what takes so long, in a line of standard error that goes away afterwards.

    Parameters
    ----------
    what : str
        What is done.
    detail : callable, optional
        Asked each second how far it is.

    Yields
    ------
    callable
        Takes the line away, until the next second: something else is to be printed.
    """
    written, over = [0], threading.Event()

    def clear() -> None:
        if written[0]:
            os.write(2, b" " * written[0] + b"\r")
            written[0] = 0

    def tell() -> None:
        more = detail() if detail else ""
        line = f"{what}{': ' if more else ''}{more} ..."[: shutil.get_terminal_size().columns - 1].encode()
        clear()
        os.write(2, line + b"\r")
        written[0] = len(line)

    def tell_on() -> None:
        while not over.wait(SECONDS_BETWEEN):
            tell()

    if not os.isatty(2):
        yield clear
        return
    tell()
    thread = threading.Thread(target=tell_on, daemon=True)
    if detail:
        thread.start()
    try:
        yield clear
    finally:
        over.set()
        if detail:
            thread.join()
        clear()
