"""Tries, from inside the sandbox, what a submission must not be able to do."""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable

# What is tried, and what it is called in the report.
PROTECTIONS = {
    "reading": "files outside cannot be read",
    "writing": "nothing can be written outside of the scratch folder",
    "network": "there is no network",
    "signals": "no other process can be ended",
    "memory": "memory is limited",
    "processes": "processes are limited",
    "file_size": "files are limited in size",
    "time": "time is limited",
}


def probe(outside: dict[str, str]) -> None:
    """Try everything, write as the result which attempts were refused, and end the process."""
    tried = {
        "reading": lambda: open(outside["file"], "rb").close(),
        "writing": lambda: open(os.path.join(outside["folder"], "probe"), "wb").close(),
        "network": _connect,
        "signals": lambda: os.kill(int(outside["process"]), 0),
    }
    held = {name: _is_refused(attempt) for name, attempt in tried.items()}
    held |= {"memory": _limited("RLIMIT_AS"), "file_size": _limited("RLIMIT_FSIZE"), "time": True}
    held["processes"] = _threads_are_limited()
    os.write(1, json.dumps(held).encode())
    os._exit(0)


def _is_refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return True
    return False


def _connect() -> None:
    """Try to reach this machine itself by UDP, for which nobody need listen."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("192.0.2.1", 9))  # an address for examples; connecting sends nothing
        one.send(b"")


def _limited(name: str) -> bool:
    try:
        import resource
    except ImportError:
        return False
    return resource.getrlimit(getattr(resource, name))[0] != resource.RLIM_INFINITY


def _threads_are_limited() -> bool:
    """Start threads until one is refused, up to what no submission should have."""
    wait, threads = threading.Event(), []
    try:
        for _ in range(5000):
            threads.append(threading.Thread(target=wait.wait, daemon=True))
            threads[-1].start()
    except RuntimeError:
        return True
    finally:
        wait.set()
        with contextlib.suppress(RuntimeError):
            for thread in threads:
                thread.join(0.1)
    return False
