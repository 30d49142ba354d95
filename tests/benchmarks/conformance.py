"""All of the conformance table, then 200 networks drawn at random.

Run ``python tests/benchmarks/conformance.py``.

It takes some half an hour. Exit status 1 if anything differs.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from companion.conformance.__main__ import main

RANDOM = [
    *("-m", "pytest", "-q", "-n", "0", "-k", "whatever_is_drawn"),
    str(Path(__file__).parents[1] / "test_loop.py"),
]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="a word of the rows that are trained; all unless told")
    parser.add_argument("--drawn", default="many", choices=("many", "few"), help="how many are drawn")
    options = parser.parse_args()
    status = main(["--rows", "--only", options.only])
    profile = f"--hypothesis-profile={options.drawn}"
    raise SystemExit(status or subprocess.run([sys.executable, *RANDOM, profile], check=False).returncode)
