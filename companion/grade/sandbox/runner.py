"""Runs one submission in a process of its own, watches it, stops it, and leaves nothing of it behind."""

import contextlib
import json
import os
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from companion.grade.sandbox import layers as protection
from companion.grade.sandbox.ending import Ending
from companion.grade.sandbox.limits import Limits
from companion.grade.sandbox.monitor import Monitor
from companion.grade.sandbox.usage import Usage, descendants, usage_of

MOST_REMOVED = 1_000_000  # files and folders


def run(
    files: dict[str, bytes],
    limits: Limits,
    number: int,
    main: Callable[[], None],
    folder: str,
    wanted: Iterable[str] | None,
) -> Ending:
    """Run `main` in a sandbox with the wanted layers, in a folder with `files`."""
    user = protection.own_user(number)
    scratch = lay_out(files, folder, user)
    try:
        return _run_in(scratch, limits, user, main, wanted)
    finally:
        remove(scratch)


def remove(folder: str) -> None:
    """Remove a folder, however deep what is in it goes."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    number = 0
    while os.path.isdir(folder) and number < MOST_REMOVED:
        for entry in list(os.scandir(folder)):
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    os.chmod(entry.path, 0o700)
                    for inner in list(os.scandir(entry.path)):  # what is deep comes up, level by level
                        number += 1
                        os.rename(inner.path, os.path.join(folder, f"up{number}"))
                    os.rmdir(entry.path)
                else:
                    os.unlink(entry.path)
        with contextlib.suppress(OSError):
            os.rmdir(folder)
        number += 1


def lay_out(files: dict[str, bytes], folder: str, user: int | None) -> str:
    """Make a scratch folder with files in it; return its path."""
    scratch = tempfile.mkdtemp(prefix="scratch-", dir=folder)
    for name, content in files.items():
        path = Path(scratch, name)
        # a name that this system does not take, or too many folders in each other
        with contextlib.suppress(OSError, ValueError, RecursionError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    if user is not None:
        for path in (Path(scratch), *Path(scratch).rglob("*")):
            os.chown(path, user, user)
    return scratch


def _run_in(
    scratch: str, limits: Limits, user: int | None, main: Callable[[], None], wanted: Iterable[str] | None
) -> Ending:
    protection.adopt_orphans()
    layers = protection.enter_namespaces()
    (result_out, result_in), (output_out, output_in) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        lock_in(scratch, limits, user, layers, wanted, (result_in, output_in))
        run_to_end(main)
    os.close(result_in)
    os.close(output_in)
    ended: list[int] = []

    def is_over() -> bool:
        if not ended:
            pid, status = os.waitpid(child, os.WNOHANG)
            ended.extend([os.waitstatus_to_exitcode(status)] if pid else [])
        return bool(ended)

    def usage() -> Usage:
        return usage_of(descendants(os.getpid()), scratch)

    watch = Monitor(limits, result_out, output_out, is_over, usage)
    try:
        how, told = watch.until_over()
    finally:
        _kill_all(child, ended)
    return watch.ending(how, told, ended[0])


def lock_in(
    scratch: str,
    limits: Limits,
    user: int | None,
    layers: protection.Layers,
    wanted: Iterable[str] | None,
    pipes: tuple[int, int],
) -> None:
    """Lock this process in, and say so in the first line of the result; end it if that fails."""
    try:
        protection.die_with_parent()
        if hasattr(os, "setsid") and os.getsid(0) != os.getpid():
            os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(pipes[0], 1)
        os.dup2(pipes[1], 2)
        os.closerange(3, 65536)
        os.chdir(scratch)
        os.environ.clear()
        os.environ |= dict.fromkeys(("HOME", "TMPDIR", "MPLCONFIGDIR"), scratch)
        os.environ |= {"PATH": os.defpath, "LANG": "C.UTF-8", "KERAS_BACKEND": "tensorflow"}
        tempfile.tempdir = scratch
        protection.enter(limits, scratch, user, layers)
        lacking = [f"{name} ({layers.off.get(name)})" for name in wanted or () if name not in layers.on]
        if lacking:
            raise OSError(f"not on: {', '.join(lacking)}")
        os.write(1, json.dumps(vars(layers)).encode() + b"\n")
    except BaseException as error:  # nothing may run that is not locked in
        os.write(2, f"{type(error).__name__}: {error}".encode())
        os._exit(1)


def run_to_end(main: Callable[[], None]) -> None:
    """Run `main`; never return."""
    try:
        main()
    except BaseException:  # a fault of the grader's own
        traceback.print_exc()
    finally:
        os._exit(1)


def _kill_all(child: int, ended: list[int]) -> None:
    """End the submission and whatever it has started."""
    if not ended:
        os.kill(child, signal.SIGKILL)
    for _ in range(1000):  # a process that multiplies is caught with all its own sooner or later
        left = descendants(os.getpid())
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG if ended else 0))[0]:
                if found[0] == child:
                    ended.append(os.waitstatus_to_exitcode(found[1]))
        if ended and not left:
            return
        time.sleep(0.001)
