"""``python -m companion.compare --loop``: a loop of the user's own in the place of the one by hand."""

import re

import pytest
from marks import a_few
from model_files import MODEL

from companion.compare.__main__ import main

LOOP = """
import keras
import numpy as np
import tensorflow as tf

def train(model, x, y, *, epochs, batch_size):
    optimizer = keras.optimizers.Adam()
    loss_of, mean_loss = keras.losses.BinaryCrossentropy(), keras.metrics.Mean()
    x, y = x.astype("float32"), y.astype("float32")
    history = []

    @tf.function(autograph=False, reduce_retracing=True)
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    for _ in range(epochs):
        mean_loss.reset_state()
        for at in range(0, len(x), batch_size):
            loss = step(x[at : at + batch_size], y[at : at + batch_size])
            mean_loss.update_state(loss, sample_weight=len(x[at : at + batch_size]))
        history.append(float(mean_loss.result()))
    return history
"""
UNSHUFFLED = MODEL.format(data="x, y") + "fit_arguments = {'shuffle': False, 'epochs': 2, 'batch_size': 8}\n"


def test_a_loop_of_ones_own_takes_the_place_of_the_one_by_hand(model_file, tmp_path, capsys):
    (tmp_path / "my_loop.py").write_text(LOOP)
    assert main([model_file(UNSHUFFLED), "--loop", "my_loop.py"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "my_model.py: by my_loop.py and by .fit" in out
    assert "identical: 2 epochs of loss, " in out
    assert "Not compared, since the loop does not report it: accuracy." in out
    assert "Not passed, since train does not take them: shuffle." in out
    assert re.search(r"an epoch [\d.]+ m?s by my_loop.py, [\d.]+ m?s by \.fit", out)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("loss = loss_of(y, model(x, training=True))", "loss = loss_of(y, model(x))"), "training-left-out"),
        (
            ("sample_weight=len(x[at : at + batch_size])", "sample_weight=1"),
            "plain-mean-over-batches",
        ),
    ],
)
def test_of_a_loop_that_is_not_fit_check_says_why(model_file, tmp_path, capsys, change, said):
    (tmp_path / "my_loop.py").write_text(
        LOOP.replace("range(0, len(x), batch_size)", "range(0, 36, batch_size)").replace(*change)
    )
    text = UNSHUFFLED.replace("size=(40, 3)", "size=(36, 3)")
    assert main([model_file(text), "--loop", "my_loop.py"]) == 1
    out = capsys.readouterr().out
    assert f"({said})" in out
    line = next(
        number
        for number, code in enumerate((tmp_path / "my_loop.py").read_text().splitlines(), 1)
        if change[1] in code
    )
    assert f"my_loop.py, line {line}: " in out or said == "plain-mean-over-batches"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("loss = loss_of(y, model(x, training=True))", "loss = loss_of(y, model(x))"), "training-left-out"),
        (
            ("x[rows:], y[rows:]", "x[:rows], y[:rows]"),
            "this difference in the training; look at the validation and the callbacks",
        ),
    ],
)
def test_a_loop_with_validation_is_judged_by_its_training(model_file, tmp_path, capsys, change, said):
    loop = LOOP.replace("batch_size):", "batch_size, validation_split=0.0):", 1)
    loop = loop.replace(
        "    history = []", "    rows = int(len(x) * (1 - validation_split))\n    history, val = [], []"
    )
    loop = loop.replace("range(0, len(x), batch_size)", "range(0, rows, batch_size)")
    loop = loop.replace("    history, val", '    print("split", validation_split)\n    history, val')
    measured = (
        "        if validation_split:\n            val.append(float(loss_of(y[rows:], model(x[rows:]))))\n"
    )
    loop = loop.replace("    return history", measured + '    return {"loss": history, "val_loss": val}')
    loop = loop.replace("loss_of(y[rows:], model(x[rows:]))", "measure(x[rows:], y[rows:])").replace(
        "    for _ in", "    measure = tf.function(lambda x, y: loss_of(y, model(x)))\n    for _ in", 1
    )
    assert loop != loop.replace(*change)
    (tmp_path / "my_loop.py").write_text(loop.replace(*change))
    text = UNSHUFFLED.replace("'epochs'", "'validation_split': 0.2, 'epochs'")
    assert main([model_file(text), "--loop", "my_loop.py", "--plot", "curves.png"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert said in out
    assert "epoch your loop .fit difference" in out
    assert re.findall(r"split ([\d.]+)", out) == [
        "0.2",
        "0.0",
    ]  # compared with its validation, judged without


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "my_loop.py: train is not defined: it must be a function train(model, x, y"),
        ("train = 3\n", "my_loop.py: train is of type int"),
        ("train = min\n", "my_loop.py: train has no arguments that can be read: define it in the file"),
        (LOOP + "    1 / 0\n", "my_loop.py, line "),
        ("def train(model, x, y):\n    return 'losses'\n", "my_loop.py: TypeError: train returned a str"),
        ("def train(model, x):\n    return []\n", "my_loop.py: TypeError: train() takes 2 positional"),
        (None, "'my_loop.py' does not exist"),
    ],
)
def test_what_is_wrong_with_the_loop_is_told_in_one_line(model_file, tmp_path, capsys, text, said):
    if text is not None:
        (tmp_path / "my_loop.py").write_text(text.replace("    return history\n    1 / 0", "    1 / 0"))
    assert main([model_file(UNSHUFFLED), "--loop", "my_loop.py", "--quiet"]) == 2
    err = capsys.readouterr().err
    assert (err.count("\n"), err.startswith(f"python -m companion.compare: error: {said}")) == (1, True), err


def test_a_loop_with_fewer_epochs_is_shown_beside_fit(model_file, tmp_path, capsys):
    (tmp_path / "my_loop.py").write_text(LOOP.replace("range(epochs)", "range(epochs - 1)"))
    assert main([model_file(UNSHUFFLED), "--loop", "my_loop.py"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "your loop has 1 epoch, .fit 2" in out
    assert re.search(r" 1 NaN \d\.\d+ Infinity ", out)


def test_a_loop_without_an_epoch_is_compared_too(model_file, tmp_path, capsys):
    (tmp_path / "my_loop.py").write_text("def train(model, x, y, **own):\n    return []\n")
    assert main([model_file(UNSHUFFLED), "--loop", "my_loop.py"]) == 1
    assert "your loop has 0 epochs, .fit 2" in " ".join(capsys.readouterr().out.split())


def test_an_error_of_the_model_s_file_is_not_the_loop_s(model_file, tmp_path, capsys):
    (tmp_path / "my_loop.py").write_text(LOOP)
    text = UNSHUFFLED.replace("    model = keras", "    raise ValueError('bad units')\n    model = keras")
    assert main([model_file(text), "--loop", "my_loop.py"]) == 2
    assert "error: my_model.py, line 12: ValueError: bad units" in capsys.readouterr().err


OWN = """
class Own(keras.Sequential):
    def compute_loss(self, *args, **kwargs):
        return 0.5 * super().compute_loss(*args, **kwargs)

class Plain(keras.optimizers.SGD):
    def __init__(self, rate):
        super().__init__(rate)
"""


@pytest.mark.parametrize(
    ("change", "why"),
    a_few(
        [
            (('"binary_crossentropy"', '"binary_crossentropy", loss_weights=0.5'), "loss_weights"),
            (("model = keras.Sequential(", "model = Own("), "a train_step or compute_loss of its own"),
            (('optimizer="adam"', "optimizer=Plain(0.1)"), "make the optimizer anew: TypeError: "),
        ],
        1,
    ),
)
def test_where_check_cannot_judge_it_names_no_mistake(model_file, tmp_path, capsys, change, why):
    wrong = LOOP.replace("sample_weight=len(x[at : at + batch_size])", "sample_weight=1")
    (tmp_path / "my_loop.py").write_text(wrong)
    text = UNSHUFFLED.replace(*change) + OWN
    assert (
        main([model_file(text.replace("(40, 3)", "(36, 3)")), "--loop", "my_loop.py", "--json", "r.json"])
        == 1
    )
    out = " ".join(capsys.readouterr().out.split())
    assert re.search(f"The reason is not known: check .*{why}", out)
    assert (tmp_path / "r.json").exists()
