"""What the processes of a submission use."""

import contextlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil

MOST_FILES, DEEPEST, BLOCK, TOO_MUCH = 10_000, 50, 4096, 1 << 62


def descendants(process: int) -> list[psutil.Process]:
    """List the processes that come from `process`."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(process).children(recursive=True)
    return []


def family(process: int) -> list[psutil.Process]:
    """List `process`, if it still runs, and the processes that come from it."""
    with contextlib.suppress(psutil.Error):
        return [psutil.Process(process), *descendants(process)]
    return []


def memory_of(process: psutil.Process) -> int:
    """Return the bytes of memory of a process, on Linux without those of files; 0 if it has ended.

    A forked process has TensorFlow's libraries in memory as soon as it touches them, and they are not its
    own; memory that it shares with others is. psutil does not tell the two apart.
    """
    with contextlib.suppress(psutil.Error, OSError):
        if sys.platform != "linux":
            return process.memory_info().rss
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "RssShmem:"))) << 10
    return 0


def threads_of(process: psutil.Process) -> int:
    """Count the threads of a process; 0 if it has ended."""
    with contextlib.suppress(psutil.Error):
        return process.num_threads()
    return 0


def disk_usage(folder: str, processes: Iterable[psutil.Process] = ()) -> int:
    """Add up the bytes on the disk: what a folder holds, and what processes hold open that has no name.

    Parameters
    ----------
    folder : str
        Of which at most 10,000 files and folders are looked at, and 50 levels; more count as too much.
    processes : iterable of Process
        Whose open files are looked at.

    Returns
    -------
    int
        A file counts 4096 bytes at least.
    """
    total, seen = 0, 0
    for path, folders, names in os.walk(folder):
        seen += len(names) + len(folders)
        if seen > MOST_FILES or path.count(os.sep) - folder.count(os.sep) > DEEPEST:
            return TOO_MUCH
        for name in names:
            with contextlib.suppress(OSError):
                total += max(BLOCK, os.lstat(os.path.join(path, name)).st_size)
    return total + sum(map(_nameless, processes))


def _nameless(process: psutil.Process) -> int:
    """Add up the open files of a process that have been removed."""
    total = 0
    with contextlib.suppress(OSError):
        for number in os.listdir(f"/proc/{process.pid}/fd"):
            link = f"/proc/{process.pid}/fd/{number}"
            with contextlib.suppress(OSError):
                if os.readlink(link).endswith(" (deleted)"):
                    total += os.stat(link).st_blocks * 512
    return total
