"""All of the conformance table, then 200 networks drawn at random.

Run ``python tests/benchmarks/conformance.py``.

It takes some half an hour. Exit status 1 if anything differs.
"""

import subprocess
import sys
from pathlib import Path

from companion.conformance.__main__ import main

RANDOM = [
    *("-m", "pytest", "-q", "-n", "0", "--hypothesis-profile=many", "-k", "whatever_is_drawn"),
    str(Path(__file__).parents[1] / "test_loop.py"),
]

if __name__ == "__main__":
    status = main(["--rows"])
    raise SystemExit(status or subprocess.run([sys.executable, *RANDOM], check=False).returncode)
