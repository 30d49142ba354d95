"""Keras' own tests of its trainer, with `fit_by_hand` in place of ``.fit``.

Run ``python tests/benchmarks/keras_own_tests.py``; it takes some six minutes. The tests come with
Keras. They run twice, once as they are: what fails then too is no fault of the loop (some tests
need jax, torch or grain). The exit status is 1 if any other test fails than those of models that
the loop refuses.
"""

import argparse
import json
import subprocess
import sys
import types
from importlib.util import find_spec

TESTS = "keras.src.trainers.trainer_test"
REFUSED = "has its own train_step"


class Outcomes:
    """A pytest plugin that notes why each test failed; "" for those that passed."""

    def __init__(self):
        self.why = {}

    def pytest_runtest_logreport(self, report):
        if report.when == "call" and not report.skipped:
            lines = str(report.longrepr).strip().splitlines() if report.failed else [""]
            self.why[report.nodeid.rpartition("::")[2]] = lines[-1]


def run(by_hand, only):
    """Run Keras' tests in this process; print their outcomes as JSON."""
    import keras
    import pytest

    import companion

    if find_spec("jax") is None:
        sys.modules["jax"] = types.ModuleType("jax")  # which the tests import, and only jax' own use
    if by_hand:
        keras.Model.fit = companion.fit_by_hand
    outcomes = Outcomes()
    options = ["-qq", "-k", only, "--tb=short", "-W", "ignore", "-p", "no:cacheprovider", "-c", "/dev/null"]
    options += ["--noconftest", "--rootdir", "/"]  # they are not ours
    pytest.main([*options, "--pyargs", TESTS], plugins=[outcomes])
    print("\n" + json.dumps(outcomes.why))


def main(only):
    outcomes = {}
    for way in ("fit", "by-hand"):
        done = subprocess.run(
            [sys.executable, __file__, "--only", only, "--way", way],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
        outcomes[way] = json.loads(done.stdout.splitlines()[-1])
    with_fit, by_hand = outcomes["fit"], outcomes["by-hand"]
    if not with_fit or with_fit.keys() != by_hand.keys():
        raise SystemExit(f"{len(with_fit)} tests ran with .fit, {len(by_hand)} by hand: all must")
    new = {test: why for test, why in by_hand.items() if why and not with_fit[test]}
    refused = {test for test, why in new.items() if REFUSED in why}
    print(
        f"{len(with_fit)} tests; {sum(map(bool, with_fit.values()))} fail with .fit, for want of a library:"
    )
    print("\n".join(f"  {test}: {why}" for test, why in with_fit.items() if why))
    print(
        f"{sum(not why for why in by_hand.values())} pass by hand; refused, with reason: {', '.join(refused)}"
    )
    for test in new.keys() - refused:
        print(f"  FAILS by hand only: {test}: {new[test]}")
    return 1 if new.keys() - refused else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="as pytest's -k; all unless told")
    parser.add_argument("--way", choices=("fit", "by-hand"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    raise SystemExit(run(given.way == "by-hand", given.only) if given.way else main(given.only))
