"""Each lesson's command from end to end, here and from an installed wheel in another folder."""

import csv
import io
import json

import numpy as np
import pytest
from marks import only

# By lesson: rows in a batch, and the epochs of its own settings.
COMMANDS = {
    "lesson1": (4, 2000),
    "lesson2": (1, 200),
    "lesson3": (576, 2000),
    "lesson4": (32, 200),
    "lesson5": (32, 3),
}

# The whole runs of the other lessons are long; what they are made of, and short runs of each, are tried every
# time (test_lesson1.py, test_lesson4.py, test_lesson5.py).
MOSTLY = only(COMMANDS, "lesson2", "lesson3")


@pytest.mark.parametrize("lesson", MOSTLY)
def test_the_command_gives_report_picture_json_and_csv(whole_run, lesson):
    run, (batch_size, epochs) = whole_run(lesson), COMMANDS[lesson]
    assert (run.status, run.err) == (0, "")
    lines = run.out.splitlines()
    assert lines[1].startswith(f"Lesson {lesson[-1]}: ")
    parts = [line.split(".")[0] for line in lines if line[:1].isdigit() and ". " in line[:4]]
    assert parts == [str(number) for number in range(1, len(parts) + 1)]
    assert len(parts) >= 5
    assert f"by hand   train_by_hand in companion/{lesson}.py" in run.out
    assert f"by hand and .fit: identical: {epochs} of {epochs} epochs, all " in run.out
    assert "not identical" not in run.out
    assert lines[-1]
    assert max(len(line) for line in lines) <= 80

    result = run.result
    assert result["lesson"] == int(lesson[-1])
    assert result["settings"]["batch_size"] == batch_size
    assert result["comparison"]["identical"] is True
    assert all(other["identical"] for other in result["others"].values())
    assert result["textbook_fit"]["identical"] is True
    rows = list(csv.DictReader(io.StringIO(run.csv)))
    assert [float(row["fit"]) for row in rows] == result["histories"]["by_hand"]
    for name, other in result["others"].items():
        if len(other["fit"]) == epochs:
            assert [float(row[f"{name}_fit"]) for row in rows] == other["fit"]
    assert run.picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.full
@pytest.mark.xdist_group("lesson5")
def test_lesson_5_learns_the_digits(whole_run):
    run = whole_run("lesson5")
    assert 0.94 <= run.result["metrics"]["test_accuracy"] <= 0.95
    assert np.round(run.result["histories"]["fit"], 4).tolist() == [0.4285, 0.2258, 0.1894]
    assert run.result["others"]["accuracy"]["by_hand"] == run.result["others"]["accuracy"]["fit"]
    (start,) = [line.split() for line in run.out.splitlines() if line.startswith("start ")]
    assert start[:4] == ["start", "2.3007", "0.4142", "100%"]


# For so few epochs that TensorFlow warns of compiling anew unless it is told not to.
@pytest.mark.parametrize("lesson", only(COMMANDS, "lesson3"))
def test_the_command_runs_from_the_wheel_in_another_folder(command, installed, tmp_path, lesson):
    files = {"--plot": "curves.png", "--json": "result.json", "--csv": "histories.csv"}
    options = [word for pair in files.items() for word in pair]
    words = [f"companion.{lesson}", "--epochs", "1", *options]
    done = command(*words, cwd=tmp_path, PYTHONPATH=str(installed))
    assert (done.returncode, done.stderr) == (0, "")
    assert "by hand and .fit: identical: 1 of 1 epochs, all " in done.stdout
    assert json.loads((tmp_path / "result.json").read_text())["comparison"]["identical"] is True
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files.values())
