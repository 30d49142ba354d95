import functools
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def command():
    """Run ``python -m ...`` in a process of its own, as a user does; give its exit status and its output."""

    def run(*words, cwd=ROOT, **environment):
        return subprocess.run(
            [sys.executable, "-m", *words],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def lesson_main(capsys):
    """Run a lesson's command in this process; give its exit status, standard output and standard error."""

    def run(lesson, *words):
        try:
            status = importlib.import_module(f"companion.{lesson}").main(list(words))
        except SystemExit as error:
            status = error.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def lesson3_main(lesson_main):
    return functools.partial(lesson_main, "lesson3")


@pytest.fixture
def lesson4_main(lesson_main):
    return functools.partial(lesson_main, "lesson4")


@pytest.fixture
def lesson3_json(lesson3_main):
    def run(*words):
        status, out, _ = lesson3_main(*words, "--json", "-")
        return status, json.loads(out)

    return run
