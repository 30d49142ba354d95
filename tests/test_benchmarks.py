"""Every benchmark runs, in a small form: the figures in the documents come from these."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from marks import only

ROOT = Path(__file__).resolve().parent.parent
# By benchmark: the words of its small form, and what it must print.
SMALL = {
    "check": (["--pairs", "2", "--singles", "3", "--right", "2", "--scripts", "1"], "right scripts"),
    "conformance": (["--only", "Adagrad", "--drawn", "few"], "identical, bit for bit"),
    "eject table": (["--only", "one layer", "--jobs", "1"], "1 of 1 proved at once"),
    "eject speed": (
        ["--only", "lesson 3", "--rounds", "1", "--epochs", "60"],
        r"lesson 3, one batch +-?\d+\.\d\d of \.fit",
    ),
    "grade speed": (["--count", "4", "--alone", "2"], "ratio "),
    "grade class": (["--count", "10"], "10 of 10 in the gradebook"),
    "grade kill": (["--count", "4", "--times", "1", "--longest", "12"], "gradebook identical to"),
    "keras_own_tests": (["--files", "trainer_test", "--only", "test_fit_flow"], r"[1-9]\d* pass by hand"),
    "lessons": (["--rounds", "1", "--only", "lesson2"], "the command, in times of it:"),
    "live": (["--moves", "2"], "from a move to its picture"),
    "loop": (["--rounds", "1", "--only", "diabetes"], "ratio "),
}


def test_every_benchmark_is_here():
    names = {path.stem for path in (ROOT / "tests" / "benchmarks").glob("*.py")}
    assert names == {name.split()[0] for name in SMALL}


@pytest.mark.parametrize("name", only(SMALL, "loop"))
def test_a_benchmark_runs_in_a_small_form(name):
    file, *kind = name.split()
    words, told = SMALL[name]
    command = [sys.executable, str(ROOT / "tests" / "benchmarks" / f"{file}.py"), *kind, *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(told, done.stdout), done.stdout
