"""The activities in a notebook on this machine: the same page, in a frame."""

import atexit
import re
import subprocess
import sys
from typing import Any

from companion.errors import UserError

HEIGHT = 900  # pixels
_started: dict[str, tuple[subprocess.Popen, str]] = {}  # by lesson: the server, and its address


def show(lesson: str = "lesson4", height: int = HEIGHT) -> Any:
    """Show a lesson's activity below the cell.

    Parameters
    ----------
    lesson : str
        Such as "lesson4".
    height : int
        Of the frame, in pixels.

    Returns
    -------
    IPython.display.IFrame
        What the notebook shows.

    Raises
    ------
    UserError
        In Colab, whose browser does not reach this process; or if the page cannot be served.
    """
    from IPython.display import IFrame

    if "google.colab" in sys.modules:
        raise UserError("the activities do not run in Colab: run python -m companion.live on your machine")
    if lesson not in _started or _started[lesson][0].poll() is not None:
        _started[lesson] = _start(lesson)
    return IFrame(_started[lesson][1], "100%", height)


def _start(lesson: str) -> tuple[subprocess.Popen, str]:
    words = [sys.executable, "-m", "companion.live", lesson, "--no-browser", "--port", "0"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    atexit.register(server.terminate)
    assert server.stdout is not None
    line = server.stdout.readline()
    address = re.search(r"http://\S+", line)
    if address is None:
        raise UserError(f"the page cannot be served: {(line + server.communicate()[0]).strip()}")
    return server, address[0]
