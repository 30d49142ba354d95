"""``python -m companion.grading.solo``: one submission in a Python process of its own, started for it."""

import json
import os
import sys

from companion.grading import child, sandbox
from companion.grading.limits import Limits
from companion.grading.nursery import get_ready, main_of
from companion.grading.warden import lock_in, run_to_end


def main() -> None:
    """Read from standard input what to run; lock this process in and run it."""
    wish = json.loads(sys.stdin.buffer.read())
    get_ready()
    on = sandbox.enter_namespaces(("network", "IPC"))
    pipes = os.dup(child.RESULT), os.dup(child.OUTPUT)
    lock_in(wish["scratch"], Limits(**wish["limits"]), wish["user"], on, wish["layers"], pipes)
    run_to_end(main_of(wish))


if __name__ == "__main__":
    main()
