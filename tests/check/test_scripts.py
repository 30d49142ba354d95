"""Scripts as they stand: a right one is never accused, a mistake is named with the line that holds it."""

import io
import json
import re
import subprocess
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


def test_a_check_leaves_the_environment_as_it_is(script, monkeypatch):
    import os
    import sys

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


STRATEGY = """
import keras
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
x = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
y = x.sum(axis=1, keepdims=True)
strategy = tf.distribute.MirroredStrategy({devices})
with strategy.scope():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(0.1)
    loss_object = keras.losses.MeanSquaredError({reduction})


def step(batch):
    with tf.GradientTape() as tape:
        errors = loss_object(batch[1], model(batch[0], training=True))
        loss = {loss}
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss


@tf.function
def train_step(batch):
    return strategy.reduce("SUM", strategy.run(step, args=(batch,)), axis=None)


batches = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices((x, y)).batch(8))
losses = []
for epoch in range(3):
    losses.append(float(sum(train_step(batch) for batch in batches)) / 5)
"""
TWO = '["CPU:0", "CPU:1"]'
ALONE = 'reduction="none"'
AVERAGE = "tf.nn.compute_average_loss(errors, global_batch_size=8)"


@pytest.mark.parametrize(
    ("devices", "reduction", "loss", "told"),
    [
        (TWO, ALONE, AVERAGE, ""),
        (TWO, "", "errors", ""),
        ('["CPU:0"]', ALONE, AVERAGE, ""),
        (
            TWO,
            ALONE,
            "tf.reduce_mean(errors)",
            "2 times that of .fit: the optimizer adds up the gradients of 2",
        ),
        (
            TWO,
            "",
            "errors / strategy.num_replicas_in_sync",
            "0.5 times that of .fit: in a replica, keras.losses and",
        ),
        ('["CPU:0"]', ALONE, AVERAGE.replace("8", "16"), "0.5 times that of .fit"),
    ],
)
def test_a_loop_under_a_strategy_is_judged_with_all_its_replicas(tmp_path, devices, reduction, loss, told):
    file = tmp_path / "script.py"
    file.write_text(STRATEGY.format(devices=devices, reduction=reduction, loss=loss))
    (one,) = check_script(str(file)).trainings
    name = "loss-scaled-by-replicas" if devices == TWO else "gradient-scaled"
    assert [(mistake.name, mistake.code != "") for mistake in one.mistakes] == [(name, True)] * bool(told)
    assert all(told in mistake.evidence for mistake in one.mistakes)
    assert (one.verdict.verdict == "close") == (not told)


WHOLE = "tf.reduce_sum(errors) / tf.cast(tf.reduce_max(batch[2]), tf.float32)"


@pytest.mark.parametrize(
    ("rows", "reduction", "loss", "named"),
    a_few(
        [
            (35, "", "errors", []),
            (35, ALONE, "tf.nn.compute_average_loss(errors)", []),
            (33, ALONE, "tf.nn.compute_average_loss(errors)", []),  # the second replica has no row
            (35, ALONE, WHOLE, []),
            (35, ALONE, AVERAGE, ["divided-by-batch-size"]),
            (35, ALONE, "tf.reduce_mean(errors)", ["loss-scaled-by-replicas"]),
            (35, "", "errors / 2", ["loss-scaled-by-replicas"]),
        ],
        2,
    ),
)
def test_a_short_batch_may_divide_unevenly_among_replicas(tmp_path, rows, reduction, loss, named):
    text = STRATEGY.format(devices=TWO, reduction=reduction, loss=loss)
    count = ".map(lambda x, y: (x, y, tf.fill([tf.shape(x)[0]], tf.shape(x)[0])))"
    file = tmp_path / "script.py"
    file.write_text(text.replace("size=(40, 4)", f"size=({rows}, 4)").replace("batch(8)", "batch(8)" + count))
    (one,) = check_script(str(file)).trainings
    assert not one.unknown
    # the script divides the sum of the losses by the number of batches
    assert {mistake.name for mistake in one.mistakes} == {*named, "plain-mean-over-batches"}
    by_parts = any("the 2 replicas take their parts of a batch" in told for told in one.training.assumed)
    assert by_parts == (loss not in (WHOLE, AVERAGE))


def test_of_uneven_parts_a_loop_may_report_what_fit_does(tmp_path):
    text = STRATEGY.format(devices=TWO, reduction=ALONE, loss="tf.nn.compute_average_loss(errors)")
    text = text.replace("size=(40, 4)", "size=(35, 4)").replace(
        "    return loss\n", "    return tf.reduce_sum(errors)\n"
    )
    file = tmp_path / "script.py"
    file.write_text(text.replace(" for batch in batches)) / 5)", " for batch in batches)) / 35)"))
    (one,) = check_script(str(file)).trainings
    assert (one.verdict.verdict, len(one.shown.values)) == ("close", 3)


@pytest.mark.parametrize("devices", a_few(['["CPU:0"]', TWO, '["CPU:0", "CPU:1", "CPU:2"]'], 1))
def test_what_a_loop_under_a_strategy_prints_belongs_to_its_epoch(tmp_path, devices):
    text = STRATEGY.format(devices=devices, reduction="", loss="errors").replace("batch(8)", "batch(12)")
    added = "    total = sum(train_step(batch) for batch in batches)\n    print('loss', float(total) / 3)\n"
    head, _, _ = text.partition("    losses.append(")
    file = tmp_path / "script.py"
    file.write_text(head.replace("losses = []\n", "").replace("size=(40, 4)", "size=(36, 4)") + added)
    (one,) = check_script(str(file)).trainings
    assert (one.verdict.verdict, one.shown.name, len(one.shown.values)) == ("close", "loss", 3)


@pytest.mark.parametrize(
    ("loss", "named"),
    a_few([("errors", []), ("errors / 2", ["loss-scaled-by-replicas"])], 1),
)
def test_replicas_may_draw_and_take_means_over_their_rows(tmp_path, loss, named):
    inside = "keras.layers.BatchNormalization(), keras.layers.Dense(8), keras.layers.Dropout(0.3), "
    text = STRATEGY.format(devices=TWO, reduction="", loss=loss)
    file = tmp_path / "script.py"
    file.write_text(text.replace("keras.layers.Dense(1)", inside + "keras.layers.Dense(1)"))
    (one,) = check_script(str(file)).trainings
    assert ([mistake.name for mistake in one.mistakes], one.unknown) == (named, [])


@pytest.mark.parametrize(
    ("change", "evidence", "line"),
    a_few(
        [
            (("loss = errors", "loss = errors + sum(model.losses)"), "contains 2 times", "sum(model.losses)"),
            (
                ("loss = errors", "loss = errors + tf.nn.scale_regularization_loss(sum(model.losses)) / 2"),
                "contains 0.5 times",
                "sum(model.losses)",
            ),
            (('reduce("SUM"', 'reduce("MEAN"'), "divided by the 2 replicas once more", "losses.append("),
        ],
        2,
    ),
)
def test_penalties_and_reports_of_replicas_may_be_scaled_wrongly(tmp_path, change, evidence, line):
    text = STRATEGY.format(devices=TWO, reduction="", loss="errors").replace(*change)
    if "losses" in change[1]:
        text = text.replace("Dense(1)", 'Dense(1, kernel_regularizer="l2")')
    file = tmp_path / "script.py"
    file.write_text(text)
    (one,) = check_script(str(file)).trainings
    named = {mistake.name: mistake for mistake in one.mistakes}
    assert evidence in named["loss-scaled-by-replicas"].evidence
    assert line in named["loss-scaled-by-replicas"].code


LOGICAL = "tf.config.set_logical_device_configuration"
OLD = "tf.config.experimental.set_virtual_device_configuration"


@pytest.mark.parametrize(
    ("devices", "configure"),
    a_few([("", LOGICAL), ('[one.name for one in tf.config.list_logical_devices("CPU")]', OLD)], 1),
)
def test_without_devices_a_strategy_takes_the_logical_ones(tmp_path, devices, configure):
    text = STRATEGY.format(devices=devices, reduction=ALONE, loss="tf.reduce_mean(errors)")
    file = tmp_path / "script.py"
    file.write_text(text.replace(LOGICAL, configure))
    (one,) = check_script(str(file)).trainings
    assert [mistake.name for mistake in one.mistakes] == ["loss-scaled-by-replicas"]


def test_a_script_may_call_fit_under_its_strategy_too(tmp_path):
    text = STRATEGY.format(devices=TWO, reduction="", loss="errors")
    more = """
with strategy.scope():
    other = keras.models.clone_model(model)
    other.compile(keras.optimizers.SGD(0.1), keras.losses.MeanSquaredError())
other.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
other.evaluate(x, y, verbose=0)
other.predict(x, verbose=0)
"""
    file = tmp_path / "script.py"
    file.write_text(text + more)
    check = check_script(str(file))
    assert check.error is None
    (one,) = check.trainings
    assert (one.verdict.verdict, one.training.fit is not None) == ("close", True)


@pytest.mark.parametrize("finalized", [False, True])
def test_with_use_ema_fit_ends_with_the_averages(tmp_path, finalized):
    text = STRATEGY.format(devices='["CPU:0"]', reduction="", loss="errors")
    text = text.replace("SGD(0.1)", "SGD(0.1, use_ema=True)")
    file = tmp_path / "script.py"
    last = "optimizer.finalize_variable_values(model.trainable_variables)\n" * finalized
    file.write_text(text + last)
    (one,) = check_script(str(file)).trainings
    assert [finding.difference.what for finding in one.unknown] == ([] if finalized else ["weights"])
    assert (one.verdict.verdict == "close") == finalized


def test_replicas_in_turn_get_the_rows_that_tensorflow_gives_them():
    code = """
import tensorflow as tf
from companion.check.recording.strategy import Distributed

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 5)
for replicas in range(2, 6):
    strategy = tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(replicas)])
    for size in range(5, 14):
        data = tf.data.Dataset.range(3 * size - 2).batch(size)
        distributed = strategy.experimental_distribute_dataset(data)
        real = [strategy.experimental_local_results(batch) for batch in distributed]
        parts = [batch.values for batch in Distributed(data, replicas, divided=True)]
        assert [[one.numpy().tolist() for one in batch] for batch in real] == [
            [one.numpy().tolist() for one in batch] for batch in parts
        ]
"""
    subprocess.run([sys.executable, "-c", code], check=True)
