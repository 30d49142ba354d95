"""Keras' own tests that call ``.fit``, with `fit_by_hand` in place of it.

Run ``python tests/benchmarks/keras_own_tests.py``; it takes about half an hour. The tests come with
Keras: those of every file that has ``.fit(`` in it, but for the files of other backends. They run
twice, once as they are: what fails then too is no fault of the loop (some need a library that is
not there). The exit status is 1 if any other test fails than those of models that the loop
refuses.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import types
from importlib.util import find_spec
from pathlib import Path

OTHER_BACKENDS = ("jax", "torch")
REFUSED = "is under "  # a strategy


class Outcomes:
    """A pytest plugin that notes why each test failed; "" for those that passed."""

    def __init__(self):
        self.why = {}

    def pytest_runtest_logreport(self, report):
        by_chance = hasattr(report, "wasxfail")  # Keras expects it to fail: .fit there has no seed
        if report.when == "call" and not report.skipped and not by_chance:
            lines = str(report.longrepr).strip().splitlines() if report.failed else [""]
            name = re.sub(r"0x[0-9a-f]+", "0x", report.nodeid.rpartition("src/")[2])  # an address
            self.why[name] = lines[-1]


def files():
    """List the test files of Keras in which ``.fit`` is called."""
    source = Path(find_spec("keras").origin).parent / "src"
    found = [path for path in source.rglob("*_test.py") if ".fit(" in path.read_text(encoding="utf-8")]
    return sorted(path for path in found if not any(word in str(path) for word in OTHER_BACKENDS))


def run(by_hand, file, only, output):
    """Run the tests of one file in this process; write their outcomes as JSON."""
    import keras
    import pytest

    import companion

    if find_spec("jax") is None:
        sys.modules["jax"] = types.ModuleType("jax")  # which some tests import, and only jax' own use
    if by_hand:
        keras.Model.fit = companion.fit_by_hand
    outcomes = Outcomes()
    options = ["-qq", "-k", only, "--tb=short", "-W", "ignore", "-p", "no:cacheprovider", "-c", "/dev/null"]
    options += ["--noconftest", "--rootdir", "/", "-p", "no:xdist"]  # they are not ours
    pytest.main([*options, file], plugins=[outcomes])
    Path(output).write_text(json.dumps(outcomes.why), encoding="utf-8")


def outcomes_of(file, only):
    """Run a file both ways; return the outcomes of its tests by ``.fit`` and by hand."""
    found = []
    for way in ("fit", "by-hand"):
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder, "outcomes.json")
            command = [sys.executable, __file__, "--only", only, "--way", way, "--file", str(file)]
            subprocess.run(
                [*command, "--output", str(output)], cwd=folder,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
            )  # fmt: skip
            found.append(json.loads(output.read_text()) if output.exists() else {})
    return found


def main(only, word):
    with_fit, by_hand = {}, {}
    for file in files():
        if word not in str(file):
            continue
        theirs, mine = outcomes_of(file, only)
        print(
            f"{file.name}: {len(theirs)} tests, {sum(not why for why in mine.values())} pass by hand",
            flush=True,
        )
        with_fit |= theirs
        by_hand |= mine
    if not with_fit:
        raise SystemExit("no test ran")
    new = {test: by_hand.get(test, "did not run") for test, why in with_fit.items() if not why}
    new = {test: why for test, why in new.items() if why}
    refused = {test for test, why in new.items() if REFUSED in why}
    lacking = {test: why for test, why in with_fit.items() if why}
    print(f"{len(with_fit)} tests; {len(lacking)} fail with .fit too:")
    print("\n".join(f"  {test}: {why}" for test, why in lacking.items()))
    passed = sum(not by_hand.get(test, "did not run") for test, why in with_fit.items() if not why)
    print(f"{passed} of the other {len(with_fit) - len(lacking)} pass by hand; refused, with the reason:")
    print("\n".join(f"  {test}" for test in sorted(refused)))
    for test in new.keys() - refused:
        print(f"  FAILS by hand only: {test}: {new[test]}")
    return 1 if new.keys() - refused else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="as pytest's -k; all unless told")
    parser.add_argument("--files", default="", help="only files with this word in their path")
    for hidden in ("--way", "--file", "--output"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        run(given.way == "by-hand", given.file, given.only, given.output)
    else:
        raise SystemExit(main(given.only, given.files))
