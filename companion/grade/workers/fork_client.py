"""Submissions and judges as forks of one process that has imported TensorFlow: Linux only."""

import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

from companion.errors import UserError
from companion.grade.sandbox.ending import Ending
from companion.grade.sandbox.limits import Limits
from companion.grade.workers.channel import FOR_SMALL_NETWORKS, PASSED_ON, Channel, MachineError

START_UP = 180  # seconds that importing TensorFlow may take


class ForkClient:
    """Has the fork server make processes; starts it anew if it has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._server = ForkServer()

    def run(
        self, content: dict[str, Any], files: dict[str, bytes], limits: Limits, layers: list[str] | None
    ) -> Ending:
        """Run a submission, or the probe, under a runner of its own."""
        encoded = {name: base64.b64encode(data).decode() for name, data in files.items()}
        channel = self._make("runner")
        with channel.connection:
            wish = content | {"files": encoded, "limits": asdict(limits), "layers": layers}
            told, result = channel.ask(wish)
        return Ending(**told | {"layers": tuple(told["layers"]), "result": result})

    def judge(self) -> Channel:
        """Make a judge."""
        return self._make("judge")

    def _make(self, what: str) -> Channel:
        with self._lock:
            if self._closed:
                raise MachineError("grading has been stopped")
            if not self._server.is_alive():
                self._server.close()
                self._server = ForkServer()
            self._server.wait()
            return self._server.make(what)

    def is_alive(self) -> bool:
        """Return whether the fork server lives."""
        return self._server.is_alive()

    def close(self) -> None:
        """End all processes."""
        self._closed = True
        self._server.close()


class ForkServer:
    """The process that imports TensorFlow and makes the others, seen from outside."""

    def __init__(self) -> None:
        self.is_ready = False
        self.control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "companion.grade.workers.fork_server", str(its.fileno())],
                pass_fds=[its.fileno()],
                env={name: os.environ[name] for name in PASSED_ON if name in os.environ} | FOR_SMALL_NETWORKS,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the process that the user sees
            )

    def wait(self) -> None:
        """Wait until it has imported TensorFlow."""
        if self.is_ready:
            return
        self.control.settimeout(START_UP)
        try:
            self.is_ready = self.control.recv(16) == b"ready"
        except OSError:
            self.is_ready = False
        if not self.is_ready:
            self.process.kill()
            raise UserError("TensorFlow could not be imported; try 'python -c \"import tensorflow\"'")
        self.control.settimeout(None)

    def is_alive(self) -> bool:
        """Return whether it still runs."""
        return self.process.poll() is None

    def make(self, what: str) -> Channel:
        """Have a process made, and return the channel to it."""
        mine, its = socket.socketpair()
        with its, mine:
            try:
                socket.send_fds(self.control, [json.dumps({"what": what}).encode()], [its.fileno()])
            except OSError as error:
                raise MachineError(f"the fork server has ended ({error})") from None
            return Channel(Connection(mine.detach()))

    def close(self) -> None:
        """End it, and with it all that it has made."""
        if self.is_ready:
            self.control.close()
            with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
                self.process.wait(10)
        self.process.kill()
        self.process.wait()
