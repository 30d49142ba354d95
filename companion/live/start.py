"""The start of the page: its address at once, TensorFlow afterwards."""

import argparse
import importlib.util
import os
import socket
import sys
import webbrowser
from collections.abc import Mapping
from typing import Any

from companion.errors import OutputError
from companion.terminal.console import Report

PORT = 5006
TRIES = 20  # ports
_announced: dict[str, socket.socket] = {}  # by lesson: what listens already


def announce(lesson: str, port: int = PORT, *, browser: bool = True) -> None:
    """Listen, print the address of a lesson's activity, and open it: the browser waits until it is served."""
    if importlib.util.find_spec("bokeh") is None:
        raise OutputError("the page needs bokeh, which is missing: pip install 'fit-by-hand[live]'")
    listening = listen(port)
    _announced[lesson] = listening
    number, report = listening.getsockname()[1], Report()
    if port not in (0, number):
        report.print(f"port {port} is taken; this page takes the next one that is free")
    address = f"http://127.0.0.1:{number}/{lesson}"
    report.print(f"{address} (starting: TensorFlow takes some seconds; Ctrl-C ends it)")
    sys.stdout.flush()
    if browser and ("SSH_CONNECTION" not in os.environ or "DISPLAY" in os.environ):
        webbrowser.open(address)


def listen(port: int) -> socket.socket:
    """Return a socket that listens on a port, or on the next one that is free."""
    for number in range(port, min(port + TRIES, 65536)):
        try:
            return socket.create_server(("127.0.0.1", number))
        except OSError:
            continue
    raise OutputError(f"--port: none of the ports {port} to {port + TRIES - 1} is free; name another one")


def run(lesson: str, choices: Mapping[str, Mapping[str, Any]]) -> int:
    """Serve all activities until Ctrl-C; `choices` says with which settings a lesson's begins."""
    if lesson not in _announced:
        announce(lesson)
    from companion.live.server import serve  # this imports TensorFlow

    serve([_announced.pop(lesson)], choices)
    return 0


def run_lesson(lesson: str, options: argparse.Namespace) -> int:
    """Serve a lesson's activity with the settings of its command."""
    choices: dict[str, Any] = {"rate": options.learning_rate}
    if lesson == "lesson4":
        names = ("hidden", "epochs", "seed", "dtype")
        choices |= {name: getattr(options, name) for name in names}
    return run(lesson, {lesson: choices})
