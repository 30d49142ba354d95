"""What a submission must not find by its name: a stale name here would fail open."""

import importlib
import subprocess
import sys

import pytest

from companion.grade.grader import SUSPECT
from companion.grade.sandbox.inside import HIDDEN

AFTER = """
import sys
import companion
from companion.grade.sandbox import inside
inside._forget_the_answers()
found = [name for name in sys.modules if name.startswith(inside.HIDDEN)]
assert not found, found
assert not hasattr(companion, "check") and not hasattr(companion, "grade")
companion.check_loop(None)
companion.compare_with_fit(None)
"""


@pytest.mark.parametrize("name", HIDDEN)
def test_every_hidden_name_is_a_package_of_today(name):
    assert importlib.import_module(name).__path__


def test_afterwards_nothing_that_records_judges_or_answers_is_there():
    done = subprocess.run([sys.executable, "-c", AFTER], capture_output=True, text=True, check=True)
    assert done.stdout.count("nothing is compared with .fit") == 2


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("import companion.check.recording", True),
        ("from companion.grade.sandbox import wire", True),
        ("from companion import check, lesson3", True),
        ("import companion.loop", True),
        ("from companion import check_loop", False),
        ("from companion import lesson3", False),
    ],
)
def test_a_submission_that_names_them_is_worth_reading(line, named):
    assert bool(SUSPECT.search(line)) == named
