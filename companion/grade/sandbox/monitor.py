"""Looks at a running submission: what it prints, what it uses, and whether it must be stopped."""

import codecs
import contextlib
import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable

from companion.grade.sandbox.ending import (
    CRASHED,
    DISK,
    DONE,
    ENDED,
    FAILED,
    MEMORY,
    OUTPUT,
    PROCESSES,
    TIMEOUT,
    Ending,
)
from companion.grade.sandbox.limits import Limits
from companion.grade.sandbox.usage import Usage

START_UP = 120  # seconds until a submission's own code runs, where TensorFlow must be imported first
GLANCE = 0.06  # seconds between two looks at the memory and the processes of a submission
LOOK = 0.3  # and between two at what it has written, which takes longer
PIECE = 1 << 16  # bytes read at once
MOST_RESULT = 64 << 20  # bytes
TEXT = codecs.getincrementaldecoder("utf-8")
SHOWN = 20_000  # bytes of what is printed that are kept
# What the system, or a library that gives up, ends a process with.
CRASHES = {-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGILL, -signal.SIGFPE, -getattr(signal, "SIGBUS", 0)}
TRAIN_BEGINS = b"train\n"  # in the result, where the submission's train is about to be called


class PipeReader:
    """Reads a pipe without waiting for more, so that a full pipe does not stop the writer."""

    def __init__(self, end: int, most: int, keep: int) -> None:
        self.end, self.most, self.keep = end, most, keep
        self.kept, self.count, self.is_open = bytearray(), 0, True
        if sys.platform == "win32":  # where one cannot look into a pipe without waiting
            threading.Thread(target=self._take_all, daemon=True).start()
        else:
            os.set_blocking(end, False)

    def take(self) -> None:
        """Take out what is there, up to a megabyte."""
        if sys.platform == "win32":
            return
        with contextlib.suppress(BlockingIOError):
            for _ in range(16):
                if not self._take():
                    return

    def _take_all(self) -> None:
        while self._take():
            pass

    def _take(self) -> bool:
        piece = os.read(self.end, PIECE)
        self.is_open = bool(piece)
        self.count += len(piece)
        self.kept += piece[: max(0, self.keep - len(self.kept))]
        return self.is_open

    @property
    def is_over(self) -> bool:
        """Return whether more bytes came than allowed."""
        return self.count > self.most


def wait(channels: list[PipeReader]) -> None:
    """Wait a glance, or until something comes."""
    ends = [channel.end for channel in channels if channel.is_open]
    if sys.platform == "win32" or not ends:
        time.sleep(GLANCE / 10)
    else:
        select.select(ends, [], [], GLANCE)


class Monitor:
    """Looks at a running submission from time to time.

    The first line of its result is written before any of its own code runs: it says which layers of
    protection are on, and from then on time and memory count. When its ``train`` is called, `TRAIN_BEGINS`
    follows, and time counts anew.
    """

    def __init__(
        self,
        limits: Limits,
        result: int,
        output: int,
        is_over: Callable[[], bool],
        usage: Callable[[], Usage],
    ) -> None:
        self.limits, self.is_over, self.usage = limits, is_over, usage
        self.started, self.allowed = time.monotonic(), float(START_UP)
        self.begun, self.base, self.memory, self.disk = False, 0, 0, 0
        self.glanced = self.looked = 0.0
        self.outside: float | None = None  # seconds, once train has begun
        self.result = PipeReader(result, MOST_RESULT, MOST_RESULT)
        self.output = PipeReader(output, limits.printed << 10, SHOWN)

    def until_over(self) -> tuple[str, str]:
        """Wait until the process ends or has used too much; return what to call it, and the numbers."""
        while not self.is_over():
            wait([self.result, self.output])
            self._take()
            if not self.begun and b"\n" in self.result.kept:
                self._begin()
            if self.begun and self.outside is None and self._rest().startswith(TRAIN_BEGINS):
                now = time.monotonic()
                self.outside, self.started = now - self.started, now
            if stopped := self._too_much():
                return stopped
        return ENDED, ""

    def _begin(self) -> None:
        self.begun, self.started, self.allowed = True, time.monotonic(), self.limits.seconds
        used = self.usage()
        self.base, self.disk = max(used.memory, default=0), used.disk  # what was handed in is there already

    def _rest(self) -> bytes:
        """Return what has come of the result, without the line on the layers."""
        return bytes(self.result.kept).partition(b"\n")[2] if self.begun else b""

    def _take(self) -> None:
        self.result.take()
        self.output.take()

    def _too_much(self) -> tuple[str, str] | None:
        limits, now = self.limits, time.monotonic()
        if now - self.started > self.allowed:
            return TIMEOUT, f"not done after {self.allowed:g} s"
        if self.result.is_over:
            return OUTPUT, f"gave a result of more than {MOST_RESULT >> 20} MB"
        if now - self.glanced < GLANCE or not self.begun:
            return None
        self.glanced = now
        usage = self.usage()
        own = sum(max(0, memory - self.base) for memory in usage.memory) >> 20
        self.memory = max(self.memory, own)
        if own > limits.memory:
            return MEMORY, f"took more than {limits.memory} MB of memory"
        if usage.threads > limits.processes:
            return PROCESSES, f"made more than {limits.processes} processes and threads"
        if now - self.looked < LOOK:
            return None
        self.looked = now
        if usage.disk - self.disk > limits.file_size << 20:
            return DISK, f"wrote more than {limits.file_size} MB"
        return None

    def ending(self, how: str, told: str, code: int) -> Ending:
        """Put together what has been seen, once the process is over and has left its exit status."""
        seconds = time.monotonic() - self.started
        for _ in range(MOST_RESULT // PIECE):
            before = self.result.count + self.output.count
            self._take()  # what was still in the pipes
            if self.result.count + self.output.count == before:
                break
        first, begun, result = bytes(self.result.kept).partition(b"\n")
        in_train = result.startswith(TRAIN_BEGINS)
        result = result.removeprefix(TRAIN_BEGINS)
        if not begun:
            how, told = (how, told) if how != ENDED else (FAILED, "the sandbox could not be set up")
        elif how == ENDED and result:
            how = DONE
        elif how == ENDED:
            how, told = CRASHED if code in CRASHES else ENDED, ending_of(code)
        printed = TEXT("replace").decode(bytes(self.output.kept))  # without half a character at its end
        if self.output.is_over:
            printed += f"\n(cut: it printed {self.output.count >> 10} kB)"
        layers = json.loads(first) if begun else {"on": [], "off": {}}
        on, off = tuple(layers["on"]), layers["off"]
        result = result if how == DONE else b""
        return Ending(
            how, told, seconds, self.memory, printed, on, off, in_train, self.outside or 0.0, result
        )


def ending_of(code: int) -> str:
    """Return how a process ended that left no result."""
    if code < 0:
        return f"the process was ended by signal {-code} ({signal.strsignal(-code)}), before train was done"
    return f"the process ended with status {code}, before train was done"
