"""Each lesson's command from end to end: as a user runs it, installed, from another folder."""

import csv
import json

import numpy as np
import pytest

# Lesson 5 whole, as its accuracy is of all digits; the others for a few epochs (their own tests
# have more), lesson 1 for so few that TensorFlow warns of compiling anew unless it is told not to.
COMMANDS = {
    "lesson1": (["--epochs", "1"], 1, 4),
    "lesson2": (["--epochs", "3"], 3, 1),
    "lesson3": (["--epochs", "3"], 3, 576),
    "lesson4": (["--epochs", "3"], 3, 32),
    "lesson5": ([], 3, 32),
}


@pytest.mark.parametrize("lesson", COMMANDS)
def test_the_command_runs_from_the_wheel_and_writes_report_picture_json_and_csv(
    command, installed, tmp_path, lesson
):
    words, epochs, batch_size = COMMANDS[lesson]
    files = {"--plot": "curves.png", "--json": "result.json", "--csv": "histories.csv"}
    options = [word for pair in files.items() for word in pair]
    # Keras runs on TensorFlow, whatever the environment says.
    environment = {"PYTHONPATH": str(installed), "KERAS_BACKEND": "jax"}
    done = command(f"companion.{lesson}", *words, *options, cwd=tmp_path, **environment)
    assert (done.returncode, done.stderr) == (0, "")

    lines = done.stdout.splitlines()
    assert lines[1].startswith(f"Lesson {lesson[-1]}: ")
    parts = [line.split(".")[0] for line in lines if line[:1].isdigit() and ". " in line[:4]]
    assert parts == [str(number) for number in range(1, len(parts) + 1)]
    assert len(parts) >= 6
    assert f"by hand   train_by_hand in companion/{lesson}.py" in done.stdout
    assert f"by hand and .fit: identical: {epochs} of {epochs} epochs, all " in done.stdout
    assert "not identical" not in done.stdout
    assert lines[-1]
    assert max(len(line) for line in lines) <= 80

    result = json.loads((tmp_path / "result.json").read_text())
    assert result["lesson"] == int(lesson[-1])
    assert result["settings"]["batch_size"] == batch_size
    assert result["comparison"]["identical"] is True
    assert all(other["identical"] for other in result["others"].values())
    with (tmp_path / "histories.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["fit"]) for row in rows] == result["histories"]["by_hand"]
    for name, other in result["others"].items():
        assert [float(row[f"{name}_fit"]) for row in rows] == other["fit"]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files.values())

    if lesson == "lesson5":
        assert 0.94 <= result["metrics"]["test_accuracy"] <= 0.95
        assert np.round(result["histories"]["fit"], 4).tolist() == [0.4285, 0.2258, 0.1894]
        assert result["others"]["accuracy"]["by_hand"] == result["others"]["accuracy"]["fit"]
        (start,) = [line.split() for line in lines if line.startswith("start ")]
        assert start[:4] == ["start", "2.3007", "0.4142", "100%"]
