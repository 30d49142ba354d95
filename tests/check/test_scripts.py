"""Scripts as they stand: a right one is never accused, a mistake is named with the line that holds it."""

import io
import json
import re

import numpy as np
import pytest
from marks import a_few

from companion.check.__main__ import main
from companion.check.script.check_script import check_script

DATA = """
import keras
import numpy as np
import tensorflow as tf

rng = np.random.default_rng(3)
x = rng.normal(size=(150, 6)).astype("float32")
y = (x[:, :1] + 0.3 * rng.normal(size=(150, 1)) > 0).astype("float32")


def make():
    keras.utils.set_random_seed(5)
    hidden = keras.layers.Dense(8, "relu", kernel_regularizer=keras.regularizers.L2(0.01))
    return keras.Sequential([keras.Input((6,)), hidden, keras.layers.Dense(1, "sigmoid")])


net = make()
"""
LOOP = """
optimizer = keras.optimizers.Adam(0.01)
bce = keras.losses.BinaryCrossentropy()
data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(150).batch(32)


@tf.function
def step(a, b):
    with tf.GradientTape() as tape:
        loss = bce(b, net(a, training=True))
        loss += sum(net.losses)
    slopes = tape.gradient(loss, net.trainable_variables)
    optimizer.apply_gradients(zip(slopes, net.trainable_variables))
    return loss


losses = []
for epoch in range(5):
    total = 0.0
    for a, b in data:
        total += float(step(a, b)) * len(a)
    losses.append(total / len(x))
"""
FIT = """
other = make()
other.compile(keras.optimizers.Adam(0.01), keras.losses.BinaryCrossentropy())
other.fit(x, y, batch_size=32, epochs=5, verbose=0)
"""
NUMPY = """
optimizer = keras.optimizers.Adam(0.01)
bce = keras.losses.BinaryCrossentropy()
for epoch in range(5):
    order = np.random.permutation(len(x))
    batch_losses = []
    for i in range(0, len(x), 32):
        rows = order[i : i + 32]
        with tf.GradientTape() as tape:
            loss = bce(y[rows], net(x[rows], training=True)) + sum(net.losses)
        slopes = tape.gradient(loss, net.trainable_variables)
        optimizer.apply_gradients(zip(slopes, net.trainable_variables))
        batch_losses.append(loss.numpy() * len(rows))
    print(f"epoch {epoch}: loss {sum(batch_losses) / len(x):.6f}")
"""
OWN_FORMULA = """
def own_loss(labels, p):
    p = tf.clip_by_value(p, 1e-7, 1 - 1e-7)
    return -tf.reduce_mean(labels * tf.math.log(p) + (1 - labels) * tf.math.log(1 - p))
"""
CLASS = """
class Own(keras.Model):
    def train_step(self, batch):
        a, b = batch
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=b, y_pred=self(a, training=True))
        slopes = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(slopes, self.trainable_variables))
        self.metrics[0].update_state(loss, sample_weight=tf.shape(a)[0])
        return {"loss": self.metrics[0].result()}


own = Own(net.inputs, net.outputs)
own.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
own.fit(x, y, batch_size=32, epochs=5, verbose=0)
"""
TWO_HEADS = """
inputs = keras.Input((6,))
h = keras.layers.Dense(8, "relu")(inputs)
both = keras.Model(inputs, [keras.layers.Dense(1)(h), keras.layers.Dense(1, "sigmoid")(h)])
optimizer = keras.optimizers.SGD(0.1)
mse, bce = keras.losses.MeanSquaredError(), keras.losses.BinaryCrossentropy()
mean = keras.metrics.Mean()
for epoch in range(4):
    mean.reset_state()
    for i in range(0, 150, 32):
        a, b, c = x[i : i + 32], x[i : i + 32, :1] ** 2, y[i : i + 32]
        with tf.GradientTape() as tape:
            first, second = both(a, training=True)
            loss = mse(b, first) + 0.3 * bce(c, second)
        slopes = tape.gradient(loss, both.trainable_variables)
        optimizer.apply_gradients(zip(slopes, both.trainable_variables))
        mean.update_state(loss, sample_weight=len(a))
    print(epoch, float(mean.result()))
"""
RIGHT = {
    "datasets": DATA + LOOP,
    "numpy, printed": DATA + NUMPY,
    "beside fit": DATA + LOOP + FIT,
    "own formula": DATA + OWN_FORMULA + LOOP.replace("bce(b, net(a, training=True))", "own_loss(b, net(a))"),
    "own train_step": DATA + CLASS,
    "two heads": DATA + TWO_HEADS,
    "rows change": DATA
    + LOOP.replace(".batch(", ".map(lambda a, b: (a + tf.random.normal((6,)), b)).batch("),
}


def edited(text, *edits):
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


# The script, the mistakes in it, and for each what stands in its line.
WRONG = {
    "labels-broadcast": (
        edited(
            DATA + OWN_FORMULA + NUMPY,
            ("y[rows], net(", "y[rows].ravel(), net("),
            ("loss = bce(", "loss = own_loss("),
        ),
        {"labels-broadcast": "own_loss(y[rows].ravel()"},
    ),
    "labels-broadcast beside fit": (
        edited(
            DATA + LOOP + FIT,
            (
                "loss = bce(b, net(a, training=True))",
                "loss = tf.reduce_mean((b[:, 0] - net(a, training=True)) ** 2)",
            ),
            ("keras.losses.BinaryCrossentropy())", '"mse")'),
        ),
        {"labels-broadcast": "tf.reduce_mean((b[:, 0]"},
    ),
    "already-trained": (
        DATA
        + 'net.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")\n'
        + "net.fit(x, y, batch_size=32, epochs=2, verbose=0)\n"
        + LOOP,
        {"already-trained": "net.fit(x, y"},
    ),
    "last-batch-dropped": (
        edited(
            DATA + LOOP + FIT,
            (".batch(32)", ".batch(32, drop_remainder=True)"),
            ("total / len(x)", "total / 128"),
        ),
        {"last-batch-dropped": "drop_remainder=True"},
    ),
    "last-batch-dropped without fit": (
        edited(
            DATA + NUMPY,
            ("np.random.permutation(len(x))", "np.arange(len(x))"),
            ("range(0, len(x), 32)", "range(0, 32 * (len(x) // 32), 32)"),
            ("sum(batch_losses) / len(x)", "sum(batch_losses) / 128"),
        ),
        {"last-batch-dropped": "32 * (len(x) // 32)"},
    ),
    "new-optimizer-every-step": (
        edited(
            DATA + NUMPY,
            (
                "        with tf.GradientTape()",
                "        optimizer = keras.optimizers.Adam(0.02)\n        with tf.GradientTape()",
            ),
        ),
        {"new-optimizer-every-step": "keras.optimizers.Adam(0.02)"},
    ),
    "sum-instead-of-mean": (
        edited(
            DATA + LOOP + FIT,
            (
                "bce = keras.losses.BinaryCrossentropy()",
                'bce = keras.losses.BinaryCrossentropy(reduction="sum")',
            ),
        ),
        {"sum-instead-of-mean": 'reduction="sum"'},
    ),
    "plain-mean-over-batches": (
        edited(
            DATA + NUMPY,
            (".numpy() * len(rows)", ".numpy()"),
            ("sum(batch_losses) / len(x)", "np.mean(batch_losses)"),
        ),
        {"plain-mean-over-batches": "np.mean(batch_losses)"},
    ),
    "penalty-left-out": (
        edited(DATA + LOOP, ("        loss += sum(net.losses)\n", "")),
        {"penalty-left-out": "loss = bce(b"},
    ),
    "class-weights-left-out": (
        edited(
            DATA + LOOP + FIT, ("epochs=5, verbose=0", "epochs=5, verbose=0, class_weight={0: 1.0, 1: 4.0}")
        ),
        {"class-weights-left-out": "loss = bce(b"},
    ),
    "gradients-clipped": (
        edited(
            DATA + LOOP + FIT,
            (
                "    optimizer.apply",
                "    slopes, _ = tf.clip_by_global_norm(slopes, 0.01)\n    optimizer.apply",
            ),
        ),
        {"gradients-clipped": "clip_by_global_norm"},
    ),
    "labels-of-other-rows": (
        edited(DATA + NUMPY, ("bce(y[rows], ", "bce(y[i : i + 32], ")),
        {"labels-of-other-rows": "bce(y[i : i + 32]"},
    ),
    "frozen-updated": (
        edited(
            DATA + LOOP,
            (
                "optimizer = ",
                "weights = net.trainable_variables\nnet.layers[0].trainable = False\noptimizer = ",
            ),
            ("tape.gradient(loss, net.trainable_variables)", "tape.gradient(loss, weights)"),
            ("zip(slopes, net.trainable_variables)", "zip(slopes, weights)"),
        ),
        {"frozen-updated": "zip(slopes, weights)"},
    ),
    "metric-never-reset": (
        edited(DATA + TWO_HEADS, ("    mean.reset_state()\n", "")),
        {"metric-never-reset": "print(epoch, float(mean.result()))"},
    ),
    "last-batch-reported by an own train_step": (
        edited(
            DATA + CLASS,
            ("        self.metrics[0].update_state(loss, sample_weight=tf.shape(a)[0])\n", ""),
            ('return {"loss": self.metrics[0].result()}', 'return {"loss": loss, "rows": tf.shape(a)[0]}'),
        ),
        {"last-batch-reported": 'return {"loss": loss, "rows"'},
    ),
}
NOTHING = {
    "two networks in turn": (
        DATA
        + """
critic = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
one, other = keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1)
for epoch in range(3):
    for i in range(0, 150, 50):
        with tf.GradientTape(persistent=True) as tape:
            made = net(x[i : i + 50], training=True)
            mine, its = tf.reduce_mean(critic(made)), -tf.reduce_mean(critic(made) - critic(y[i : i + 50]))
        one.apply_gradients(zip(tape.gradient(mine, net.trainable_variables), net.trainable_variables))
        other.apply_gradients(zip(tape.gradient(its, critic.trainable_variables), critic.trainable_variables))
""",
        "critic and net are trained in turn",
    ),
    "no loop": (DATA + FIT, None),
}


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
    assert [one.verdict.verdict for one in check.trainings] in (["close"], ["identical"]), repr(check)
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
        ("import os\nos._exit(3)\n", "ends itself by os._exit(3)", 0),
        ("import sys\nsys.exit(4)\n", "ended with the exit status 4", 0),
        ("raise KeyError('gone')\n", "while your file runs: KeyError: 'gone'", 2),
    ],
)
def test_how_a_script_ends_is_said_and_what_it_trained_is_judged(ending, told, status, script, capsys):
    assert main([script(RIGHT["numpy, printed"] + ending)]) == status
    out, err = capsys.readouterr()
    assert told in " ".join((out + err).split())
    assert "equal within float noise" in " ".join(out.split()) or "identical, bit for bit" in out


def test_arguments_go_to_the_script_and_options_to_the_check(script, capsys):
    text = "import sys\nEPOCHS = int(sys.argv[1])\n" + DATA + NUMPY.replace("range(5)", "range(EPOCHS)")
    assert main([script(text), "--epochs", "1", "--", "2"]) == 0
    out = capsys.readouterr().out
    assert "1 epochs" in out or "1 epoch" in out
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
    assert "return my_train(tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size), epochs)" in err


def test_the_losses_in_the_report_are_those_of_the_script(script):
    check = check_script(script(RIGHT["datasets"]))
    (one,) = check.trainings
    assert len(one.verdict.learner) == len(one.verdict.fit) == 3
    assert np.abs(np.subtract(one.verdict.learner, one.verdict.fit)).max() < 1e-6
