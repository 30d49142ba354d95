"""What processes use, as Linux tells it in /proc."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

MOST_FILES, DEEPEST, BLOCK, TOO_MUCH = 10_000, 50, 4096, 1 << 62


def descendants(process: int) -> list[int]:
    """List the processes that come from `process`."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{process}/task"):
            text = Path(f"/proc/{process}/task/{task}/children").read_text()
            for child in map(int, text.split()):
                found += [child, *descendants(child)]
    return found


def memory_of(process: int) -> int:
    """Give the bytes of memory that are not of files on the disk."""
    return _status(process, "RssAnon", "RssShmem") << 10


def threads_of(process: int) -> int:
    """Count the threads of a process."""
    return _status(process, "Threads")


def _status(process: int, *keys: str) -> int:
    """Add up the numbers of a process that have these names."""
    with contextlib.suppress(OSError, ValueError):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return sum(
            int(line.split()[1]) for line in lines if line.startswith(tuple(f"{key}:" for key in keys))
        )
    return 0


def disk_usage(folder: str, processes: Iterable[int] = ()) -> int:
    """Add up the bytes on the disk: what a folder holds, and what processes hold open that has no name.

    Parameters
    ----------
    folder : str
        Of which at most 10,000 files and folders are looked at, and 50 levels; more count as too much.
    processes : iterable of int
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


def _nameless(process: int) -> int:
    """Add up the open files of a process that have been removed."""
    total = 0
    with contextlib.suppress(OSError):
        for number in os.listdir(f"/proc/{process}/fd"):
            link = f"/proc/{process}/fd/{number}"
            with contextlib.suppress(OSError):
                if os.readlink(link).endswith(" (deleted)"):
                    total += os.stat(link).st_blocks * 512
    return total
