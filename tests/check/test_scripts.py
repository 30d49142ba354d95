"""Scripts as they stand: a right one is never accused, a mistake is named with the line that holds it."""

import io
import json
import re
import sys

import numpy as np
import pytest
from marks import a_few
from script_cases import NOTHING, RIGHT, WRONG
from scripts import CALLED_TWICE, DATA, DRAWN, FIT, LOOP, NUMPY

from companion.check.__main__ import main
from companion.check.script.check_script import check_script


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Write a script; it is run from its folder."""
    monkeypatch.chdir(tmp_path)

    def write(text, name="my_script.py"):
        (tmp_path / name).write_text(text)
        return name

    return write


@pytest.mark.parametrize("name", a_few(RIGHT, 3))
def test_a_right_script_is_not_accused(name, script):
    check = check_script(script(RIGHT[name]))
    assert check.trainings
    assert {one.verdict.verdict for one in check.trainings} <= {"close", "identical"}, repr(check)
    assert all(one.shown is not None for one in check.trainings), repr(check)


@pytest.mark.parametrize("name", a_few(WRONG, 4))
def test_a_mistake_is_named_with_its_line(name, script):
    text, expected = WRONG[name]
    check = check_script(script(text))
    (one,) = check.trainings
    found = {mistake.name: mistake for mistake in one.mistakes}
    assert set(found) == set(expected), repr(check)
    assert not one.unknown
    for mistake, line in expected.items():
        assert line in found[mistake].code, repr(check)


@pytest.mark.parametrize("decorator", ["@tf.function", ""])
def test_each_loop_that_trains_a_network_is_judged_by_itself(decorator, script):
    styled = CALLED_TWICE.replace("@tf.function", decorator)
    check = check_script(script(DATA + styled))
    assert [one.verdict.verdict for one in check.trainings] == ["close", "differs"], repr(check)
    right, wrong = check.trainings
    assert (len(right.shown.values), len(wrong.shown.values)) == (3, 3)
    (mistake,) = wrong.mistakes
    assert (mistake.name, "times * (bce" in mistake.code) == ("gradient-scaled", True)
    lines = (DATA + styled).splitlines()
    started = [lines[one["line"] - 1] for one in check.as_dict()["trainings"]]
    assert [line.split(" = ")[0] for line in started] == ["first", "second"]


def test_batches_that_are_drawn_at_random_are_judged_step_by_step(script):
    right, mistaken = DATA + DRAWN, DATA + DRAWN.replace("training=True))", "training=True)) * 2")
    (one,) = check_script(script(right)).trainings
    assert (one.verdict.verdict, one.shown) == ("close", None)
    assert any("drawn at random" in text for text in one.training.assumed)
    (one,) = check_script(script(mistaken)).trainings
    assert "gradient-scaled" in {mistake.name for mistake in one.mistakes}
    assert not one.unknown
    (one,) = check_script(script(right + FIT)).trainings
    (found,) = one.mistakes
    assert (found.name, "np.random.choice" in found.code) == ("drawn-with-replacement", True)


@pytest.mark.parametrize("name", NOTHING)
def test_what_fit_cannot_do_is_said(name, script):
    text, reason = NOTHING[name]
    check = check_script(script(text))
    assert check.trainings == []
    assert check.verdict == "nothing to compare"
    assert reason is None or any(reason in told for told in check.reasons), repr(check)
    assert "nothing to compare with .fit, because" in repr(check).lower()


def test_watching_changes_nothing(script, capsys):
    import runpy

    import tensorflow as tf

    name = script(RIGHT["numpy, printed"].replace("np.random.perm", "rng.perm"))
    tf.config.run_functions_eagerly(True)
    try:
        runpy.run_path(name, run_name="__main__")
    finally:
        tf.config.run_functions_eagerly(False)
    alone = capsys.readouterr().out
    check_script(name)
    assert capsys.readouterr().out == alone
    assert len(alone.splitlines()) == 5


def test_a_notebook_runs_as_it_stands(script, capsys):
    cells = ["%matplotlib inline\n" + DATA, "!ls\n" + LOOP.partition("losses = []")[0]]
    cells.append("%%time\nlosses = []" + LOOP.partition("losses = []")[2])
    book = {"cells": [{"cell_type": "code", "source": cell} for cell in cells], "nbformat": 4}
    wrong = json.dumps(book).replace("total / len(x)", "total / 5")
    assert main([script(wrong, "homework.ipynb"), "--json", "r.json"]) == 1
    (one,) = json.loads(open("r.json").read())["trainings"]  # noqa: SIM115
    assert one["verdict"] == "differs"
    assert [place["evidence"] for place in one["unknown"]], one


@pytest.mark.parametrize(
    ("ending", "told", "status"),
    [
        ("import os\nos._exit(3)\n", "Your file calls os._exit(3): check ended it there", 0),
        ("import sys\nsys.exit(4)\n", "ended with the exit status 4", 0),
        ("raise KeyError('gone')\n", "while your file runs: KeyError: 'gone'", 2),
    ],
)
def test_how_a_script_ends_is_said_and_what_it_trained_is_judged(ending, told, status, script, capsys):
    assert main([script(RIGHT["numpy, printed"] + ending)]) == status
    out, err = capsys.readouterr()
    assert told in " ".join((out + err).split())
    assert "equal within float noise" in " ".join(out.split()) or "identical, bit for bit" in out


def test_a_check_leaves_the_environment_as_it_is(script, monkeypatch):
    import os

    monkeypatch.delenv("MPLBACKEND", raising=False)
    before = dict(os.environ), list(sys.path), sys.argv, sys.modules["__main__"], print
    check_script(script("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n"))
    assert (dict(os.environ), list(sys.path), sys.argv, sys.modules["__main__"], print) == before


def test_arguments_go_to_the_script_and_options_to_the_check(script, capsys):
    text = "import sys\nEPOCHS = int(sys.argv[1])\n" + DATA + NUMPY.replace("range(5)", "range(EPOCHS)")
    assert main([script(text), "--epochs", "1", "--", "2"]) == 0
    out = capsys.readouterr().out
    assert "1 epoch, from line" in out
    assert out.count("epoch 1: loss") == 1


def test_a_recording_ends_and_the_script_runs_on(script, capsys):
    text = RIGHT["numpy, printed"]
    assert main([script(text), "--epochs", "2", "--stop"]) == 0
    out = capsys.readouterr().out
    assert "epoch 1: loss" in out
    assert "epoch 2: loss" not in out
    assert "--stop ended your file here" in " ".join(out.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lesson3"], "the file is missing"),
        (["no.py"], "does not exist"),
        (["lesson9", "my_loop.py"], "is no lesson"),
        (["my_script.py", "--seed", "1"], "--seed goes with a lesson only"),
        (["lesson3", "my_script.py", "--stop"], "--stop goes with a script as it stands only"),
    ],
)
def test_a_wrong_command_is_refused_in_one_line(words, told, script, capsys):
    script(DATA)
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(main(words))
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1


def test_a_loop_in_a_block_is_watched_and_its_weights_stay(script):
    from companion import watching

    names = {}
    exec(DATA, names)
    with watching(epochs=2) as watched:
        exec(compile(NUMPY, "my_cell", "exec"), names)
    weights = [weight.copy() for weight in names["net"].get_weights()]
    (one,) = watched.trainings
    assert one.verdict.verdict in ("close", "identical"), repr(watched)
    assert all((a == b).all() for a, b in zip(weights, names["net"].get_weights(), strict=True))
    assert "what it trains, beside .fit" in watched._repr_html_()


def test_the_json_has_the_keys_that_the_manual_names(script, pytestconfig):
    assert main([script(RIGHT["beside fit"]), "--json", "r.json", "--plot", "r.svg"]) == 0
    result = json.loads(open("r.json").read())  # noqa: SIM115
    manual = (pytestconfig.rootpath / "companion" / "check" / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", manual.split("## JSON")[1]))
    assert {*result, *result["trainings"][0]} <= named
    assert "your loop" in open("r.svg").read()  # noqa: SIM115


@pytest.mark.parametrize(
    ("text", "words", "told"),
    [
        ("name = input('who? ')\n", [], "your file asks a question: answer it in the terminal"),
        (
            "import argparse\np = argparse.ArgumentParser()\np.add_argument('rate')\np.parse_args()\n",
            [],
            "put them after --",
        ),
        (
            "import tensorflow as tf\ngpu = tf.config.list_physical_devices('GPU')[0]\n",
            [],
            "there is none here",
        ),
        ("import tqdm_of_nobody\n", [], "pip install tqdm-of-nobody"),
    ],
)
def test_what_stops_a_script_is_said_in_a_line(text, words, told, script, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main([script(text), *words]) in (1, 2)
    out, err = capsys.readouterr()
    assert told in " ".join((out + err).split())


@pytest.mark.full
def test_processes_that_a_script_starts_are_its_own_affair(script, capfd):
    text = """
import multiprocessing


def double(n):
    return 2 * n


if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print("doubled", pool.map(double, [1, 2]))
"""
    assert main([script(text)]) == 1
    assert "doubled [2, 4]" in capfd.readouterr().out


def test_a_train_of_other_arguments_gets_the_line_to_add_before_anything_runs(script, capsys):
    text = "print('training ...')\n\n\ndef train(dataset, epochs, lr=0.1):\n    pass\n\n\ntrain(None, 3)\n"
    assert main(["lesson3", script(text)]) == 2
    out, err = capsys.readouterr()
    assert "training" not in out
    handed = "tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size), epochs, lr=learning_rate"
    assert f"return my_train({handed})" in err
    assert main(["lesson3", script("def train(model, x, y):\n    return [1.0]\n")]) == 2
    assert "give yours the missing learning_rate and batch_size and epochs as well" in capsys.readouterr().err


def test_the_losses_in_the_report_are_those_of_the_script(script):
    check = check_script(script(RIGHT["datasets"]))
    (one,) = check.trainings
    assert len(one.verdict.learner) == len(one.verdict.fit) == 3
    assert np.abs(np.subtract(one.verdict.learner, one.verdict.fit)).max() < 1e-6


PART = LOOP.replace("(x, y)", "(x[:120], y[:120])").replace("len(x)", "120")
HALF = LOOP.replace("loss = bce(", "loss = 0.5 * bce(")
WEIGHT = ("Crossentropy())", "Crossentropy(), loss_weights=0.5)")


@pytest.mark.parametrize(
    ("loop", "change"),
    a_few(
        [
            (PART, ("verbose=0", "validation_split=0.2, verbose=0")),
            (HALF, WEIGHT),
            (HALF, (WEIGHT[0], "Crossentropy(), loss_weights=[0.5])")),
            (LOOP, ("epochs=5", "epochs=7, initial_epoch=2")),
        ],
        2,
    ),
)
def test_a_loop_is_held_to_fit_as_it_is_called(script, loop, change):
    check = check_script(script(DATA + loop + FIT.replace(*change)))
    (one,) = check.trainings
    assert (one.verdict.verdict, one.mistakes) == ("close", []), repr(check)
    assert not any("epochs" in told for told in one.training.apart)


def test_a_loop_that_also_trains_on_the_rows_to_validate_on_is_told(script):
    check = check_script(script(DATA + LOOP + FIT.replace("verbose=0", "validation_split=0.2, verbose=0")))
    told = "the loop trains on 150 rows, .fit on 120: it validates on the others"
    assert told in check.trainings[0].training.apart


def test_a_fit_with_a_compute_loss_of_its_own_is_nothing_to_compare_with(script):
    own = """
class Own(keras.Sequential):
    def compute_loss(self, *args, **kwargs):
        return 0.5 * super().compute_loss(*args, **kwargs)
"""
    text = DATA + HALF + own + FIT.replace("other = make()", "other = Own(make().layers)")
    check = check_script(script(text))
    assert not check.trainings
    assert "a network with its own train_step or compute_loss" in check.reasons[0]


@pytest.mark.parametrize(
    ("ending", "given", "told"),
    [
        ("mse = 0.5\n", {"loss": "mse"}, ""),
        ("", {"y": "epoch"}, "--y epoch has no rows, and there are 150"),
        ("", {"y": "losses"}, "--y losses has 5 rows, and there are 150"),
    ],
)
def test_a_variable_that_is_no_loss_and_no_labels_is_told(script, ending, given, told):
    loop = LOOP.replace("bce = keras.losses.BinaryCrossentropy()", "bce = keras.losses.MeanSquaredError()")
    check = check_script(script(DATA + loop + ending), **given)
    if told:
        assert told in check.reasons[0]
    else:
        assert check.trainings[0].verdict.verdict == "close"


def test_a_script_that_fails_in_its_first_update_has_no_verdict(script):
    loop = LOOP.replace("zip(slopes, net.trainable_variables)", "slopes")
    check = check_script(script(DATA + loop))
    assert (check.trainings, "fails before it has updated net" in check.reasons[0]) == ([], True)
    assert "apply_gradients takes pairs: zip(" in str(check.error)


def test_where_the_network_fails_in_fit_that_is_told(script):
    sealed = "net.call = lambda *args, **kwargs: 1 / 0\n"
    check = check_script(script(DATA + LOOP + sealed))
    assert "the training of net could not be compared with .fit" in check.reasons[0]
    assert "ZeroDivisionError" in check.reasons[0]
