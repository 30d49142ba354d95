"""What processes use, as Linux tells it in /proc."""

import contextlib
import os
from pathlib import Path


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
    """Give the bytes of memory that are not of files."""
    return _status(process, "RssAnon") << 10


def threads_of(process: int) -> int:
    """Count the threads of a process."""
    return _status(process, "Threads")


def _status(process: int, key: str) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1])
    return 0


def disk_usage(folder: str, most: int = 10_000) -> int:
    """Add up the sizes of the files in a folder, of the first `most`; each counts a block at least."""
    total, seen = 0, 0
    for path, _, names in os.walk(folder):
        for name in names:
            seen += 1
            if seen > most:
                return 1 << 62
            with contextlib.suppress(OSError):
                total += max(4096, os.lstat(os.path.join(path, name)).st_size)
    return total
