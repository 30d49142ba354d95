"""An installed wheel works like a checkout, from any folder, with its data."""

import subprocess
import sys
import zipfile

from companion.terminal.lesson_list import LESSONS


def test_the_wheel_holds_the_package_its_data_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "companion/lesson3.py" in names
    assert "companion/data/diabetes.csv" in names
    assert "companion/data/mnist.npz" in names
    assert "companion/data/README.md" in names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"companion"}


def test_the_installed_command_is_the_index(installed, tmp_path):
    done = subprocess.run(
        [sys.executable, installed / "bin" / "companion"], env={"PYTHONPATH": str(installed)}, cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "lesson3" in done.stdout


def test_the_course_comes_with_it(installed, tmp_path):
    """Questions, stubs, walkthroughs and the loop that is broken are found without the checkout."""

    def run(*words):
        command = [sys.executable, "-m", *words]
        environment = {"PYTHONPATH": str(installed)}
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        )

    run("companion.quiz", "lesson4", "--sheet", "answers.toml")
    assert "[[" not in (tmp_path / "answers.toml").read_text()
    run("companion.notebooks", "notebooks")
    assert len(list((tmp_path / "notebooks").glob("*.ipynb"))) == len(LESSONS)
    out = run("companion.mistakes", "no-update", "--epochs", "1", "--save", "broken.py").stdout
    assert "1. The weights are never updated  (no-update)" in out
    for lesson in LESSONS:
        assert all(
            (installed / "companion" / "lessons" / lesson / name).is_file()
            for name in ("README.md", "exercise.py", "walkthrough.py", "quiz.toml", "assignment.toml")
        )
