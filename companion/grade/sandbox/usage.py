"""What the processes of a submission use."""

import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

MOST_FILES, DEEPEST, BLOCK, TOO_MUCH = 10_000, 50, 4096, 1 << 62


@dataclass(frozen=True)
class Usage:
    """What a submission uses at a moment.

    Attributes
    ----------
    memory : list of int
        Bytes of each of its processes, the first one's first.
    threads : int
        Of all of them.
    processes : sequence of Process
        Themselves.
    folder : str
        Where they may write.
    """

    memory: list[int]
    threads: int
    processes: Sequence[psutil.Process]
    folder: str

    @property
    def disk(self) -> int:
        """Count the bytes that it has written, which takes longer than all the rest."""
        return disk_usage(self.folder, self.processes)


def usage_of(processes: Sequence[psutil.Process], folder: str) -> Usage:
    """Return what processes use, and what they have written to a folder."""
    memory, threads = map(memory_of, processes), map(threads_of, processes)
    return Usage(list(memory), sum(threads), processes, folder)


def descendants(process: int) -> list[psutil.Process]:
    """List the processes that come from `process`.

    psutil looks through all processes of the machine for them; Linux keeps a list of each one's children.
    """
    found: list[psutil.Process] = []
    if sys.platform != "linux":
        with contextlib.suppress(psutil.Error):
            found = psutil.Process(process).children(recursive=True)
        return found
    waiting = [process]
    while waiting:
        children = _children(waiting.pop())
        waiting += children
        for child in children:
            with contextlib.suppress(psutil.Error):  # it has ended
                found.append(psutil.Process(child))
    return found


def _children(process: int) -> list[int]:
    """List the children of a process, which its threads have started; none if it has ended."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{process}/task"):
            with contextlib.suppress(OSError):
                found += map(int, Path(f"/proc/{process}/task/{thread}/children").read_bytes().split())
    return found


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
    if sys.platform == "linux":
        return _status(process, b"RssAnon:", b"RssShmem:") << 10
    with contextlib.suppress(psutil.Error):
        return process.memory_info().rss
    return 0


def threads_of(process: psutil.Process) -> int:
    """Count the threads of a process; 0 if it has ended."""
    if sys.platform == "linux":
        return _status(process, b"Threads:")
    with contextlib.suppress(psutil.Error):
        return process.num_threads()
    return 0


def _status(process: psutil.Process, *fields: bytes) -> int:
    """Add up some fields of Linux's account of a process, whose name may be any bytes; 0 if it has ended."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{process.pid}/status").read_bytes().split(b"\n")
        return sum(int(line.split()[1]) for line in lines if line.startswith(fields))
    return 0


def disk_usage(folder: str, processes: Iterable[psutil.Process] = ()) -> int:
    """Add up the bytes on the disk: files in a folder, and removed files that processes still hold open."""
    total, seen = 0, 0
    for path, folders, names in os.walk(folder):
        seen += len(names) + len(folders)
        if seen > MOST_FILES or path.count(os.sep) - folder.count(os.sep) > DEEPEST:
            return TOO_MUCH
        for name in names:
            with contextlib.suppress(OSError):
                about = os.lstat(os.path.join(path, name))
                total += max(BLOCK, about.st_size, getattr(about, "st_blocks", 0) * 512)
    return total + sum(map(_nameless, processes))


def _nameless(process: psutil.Process) -> int:
    """Add up the files of a process that have been removed, and that it holds open or in its memory."""
    total = 0
    with contextlib.suppress(OSError):
        maps = Path(f"/proc/{process.pid}/maps").read_bytes().splitlines()
        links = [line.split()[0] for line in maps if line.endswith(b" (deleted)") and b" /" in line]
        for name in links[:MOST_FILES]:
            with contextlib.suppress(OSError):
                total += os.stat(f"/proc/{process.pid}/map_files/{name.decode()}").st_blocks * 512
    with contextlib.suppress(OSError):
        for number in os.listdir(f"/proc/{process.pid}/fd"):
            link = f"/proc/{process.pid}/fd/{number}"
            with contextlib.suppress(OSError):
                if os.readlink(link).endswith(" (deleted)"):
                    total += os.stat(link).st_blocks * 512
    return total
