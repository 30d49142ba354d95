"""``python -m companion.compare``: a file of the user's, by hand and by ``.fit``."""

import json
import re

import pandas as pd
import pytest
from marks import a_few
from model_files import FOUR, MODEL

from companion import fit_by_hand
from companion.compare.__main__ import main
from companion.comparison import with_fit


def test_the_report_sets_the_histories_side_by_side_and_gives_the_verdict(model_file, capsys):
    assert main([model_file(MODEL.format(data=FOUR)), "--epochs", "3", "--batch-size", "8"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "my_model.py: by hand and by .fit" in printed
    assert ": 2 layers, 4 parameters optimizer Adam" in printed
    assert ".fit epochs=3, batch_size=8" in printed
    assert "identical: 3 epochs of accuracy, loss, val_accuracy, val_loss, " in printed


WRITTEN = {
    "a dataclass under postponed annotations": """
from __future__ import annotations
from dataclasses import dataclass
import keras, numpy as np
@dataclass
class Config:
    units: int = 3
def load_data():
    return np.ones((16, 4)), np.ones((16, 1))
def build_model():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(Config().units), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model
""",
    "a condition on a tensor in a lambda": """
import keras, numpy as np, tensorflow as tf
x = np.random.default_rng(0).random((32, 4)).astype("float32")
def load_data():
    data = tf.data.Dataset.from_tensor_slices((x, x.sum(1)))
    return data.map(lambda x, y: (x[::-1] if y > 2.0 else x, y)).batch(8)
def build_model():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model
""",
    "a module beside it, imported late": """
import numpy as np
def load_data():
    return np.ones((16, 4)), np.ones((16, 1))
def build_model():
    import keras
    from units_beside import UNITS
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(UNITS), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model
""",
}


@pytest.mark.parametrize("how", WRITTEN)
def test_what_python_takes_in_a_file_is_taken_here_too(model_file, capsys, tmp_path, how):
    (tmp_path / "units_beside.py").write_text("UNITS = 3\n")
    assert main([model_file(WRITTEN[how]), "--epochs", "1"]) == 0
    assert "identical: 1 epoch of loss" in capsys.readouterr().out


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
    manual = (pytestconfig.rootpath / "companion" / "compare" / "README.md").read_text(encoding="utf-8")
    assert set(found) <= set(re.findall(r"`(\w+)`", manual))
    table = pd.read_csv(tmp_path / "r.csv", index_col="epoch")
    assert table["loss by hand"].tolist() == found["histories"]["by_hand"]
    picture = (tmp_path / "r.svg").read_text()
    assert "<!-- The val_loss: by hand minus .fit is exactly 0 in every epoch -->" in picture
    assert picture.count(": by hand minus .fit is exactly 0 in every epoch -->") == 4
    assert "What is left when .fit is subtracted" not in picture


def test_json_on_standard_output_is_all_that_is_printed_there(model_file, capsys):
    assert main([model_file(MODEL.format(data="x, y")), "--epochs", "1", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["file"] == "my_model.py"


def test_a_difference_is_told_and_is_status_1(model_file, monkeypatch, capsys):
    def wrong(model, *data, **own):
        history = fit_by_hand(model, *data, **own)
        model.optimizer.iterations.assign_add(1)
        return history

    monkeypatch.setattr(with_fit, "fit_by_hand", wrong)
    file = model_file(MODEL.format(data="x, y"))
    assert main([file, "--epochs", "2"]) == 1
    out = capsys.readouterr().out
    assert "not identical:\n- variable adam" in out
    assert "/iteration at (): by hand 5.0, .fit 4.0, 1 or 1 ulp apart" in out
    assert main([file, "--epochs", "2", "--quiet"]) == 1
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert told.err.startswith("my_model.py: not identical: variable adam")


FORMS = [
    "[x, y]",
    "x, y, np.linspace(0, 2, 40)",
    "(x[:30], y[:30]), (x[30:], y[30:])",
    "[__import__('tensorflow').data.Dataset.from_tensor_slices((x, y[:, None])).shuffle(9).batch(8)] * 2",
    "__import__('tensorflow').data.Dataset.from_tensor_slices((x, y[:, None])).shuffle(40).batch(8)",
    "((x[at:at + 8], y[at:at + 8, None]) for at in range(0, 400, 8) if at < 40)",
]


@pytest.mark.parametrize("data", a_few(FORMS, 2))
@pytest.mark.filterwarnings("ignore:.*data:UserWarning")
def test_data_may_come_in_any_form(model_file, data):
    file = model_file(MODEL.format(data=data) + "\nfit_arguments = {'epochs': 1}\n")
    assert main([file, "--quiet"]) == 0


def test_x_alone_is_data_too(model_file, capsys):
    own = """
class Coder(keras.Sequential):
    def train_step(self, data):
        return {"rows": keras.ops.sum(data) + keras.ops.sum(self(data))}

def build_model():
    model = Coder([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd")
    return model
"""
    assert main([model_file(MODEL.format(data="x") + own), "--epochs", "2"]) == 0
    assert "identical: 2 epochs of rows" in capsys.readouterr().out


def test_a_model_in_a_package_may_import_from_it_and_may_be_named_as_a_module(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "own_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "beside.py").write_text("UNITS = 3\n")
    text = MODEL.format(data="x, y").replace("import keras\n", "import keras\nfrom .beside import UNITS\n", 1)
    (folder / "model.py").write_text(text)
    for name in ("own_package.model", "own_package/model.py"):
        assert main([name, "--epochs", "1", "--quiet"]) == 0, capsys.readouterr().err
    assert main(["own_package.modle", "--quiet"]) == 2
    assert "'own_package.modle' does not end in .py: name a Python file" in capsys.readouterr().err


GOOD = MODEL.format(data="x, y")
WRONG = [
    (None, "'my_model.py' does not exist: give the path of your file, absolute or relative to "),
    ("import", "my_model.py, line 1: SyntaxError: "),
    ("import keros", "my_model.py, line 1: ModuleNotFoundError: No module named 'keros'"),
    ("import sys\nsys.exit(3)", "my_model.py, line 2: SystemExit: 3"),
    ("x = 1", "my_model.py: build_model is not defined: it must be a function without arguments"),
    ("build_model = 3", "my_model.py: build_model is of type int: it must be a function without arguments"),
    (
        MODEL.format(data="x, y, x, y, x"),
        "my_model.py: load_data() gave ndarray, ndarray, ndarray, ndarray, ndarray: it must give x; x and y;",
    ),
    (MODEL.format(data="x, None"), "my_model.py: load_data() gave ndarray, NoneType: it must give x; x and"),
    (MODEL.format(data="None"), "my_model.py: load_data() gave NoneType: it must give x; x and y;"),
    (
        MODEL.format(data="x, y, y") + "fit_arguments = {'sample_weight': y}\n",
        "my_model.py: load_data() and fit_arguments both give weights; leave out one",
    ),
    (MODEL.format(data="()"), "my_model.py: load_data() gave nothing: it must give x; x and y;"),
    (MODEL.format(data="1 / 0"), "my_model.py, line 9: ZeroDivisionError: division by zero"),
    (MODEL.format(data="__import__('os').chdir('/'), 1 / 0"), "my_model.py, line 9: ZeroDivisionError: "),
    (MODEL.format(data="x, y[:7]"), "my_model.py: ValueError: Data cardinality is ambiguous."),
    (
        MODEL.format(data="x[:, :2], y"),
        "my_model.py: ValueError: Exception encountered when calling Sequential",
    ),
    (GOOD.replace("return model\n", "\n"), "my_model.py: TypeError: model is of type NoneType"),
    (GOOD + "fit_arguments = 3\n", "my_model.py: fit_arguments is of type int: it must be a dict"),
    (
        GOOD + "fit_arguments = {'epoch': 3}\n",
        "my_model.py: fit_arguments: Model.fit takes no argument 'epoch': did you mean epochs?",
    ),
    (
        GOOD + "fit_arguments = {1: 2}\n",
        "my_model.py: fit_arguments: Model.fit takes no argument 1: it takes",
    ),
    (GOOD + "fit_arguments = {'callbacks': [3]}\n", "my_model.py: AttributeError: 'int' object has no"),
    (
        GOOD + "fit_arguments = {'validation_freq': 0, 'validation_split': 0.2}\n",
        "my_model.py: ValueError: validation_freq is 0: it must be an int (every so many epochs, not 0) or a",
    ),
    (
        GOOD + "fit_arguments = {'epochs': 0}\n",
        "my_model.py: fit_arguments has epochs=0: it must be a whole number",
    ),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_wrong_in_the_file_is_told_in_one_line(model_file, capsys, text, said):
    assert main(["my_model.py" if text is None else model_file(text), "--epochs", "1"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"python -m companion.compare: error: {said}")


def test_the_model_s_own_file_is_not_overwritten(model_file, tmp_path, capsys):
    file = model_file(GOOD)
    with pytest.raises(SystemExit, match="2"):
        main([file, "--json", str(tmp_path / "sub" / ".." / "my_model.py")])
    assert "--json: " in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([file, "--csv", "my_model.py"])
    assert "'my_model.py' is the file that is read; name another" in capsys.readouterr().err
    assert (tmp_path / "my_model.py").read_text() == GOOD
    with pytest.raises(SystemExit, match="2"):
        main([file, "--loop", "my_loop.py", "--csv", "my_loop.py"])
    assert "'my_loop.py' is the file that is read; name another" in capsys.readouterr().err


def test_what_the_file_and_keras_print_stays_out_of_a_result_on_standard_output(model_file, capsys):
    file = model_file(GOOD + "fit_arguments = {'verbose': 2, 'epochs': 1}\nprint('loading')\n")
    assert main([file, "--csv", "-"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("epoch,accuracy by hand,")
    assert printed.err.startswith("loading\n")
    assert "step - accuracy: " in printed.err


def test_a_batch_size_for_what_makes_its_own_batches_is_refused(model_file, capsys):
    data = "__import__('tensorflow').data.Dataset.from_tensor_slices((x, y[:, None])).batch(8)"
    assert main([model_file(MODEL.format(data=data)), "--batch-size", "4"]) == 2
    assert (
        "--batch-size: load_data() gives a _BatchDataset, which makes its batches" in capsys.readouterr().err
    )


@pytest.mark.parametrize("more", [[], ["--loop", "fit.py"]])
def test_epochs_are_numbered_as_fit_numbers_them(model_file, tmp_path, capsys, more):
    call = "{'initial_epoch': 3, 'epochs': 7, 'validation_freq': 2}"
    file = model_file(MODEL.format(data=FOUR) + f"fit_arguments = {call}\n")
    (tmp_path / "fit.py").write_text("def train(model, x, y, **own):\n    return model.fit(x, y, **own)\n")
    assert main([file, "--csv", "r.csv", *more]) == 0
    assert re.findall(r"^ +(\d) +\d\.\d{12} ", capsys.readouterr().out, re.MULTILINE) == ["3", "4", "5", "6"]
    table = pd.read_csv(tmp_path / "r.csv", index_col="epoch")
    assert table["val_loss .fit"].dropna().index.tolist() == [3, 5]


def test_a_file_beside_it_can_be_imported_and_another_ending_is_refused(model_file, tmp_path, capsys):
    (tmp_path / "my_data.py").write_text(MODEL.format(data="x, y"))
    assert main([model_file("from my_data import build_model, load_data\n"), "--epochs", "1", "--quiet"]) == 0
    (tmp_path / "my_rows.py").write_text(MODEL.format(data="np.load('missing.npy'), y"))
    assert main([model_file("from my_rows import build_model, load_data\n"), "--epochs", "1"]) == 2
    assert "error: my_rows.py, line 9: FileNotFoundError: " in capsys.readouterr().err
    assert main(["my_model.ipynb"]) == 2
    assert "'my_model.ipynb' does not end in .py: name a Python file" in capsys.readouterr().err
