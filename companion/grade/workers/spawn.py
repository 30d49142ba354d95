"""A Python process for each submission: where processes cannot be forked, on macOS and Windows."""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

import psutil

from companion.grade.sandbox import layers as protection
from companion.grade.sandbox.ending import Ending
from companion.grade.sandbox.limits import Limits
from companion.grade.sandbox.monitor import Monitor
from companion.grade.sandbox.runner import lay_out, remove
from companion.grade.sandbox.usage import Usage, family, usage_of
from companion.grade.workers.channel import FOR_SMALL_NETWORKS, PASSED_ON, Channel


class SpawnClient:
    """Starts a Python process for each submission, and one for each judge."""

    def __init__(self) -> None:
        self._judges: list[subprocess.Popen] = []
        self._running: set[subprocess.Popen] = set()
        self._numbers = itertools.count(os.getpid())

    def run(
        self, content: dict[str, Any], files: dict[str, bytes], limits: Limits, layers: list[str] | None
    ) -> Ending:
        """Run a submission, or the probe, as `fork_client.ForkClient.run`."""
        folder = tempfile.mkdtemp(prefix="companion-grade-")
        user = protection.own_user(next(self._numbers))
        try:
            if user is not None:
                os.chmod(folder, 0o711)
            scratch = lay_out(files, folder, user)
            wish = content | {"limits": asdict(limits), "layers": layers, "scratch": scratch, "user": user}
            return self._run(wish, scratch, limits)
        finally:
            remove(folder)

    def _run(self, wish: dict[str, Any], scratch: str, limits: Limits) -> Ending:
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment |= FOR_SMALL_NETWORKS | dict.fromkeys(
            ("HOME", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR"), scratch
        )
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [sys.executable, "-m", "companion.grade.workers.spawned"],
            stdin=pipe, stdout=pipe, stderr=pipe, cwd=scratch, env=environment, start_new_session=True,
        )  # fmt: skip
        self._running.add(process)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(json.dumps(wish).encode())

        def usage() -> Usage:
            return usage_of(family(process.pid), scratch)

        with process.stdout, process.stderr:
            ends = process.stdout.fileno(), process.stderr.fileno()
            watch = Monitor(limits, *ends, lambda: process.poll() is not None, usage)
            try:
                how, told = watch.until_over()
            finally:
                _kill(process)
                self._running.discard(process)
            return watch.ending(how, told, process.returncode)

    def judge(self) -> Channel:
        """Start a judge."""
        words = ["-m", "companion.grade.workers.judge_server"]
        environment = os.environ | FOR_SMALL_NETWORKS
        mine, its = socket.socketpair()
        with its:
            if sys.platform == "win32":
                # In a virtual environment python.exe starts another; the socket is for that one.
                environment |= {"__PYVENV_LAUNCHER__": sys.executable}
                process = subprocess.Popen(
                    [sys._base_executable, *words], stdin=subprocess.PIPE, stdout=2, env=environment,
                    creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
                )  # fmt: skip
                process.stdin.write(its.share(process.pid))
                process.stdin.close()
            else:
                process = subprocess.Popen(
                    [sys.executable, *words, str(its.fileno())], pass_fds=[its.fileno()],
                    stdin=subprocess.DEVNULL, stdout=2, env=environment,
                    start_new_session=True,  # Ctrl-C is for the process that the user sees
                )  # fmt: skip
        self._judges.append(process)
        return Channel(Connection(mine.detach()))

    def is_alive(self) -> bool:
        """Return whether processes can be started."""
        return True

    def close(self) -> None:
        """End all processes."""
        for process in list(self._running):
            process.kill()
        for process in self._judges:
            process.kill()
            process.wait()


def _kill(process: subprocess.Popen) -> None:
    """End the submission and what it has started."""
    running = family(process.pid)
    if sys.platform != "win32":  # also ends processes whose parent has ended
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    for one in running:
        with contextlib.suppress(psutil.Error):
            one.kill()
    process.kill()
    process.wait()
