"""An installed wheel works like a checkout, from any folder, with its data."""

import configparser
import os
import re
import signal
import subprocess
import sys
import urllib.request
import zipfile

import pytest
from marks import only

from companion.__main__ import TOOLS
from companion.terminal.lesson_list import LESSONS

# What each command does without training for long.
WORDS = {
    "check": ["lesson1", "right_loop.py", "--problem", "lesson", "--epochs", "1"],
    "compare": ["my_model.py", "--epochs", "1"],
    "conformance": ["--list"],
    "eject": ["my_model.py", "--epochs", "1"],
    "grade": ["lesson3", "in", "--output", "out", "--seed", "5"],
    "mistakes": ["no-update", "--epochs", "1", "--save", "broken.py"],
    "notebooks": ["notebooks"],
    "quiz": ["lesson4", "--sheet", "answers.toml"],
}
MODEL = """
import keras
import numpy as np
def load_data():
    return np.ones((8, 2)), np.ones((8, 1))
def build_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model
"""


def test_the_wheel_holds_the_package_its_data_and_nothing_else(wheel, pytestconfig):
    names = set(zipfile.ZipFile(wheel).namelist())
    package = pytestconfig.rootpath / "companion"
    files = [path for ending in ("*.py", "*.md") for path in package.rglob(ending)]
    assert {f"companion/{path.relative_to(package).as_posix()}" for path in files} <= names
    assert {"companion/data/diabetes.csv", "companion/data/mnist.npz", "companion/data/README.md"} <= names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"companion"}


def test_setup_names_every_package(pytestconfig):
    root = pytestconfig.rootpath
    setup = configparser.ConfigParser()
    setup.read(root / "setup.cfg", encoding="utf-8")
    folders = {path.parent.relative_to(root) for path in (root / "companion").rglob("*.py")}
    there = {".".join(folder.parts) for folder in folders}
    assert set(setup["options"]["packages"].split()) == there | {"companion.data", "companion.lessons"}


def test_every_command_has_its_manual(pytestconfig):
    package = pytestconfig.rootpath / "companion"
    folders = {path.parent for path in package.glob("*/__main__.py")}
    assert {folder.name for folder in folders} | {"notebooks"} == set(TOOLS)
    for folder in folders:
        assert f"python -m companion.{folder.name} " in (folder / "README.md").read_text(encoding="utf-8")


def test_the_installed_command_is_the_index(installed, tmp_path):
    done = subprocess.run(
        [sys.executable, installed / "bin" / "companion"], env={"PYTHONPATH": str(installed)}, cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "lesson3" in done.stdout


@pytest.mark.parametrize("name", only([name for name in TOOLS if name != "live"], "notebooks"))
def test_every_command_runs_from_it(installed, tmp_path, name):
    """Loops, questions, stubs, walkthroughs and processes of its own are found without the checkout."""
    loop = (installed / "companion" / "lessons" / "right_loop.py").read_text()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "s1.py").write_text(loop.replace("loss_of", "loss_on"))  # as it stands it is nobody's
    (tmp_path / "right_loop.py").write_text(loop)
    (tmp_path / "my_model.py").write_text(MODEL)
    command = [sys.executable, "-m", f"companion.{name}", *WORDS[name]]
    environment = {"PYTHONPATH": str(installed)}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    shown = {
        "check": "identical" if "identical" in done.stdout else "close",
        "compare": "identical: 1 epoch of loss",
        "conformance": "networks: LSTM, graph",
        "eject": "model: keras.Model, x: Any, y: Any, epochs: int = EPOCHS\n",
        "grade": "10/10  graded",
        "mistakes": "1. The weights are never updated  (no-update)",
        "notebooks": "lesson5.ipynb",
    }
    assert shown.get(name, "") in done.stdout
    if name == "notebooks":
        assert len(list((tmp_path / "notebooks").glob("*.ipynb"))) == len(LESSONS)
    if name == "quiz":
        assert "[[" not in (tmp_path / "answers.toml").read_text()


@pytest.mark.parametrize("from_checkout", [True, False])
def test_the_archive_for_gradescope_holds_the_wheel_of_what_is_running(
    from_checkout, wheel, installed, tmp_path, pytestconfig
):
    own = (installed / "companion" / "lessons" / "lesson2" / "assignment.toml").read_text()
    text = own.replace("packages = []", 'packages = ["no-such-package >=2"]')
    (tmp_path / "own.toml").write_text(text)
    words = ["lesson2", "--gradescope-zip", "a.zip", "--assignment", "own.toml", "--seconds", "9", "--unsafe"]
    done = subprocess.run(
        [sys.executable, "-m", "companion.grade", *words], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(pytestconfig.rootpath if from_checkout else installed)},
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path)
        modes = {one.filename: one.external_attr >> 16 for one in archive.infolist()}
        assert archive.read("assignment.toml").decode() == text
    assert (modes["setup.sh"], modes["run_autograder"]) == (0o755, 0o755)
    for script in ("setup.sh", "run_autograder"):
        assert subprocess.run(["bash", "-n", script], cwd=tmp_path, check=False).returncode == 0
    told = f"install --no-cache-dir ./{wheel.name} 'no-such-package >=2'\n"
    assert told in (tmp_path / "setup.sh").read_text()
    told = "lesson2 --gradescope --assignment /autograder/source/assignment.toml --seconds 9 --unsafe"
    assert told in (tmp_path / "run_autograder").read_text()
    same = [set(zipfile.ZipFile(path).namelist()) for path in (wheel, tmp_path / wheel.name)]
    assert {name for name in same[0] ^ same[1] if "license" not in name.lower()} == set()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", "there"]
    subprocess.run([*pip, wheel.name], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "there" / "companion" / "lessons" / "lesson5" / "quiz.toml").is_file()


@pytest.mark.full
def test_the_activities_are_served_from_it(installed, tmp_path):
    command = [sys.executable, "-u", "-m", "companion.live", "lesson5", "--no-browser", "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(installed)}
    with subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as server:
        address = re.search(r"http://\S+", server.stdout.readline())[0]
        assert b"Your own digit" in urllib.request.urlopen(address, timeout=90).read()
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0


def test_the_course_comes_with_it(installed):
    for lesson in LESSONS:
        assert all(
            (installed / "companion" / "lessons" / lesson / name).is_file()
            for name in ("README.md", "exercise.py", "walkthrough.py", "quiz.toml", "assignment.toml")
        )
