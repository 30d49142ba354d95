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


def in_process(lesson, capsys):
    def run(*words):
        try:
            status = lesson.main(list(words))
        except SystemExit as error:
            status = error.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def lesson3_main(capsys):
    """Run lesson 3's command in this process; give its exit status, standard output and standard error."""
    from companion import lesson3

    return in_process(lesson3, capsys)


@pytest.fixture
def lesson4_main(capsys):
    """Run lesson 4's command likewise."""
    from companion import lesson4

    return in_process(lesson4, capsys)


@pytest.fixture
def lesson3_json(lesson3_main):
    def run(*words):
        status, out, _ = lesson3_main(*words, "--json", "-")
        return status, json.loads(out)

    return run
