import contextlib
import dataclasses
import functools
import gc
import importlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# By this mark the tests of hostile submissions know the processes that come from this one: the grader's own
# get little else of the environment.
MARK = f"/tests-of-{os.getpid()}"
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), MARK]))

# Few networks are drawn, the same at every run; pytest --hypothesis-profile=many draws new ones.
settings.register_profile("few", max_examples=6, derandomize=True, deadline=None, database=None)
settings.register_profile("many", max_examples=200, deadline=None, database=None)
settings.load_profile("few")


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


@pytest.fixture(scope="session")
def wheel(pytestconfig, tmp_path_factory):
    """Build the wheel from a copy of the tracked files, asking no registry."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("companion", "data", "lessons", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        subprocess.run(["cp", "-r", pytestconfig.rootpath / name, source], check=True)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", target, source], check=True, capture_output=True)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target]
    subprocess.run([*pip, wheel], check=True, capture_output=True)
    return target


@dataclasses.dataclass(frozen=True)
class WholeRun:
    """What a lesson's command gives with its own settings: status, report, errors, and its three files."""

    status: int
    out: str
    err: str
    picture: Path
    result: dict
    csv: str


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory):
    """Run a lesson's command with its own settings, once a session, for all tests that read its results."""

    @functools.cache
    def run(lesson):
        files = {
            ending: tmp_path_factory.mktemp(lesson) / f"run.{ending}" for ending in ("png", "json", "csv")
        }
        words = ["--plot", files["png"], "--json", files["json"], "--csv", files["csv"]]
        status, out, err = main_of(lesson, *map(str, words))
        result = json.loads(files["json"].read_text())
        return WholeRun(status, out, err, files["png"], result, files["csv"].read_text())

    return run


def main_of(lesson, *words):
    """Run a lesson's command in this process; give its exit status, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = importlib.import_module(f"companion.report.{lesson}").main(list(words))
    return status, out.getvalue(), err.getvalue()


def pytest_collection_finish():
    """Let the garbage collector pass over what TensorFlow's import has left: a tenth of the tests' time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Let the tests of a lesson's whole run share a process, else those of a file, unless marked."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            call = getattr(item, "callspec", None)
            lesson = call.params.get("lesson") if call and "whole_run" in item.fixturenames else None
            item.add_marker(pytest.mark.xdist_group(lesson or str(item.path.relative_to(config.rootpath))))


@pytest.fixture
def lesson_main(capsys):
    """Run a lesson's command in this process; give its exit status, standard output and standard error."""

    def run(lesson, *words):
        try:
            status = importlib.import_module(f"companion.report.{lesson}").main(list(words))
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


@pytest.fixture
def own_quiz(tmp_path):
    """Write a quiz, or a part of one; give its path."""

    def write(text):
        path = tmp_path / "quiz.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
