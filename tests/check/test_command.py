"""``python -m companion.check``: what a student, an instructor and a tool see."""

import json
import re

import numpy as np
import pytest
from mistaken_loops import MISTAKES, SMOOTHED, source

from companion.check.__main__ import main

SUM_AND_PLAIN_MEAN = [
    *MISTAKES["sum-instead-of-mean"]["eager"],
    *MISTAKES["plain-mean-over-batches"]["eager"],
]


@pytest.fixture
def loop_file(tmp_path, monkeypatch):
    """Write the learner's file; its name stands in the messages, so it is called from its folder."""
    monkeypatch.chdir(tmp_path)

    def write(text, name="my_loop.py"):
        (tmp_path / name).write_text(text)
        return name

    return write


def spaced(text):
    return " ".join(text.split())


def test_a_right_loop_is_identical_and_it_is_said_what_was_verified(loop_file, capsys):
    assert main(["lesson3", loop_file(source("compiled", []))]) == 0
    out = spaced(capsys.readouterr().out)
    assert "identical. Well done: your loop does what .fit does." in out
    assert (
        "lesson 3's data: identical, bit for bit (3 updates: rows and their order, gradient, weights;"
        in out.lower()
    )
    assert "the revealing problem: identical, bit for bit (9 updates:" in out


def test_a_right_loop_that_rounds_otherwise_is_close_and_it_is_said_by_how_much(loop_file, capsys):
    assert main(["lesson3", loop_file(source("eager", [])), "--json", "r.json"]) == 0
    assert "equal within float noise: losses at most" in spaced(capsys.readouterr().out)
    result = json.loads(open("r.json").read())  # noqa: SIM115
    assert result["verdict"] == "close"
    assert result["mistakes"] == []
    for problem in result["problems"]:
        assert 0 <= np.abs(np.subtract(problem["learner"], problem["fit"])).max() < 1e-6


def test_mistakes_are_named_with_line_evidence_cure_and_problem(loop_file, capsys):
    text = source("eager", SUM_AND_PLAIN_MEAN)
    assert main(["lesson3", loop_file(text), "--json", "r.json", "--plot", "r.svg"]) == 1
    out = spaced(capsys.readouterr().out)
    assert "differs: 2 mistakes" in out
    assert "1. The loss is summed over the batch instead of averaged (sum-instead-of-mean)" in out
    assert "8 is the number of rows in the batch" in out
    assert "read lessons/what-fit-does.md: The gradient is that of the batch's mean loss" in out
    result = json.loads(open("r.json").read())  # noqa: SIM115
    first, second = result["mistakes"]
    assert (first["name"], second["name"]) == ("sum-instead-of-mean", "plain-mean-over-batches")
    assert "loss = tf.reduce_sum(rows)" in text.splitlines()[first["line"] - 1]
    assert "np.mean(losses)" in text.splitlines()[second["line"] - 1]
    assert first["problems"] == ["the revealing problem", "lesson 3's data"]
    assert second["problems"] == ["the revealing problem"]
    at = result["first_difference"]
    assert (at["epoch"], at["batch"], at["what"]) == (0, 0, "gradient")
    assert at["learner"] != at["fit"]
    assert "first difference: gradient, epoch 0, batch 0" in open("r.svg").read()  # noqa: SIM115


def test_what_is_not_in_the_catalogue_is_not_guessed_but_located(loop_file, capsys):
    assert main(["lesson3", loop_file(SMOOTHED), "--json", "r.json"]) == 1
    out = spaced(capsys.readouterr().out)
    assert "differs, and the reason is not known: see below where the difference begins" in out
    assert "Not explained by any mistake known here where gradient, epoch 0, batch 0, " in out
    result = json.loads(open("r.json").read())  # noqa: SIM115
    assert (result["verdict"], result["mistakes"]) == ("differs", [])
    at = result["first_difference"]
    assert (at["epoch"], at["batch"], at["what"]) == (0, 0, "gradient")
    assert at["variable"].startswith("dense")


def test_on_the_lesson_s_data_alone_a_mistake_can_hide(loop_file, capsys):
    file = loop_file(source("compiled", MISTAKES["training-left-out"]["compiled"]))
    assert main(["lesson3", file, "--problem", "lesson"]) == 0
    assert main(["lesson3", file, "--problem", "revealing", "--quiet"]) == 1
    error = capsys.readouterr().err
    assert error.splitlines()[-1] == "my_loop.py: differs: 1 mistake"


@pytest.mark.full
def test_seed_and_epochs_are_those_asked_for(loop_file):
    file = loop_file(source("compiled", []))
    starts = []
    for seed in ("0", "7"):
        assert main(["lesson4", file, "--seed", seed, "--epochs", "2", "--json", "r.json", "--quiet"]) == 1
        result = json.loads(open("r.json").read())  # noqa: SIM115
        assert [mistake["name"] for mistake in result["mistakes"]] == ["not-shuffled"]
        assert all(len(problem["learner"]) == 2 for problem in result["problems"])
        starts.append(result["problems"][0]["fit"][0])
    assert starts[0] != starts[1]


def test_a_notebook_is_read_and_its_cells_are_named(loop_file, capsys):
    text = source("eager", SUM_AND_PLAIN_MEAN)
    cells = [
        {"cell_type": "markdown", "source": ["# My loop"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "!ls\n", "import keras\n"]},
        {"cell_type": "code", "source": text.splitlines(keepends=True)},
        {"cell_type": "code", "source": "%%timeit\ntrain()"},
    ]
    file = loop_file(json.dumps({"cells": cells, "nbformat": 4}), "my_loop.ipynb")
    assert main(["lesson3", file, "--problem", "revealing", "--json", "r.json"]) == 1
    first = json.loads(open("r.json").read())["mistakes"][0]  # noqa: SIM115
    assert first["file"] == "my_loop.ipynb, cell 3"
    assert "loss = tf.reduce_sum(rows)" in text.splitlines()[first["line"] - 1]
    assert "my_loop.ipynb, cell 3, line " in spaced(capsys.readouterr().out)


def test_json_on_standard_output_is_all_that_is_printed_there(loop_file, capsys):
    file = loop_file(source("eager", [("    n = len(x)\n", "    n = len(x)\n    print('hello')\n")]))
    assert main(["lesson3", file, "--problem", "lesson", "--json", "-"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["verdict"] in ("identical", "close")
    assert printed.err == "hello\n"


def test_every_json_key_is_documented(loop_file, pytestconfig, capsys):
    main(["lesson3", loop_file(SMOOTHED), "--problem", "revealing", "--json", "r.json", "--quiet"])
    result = json.loads(open("r.json").read())  # noqa: SIM115
    manual = (pytestconfig.rootpath / "companion" / "check" / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", manual.split("## JSON")[1]))
    assert {*result, *result["first_difference"], *result["problems"][0]} <= named


def returning(what):
    return source("eager", [("    return history", f"    return {what}")])


RETURNS = [
    ("history[1:]", "train returned 2 losses, too few: return a list of 3 floats"),
    ("history * 2", "train returned 6 losses, too many: return a list of 3 floats"),
    ("{'cost': history}", "train returned a dict: return a list of 3 floats"),
    ("[str(h) for h in history]", "train returned a list whose entry 0 is a str: return a list of 3 floats"),
    ("[history]", "train returned a list whose entry 0 is a list: return a list of 3 floats"),
    ("keras.callbacks.History()", "train returned a dict: return a list of 3 floats"),
]
FILES = [
    (
        "x = 1",
        "my_loop.py: train is not defined; define train(model, x, y, *, learning_rate, batch_size, epochs)",
    ),
    (
        "def Train(model): pass",
        "my_loop.py: train is not defined; did you mean 'Train'? rename it to train; define train(",
    ),
    (
        "def my_training(model): pass",
        "my_loop.py: train is not defined; did you mean 'my_training'? rename it to train;",
    ),
    ("train = 3", "my_loop.py: train is of type int: it must be a function, train("),
    ("class train: pass", "my_loop.py: train is a class: it must be a function, train("),
    (
        "def train(model, x, y): pass",
        "my_loop.py: train(model, x, y) does not fit (got an unexpected keyword argument",
    ),
    (
        "def train(net, x, y, lr, *, learning_rate, batch_size, epochs): pass",
        "my_loop.py: train(net, x, y, lr, *, ",
    ),
    (
        "import keros",
        "my_loop.py, line 1, while the file is run: ModuleNotFoundError: No module named 'keros'",
    ),
    ("def train(:", "my_loop.py, line 1, while the file is run: SyntaxError: invalid syntax"),
]


@pytest.mark.parametrize(("text", "said"), [(returning(what), said) for what, said in RETURNS] + FILES)
def test_what_cannot_be_checked_gets_one_line_and_status_2(loop_file, capsys, text, said):
    assert main(["lesson3", loop_file(text), "--problem", "lesson", "--json", "r.json"]) == 2
    told = capsys.readouterr()
    assert told.err.splitlines()[-1].startswith(f"python -m companion.check: error: {said}")
    assert told.out == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["lesson3", "missing.py"],
            "'missing.py' does not exist: give the path of your file, absolute or relative to ",
        ),
        (["lesson3", "."], "'.' is a folder: name the file in it that defines train"),
        (["lesson3", "broken.ipynb"], "'broken.ipynb' is no notebook of format 4: save it again in Jupyter"),
        (["lesson3", "latin.py"], "'latin.py' is not text in UTF-8 ("),
    ],
)
def test_wrong_files_are_refused_in_one_line(loop_file, tmp_path, capsys, words, said):
    loop_file("{}", "broken.ipynb")
    (tmp_path / "latin.py").write_bytes("# é".encode("latin-1"))
    assert main(words) == 2
    assert capsys.readouterr().err.startswith(f"python -m companion.check: error: {said}")


def test_an_exception_is_shown_as_python_shows_it_but_only_the_learners_lines(loop_file, capsys):
    text = source("compiled", [("variables = model.trainable", "variables = modl.trainable")])
    assert main(["lesson3", loop_file(text), "--json", "r.json"]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "Traceback (most recent call last):"
    files = [line for line in told if line.lstrip().startswith("File ")]
    assert len(files) == 2
    assert all('File "my_loop.py", line ' in line for line in files)
    assert "    variables = modl.trainable_variables" in told
    assert "NameError: name 'modl' is not defined" in told
    assert told[-1].startswith("python -m companion.check: error: my_loop.py, line ")
    result = json.loads(open("r.json").read())  # noqa: SIM115
    assert (result["verdict"], result["problems"]) == ("error", [])
    assert "modl" in result["traceback"]


def test_a_number_wanted_in_a_graph_after_the_tape_is_not_called_a_missing_gradient(loop_file):
    file = loop_file(source("compiled", [("mean.update_state(total,", "mean.update_state(total.numpy(),")]))
    assert main(["lesson3", file, "--json", "r.json"]) == 2
    result = json.loads(open("r.json").read())  # noqa: SIM115
    assert result["mistakes"] == []
    assert "inside tf.function there are no numbers yet" in result["error"]


def test_an_exception_on_the_revealing_problem_alone_comes_after_the_lesson_s_result(loop_file, capsys):
    text = source(
        "eager", [("    n = len(x)\n", "    n = len(x)\n    w1, b1, w2, b2 = model.get_weights()\n")]
    )
    assert main(["lesson3", loop_file(text)]) == 2
    told = capsys.readouterr()
    assert "lesson 3's data" in told.out
    told = spaced(told.err)
    assert "while train runs on the revealing problem: ValueError: too many values to unpack" in told
    assert "the loop expects a fixed number of weight arrays" in told


def test_the_loop_s_own_file_is_not_overwritten(loop_file, capsys):
    file = loop_file("x = 1")
    with pytest.raises(SystemExit, match="2"):
        main(["lesson3", file, "--json", file])
    assert "'my_loop.py' is the file that is read; name another" in capsys.readouterr().err


def test_what_python_takes_in_a_file_is_taken_here_too(loop_file, capsys, tmp_path):
    """A dataclass under postponed annotations, a condition on a tensor in a lambda, a late import."""
    (tmp_path / "names_beside.py").write_text("NAME = 'mine'\n")
    text = """
from __future__ import annotations
from dataclasses import dataclass
import tensorflow as tf

@dataclass
class Config:
    name: str = "mine"

""" + source(
        "compiled",
        [
            (
                "    mean = keras.metrics.Mean()\n",
                """    mean = keras.metrics.Mean()
    from names_beside import NAME
    assert NAME == Config().name
    kept = tf.data.Dataset.range(4).map(lambda n: n if n > 1 else -n)
    assert [int(n) for n in kept] == [0, -1, 2, 3]
""",
            )
        ],
    )
    assert main(["lesson3", loop_file(text), "--problem", "lesson"]) == 0, capsys.readouterr()
