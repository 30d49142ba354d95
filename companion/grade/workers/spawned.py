"""``python -m companion.grade.workers.spawned``: one submission, in a Python process started for it."""

import json
import os
import sys

from companion.grade.sandbox import inside, layers
from companion.grade.sandbox.limits import Limits
from companion.grade.sandbox.runner import lock_in, run_to_end
from companion.grade.workers.fork_server import get_ready, main_of


def main() -> None:
    """Read from standard input what to run; lock this process in and run it."""
    wish = json.loads(sys.stdin.buffer.read())
    get_ready()
    found = layers.enter_namespaces(("network", "IPC"))
    pipes = os.dup(inside.RESULT), os.dup(inside.OUTPUT)
    lock_in(wish["scratch"], Limits(**wish["limits"]), wish["user"], found, wish["layers"], pipes)
    run_to_end(main_of(wish))


if __name__ == "__main__":
    main()
