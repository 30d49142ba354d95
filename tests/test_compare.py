"""``python -m companion.compare``: a file of the user's, by hand and by ``.fit``."""

import json
import re

import pandas as pd
import pytest

from companion import both_ways, fit_by_hand
from companion.compare import main

MODEL = """
import keras
import numpy as np

x = np.random.default_rng(0).normal(size=(40, 3))
y = x.sum(axis=1) > 0

def load_data():
    return {data}

def build_model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.2), keras.layers.Dense(1, "sigmoid")])
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return model
"""
FOUR = "x[:30], y[:30], x[30:], y[30:]"


@pytest.fixture
def model_file(tmp_path, monkeypatch):
    """Write the user's file; its name stands in the messages, so it is called from its folder."""
    monkeypatch.chdir(tmp_path)

    def write(text):
        (tmp_path / "my_model.py").write_text(text)
        return "my_model.py"

    return write


def test_the_report_sets_the_histories_side_by_side_and_gives_the_verdict(model_file, capsys):
    assert main([model_file(MODEL.format(data=FOUR)), "--epochs", "3", "--batch-size", "8"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "my_model.py: by hand and by .fit" in printed
    assert ": 2 layers, 4 parameters optimizer Adam" in printed
    assert ".fit epochs=3, batch_size=8" in printed
    assert "identical: 3 epochs of accuracy, loss, val_accuracy, val_loss, " in printed


def test_json_csv_and_plot_hold_what_was_found(model_file, tmp_path, capsys, pytestconfig):
    file = model_file(MODEL.format(data=FOUR) + "\nfit_arguments = dict(epochs=2, class_weight={1: 2.0})\n")
    assert (
        main([file, "--seed", "3", "--json", "r.json", "--csv", "r.csv", "--plot", "r.svg", "--quiet"]) == 0
    )
    assert capsys.readouterr().out == ""
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["settings"] == {"epochs": 2, "seed": 3}
    assert (found["identical"], found["differences"]) == (True, [])
    assert found["histories"]["by_hand"] == found["histories"]["fit"]
    assert found["comparison"]["max_ulp"] == 0
    assert set(found["others"]) == {"accuracy", "val_accuracy", "val_loss"}
    assert set(found["variables"].values()) == {True}
    readme = (pytestconfig.rootpath / "README.md").read_text(encoding="utf-8")
    assert set(found) <= set(re.findall(r"`(\w+)`", readme.split("## The JSON")[1]))
    table = pd.read_csv(tmp_path / "r.csv", index_col="epoch")
    assert table["loss by hand"].tolist() == found["histories"]["by_hand"]
    picture = (tmp_path / "r.svg").read_text()
    assert "<!-- The val_loss, trained in each way -->" in picture
    assert picture.count("<!-- by hand minus .fit: exactly 0 in every epoch -->") == 4


def test_json_on_standard_output_is_all_that_is_printed_there(model_file, capsys):
    assert main([model_file(MODEL.format(data="x, y")), "--epochs", "1", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["file"] == "my_model.py"


def test_a_difference_is_told_and_is_status_1(model_file, monkeypatch, capsys):
    def wrong(model, *data, **own):
        history = fit_by_hand(model, *data, **own)
        model.optimizer.iterations.assign_add(1)
        return history

    monkeypatch.setattr(both_ways, "fit_by_hand", wrong)
    file = model_file(MODEL.format(data="x, y"))
    assert main([file, "--epochs", "2"]) == 1
    assert (
        "not identical:\n- variable adam/iteration at (): by hand 5.0, .fit 4.0, " in capsys.readouterr().out
    )
    assert main([file, "--epochs", "2", "--quiet"]) == 1
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert told.err.startswith("my_model.py: not identical: variable adam")


@pytest.mark.parametrize(
    "data",
    [
        "[x, y]",
        "__import__('tensorflow').data.Dataset.from_tensor_slices((x, y[:, None])).shuffle(40).batch(8)",
        "((x[at:at + 8], y[at:at + 8, None]) for at in range(0, 400, 8) if at < 40)",
    ],
)
@pytest.mark.filterwarnings("ignore:.*data:UserWarning")
def test_data_may_come_in_any_form(model_file, data):
    file = model_file(MODEL.format(data=data) + "\nfit_arguments = {'epochs': 1}\n")
    assert main([file, "--quiet"]) == 0


WRONG = [
    (None, "'my_model.py' is no file: look for a typing error, or give the path from "),
    ("import", "my_model.py, line 1: SyntaxError: "),
    ("import keros", "my_model.py, line 1: ModuleNotFoundError: No module named 'keros'"),
    ("import sys\nsys.exit(3)", "my_model.py, line 2: SystemExit: 3"),
    ("x = 1", "my_model.py does not define a function build_model(): it must define build_model, load_data"),
    ("build_model = 3", "my_model.py has as build_model a int, not a function build_model(): it must"),
    (
        MODEL.format(data="x, y, x"),
        "my_model.py: load_data() gave 3 things: it must give x and y, or x, y, x_val",
    ),
    (MODEL.format(data="None"), "my_model.py: load_data() gave None: it must return x and y, or a Dataset"),
    (MODEL.format(data="1 / 0"), "my_model.py, line 9: ZeroDivisionError: division by zero"),
    (MODEL.format(data="x, y[:7]"), "my_model.py: ValueError: Data cardinality is ambiguous."),
    (
        MODEL.format(data="x[:, :2], y"),
        "my_model.py: ValueError: Exception encountered when calling Sequential",
    ),
    (
        MODEL.format(data="x, y").replace("return model\n", "\n"),
        "my_model.py: TypeError: model is of type None",
    ),
    (
        MODEL.format(data="x, y") + "fit_arguments = 3\n",
        "my_model.py has as fit_arguments a int: it must be a",
    ),
    (
        MODEL.format(data="x, y") + "fit_arguments = {'epoch': 3}\n",
        "my_model.py: TypeError: fit_by_hand() got an",
    ),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_wrong_in_the_file_is_told_in_one_line(model_file, capsys, text, said):
    assert main(["my_model.py" if text is None else model_file(text), "--epochs", "1"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"python -m companion.compare: error: {said}")


def test_a_file_beside_it_can_be_imported_and_another_ending_is_refused(model_file, tmp_path, capsys):
    (tmp_path / "my_data.py").write_text(MODEL.format(data="x, y"))
    assert main([model_file("from my_data import build_model, load_data\n"), "--epochs", "1", "--quiet"]) == 0
    assert main(["my_model.ipynb"]) == 2
    assert "'my_model.ipynb' does not end in .py: name a Python file" in capsys.readouterr().err
