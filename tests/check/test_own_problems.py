"""Loops on a network, data and callbacks of one's own: what differs from ``.fit`` is named there too."""

import linecache

import keras
import numpy as np
import pytest

from companion import Problem, check_loop

LOOP = """
import keras
import numpy as np
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    optimizer = keras.optimizers.SGD(learning_rate)
    bce = keras.losses.BinaryCrossentropy()
    history = []
    for epoch in range(epochs):
        mean = keras.metrics.Mean()
        for i in range(0, len(x), batch_size):
            xb, yb = x[i : i + batch_size], y[i : i + batch_size]
            with tf.GradientTape() as tape:
                loss = bce(yb, model(xb, training=True)) + sum(model.losses)
            slopes = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(slopes, model.trainable_variables))
            mean.update_state(loss, sample_weight=len(xb))
        history.append(float(mean.result()))
    return history
"""
HALF = "0.5 * tf.add_n(model.losses)"
IN_A_FUNCTION = [
    ("def train", "@tf.function\ndef step(model, xb, yb):\n    with tf.GradientTape() as tape:\n        "
     "loss = keras.losses.BinaryCrossentropy()(yb, model(xb, training=True)) + sum(model.losses)\n    for v, g in "
     "zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables)):\n        "
     "v.assign_sub(FROZEN[0] * g)\n    return loss\n\n\nFROZEN = [0.1]\n\n\ndef train"),
    ("            with tf.GradientTape() as tape:\n                loss = bce(yb, model(xb, training=True)) + "
     "sum(model.losses)\n            slopes = tape.gradient(loss, model.trainable_variables)\n            "
     "optimizer.apply_gradients(zip(slopes, model.trainable_variables))\n",
     "            loss = step(model, xb, yb)\n"),
    ("        history.append(float", "        FROZEN[0] = 0.1 if epoch == epochs - 1 else FROZEN[0] / 2\n"
     "        history.append(float"),
]  # fmt: skip


def halved(epoch, rate):
    return rate / 2 if epoch else rate


def schedule():
    return [keras.callbacks.LearningRateScheduler(halved)]


def stopping():
    return [keras.callbacks.EarlyStopping(monitor="loss", patience=1)]


def small(**changes):
    """Return a small problem with a penalty and a short last batch."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 5)).astype("float32")
    y = (x[:, :1] > 0).astype("float32")

    def build_model():
        hidden = keras.layers.Dense(6, "tanh", kernel_regularizer=keras.regularizers.L2(0.05))
        return keras.Sequential([keras.Input((5,)), hidden, keras.layers.Dense(1, "sigmoid")])

    settings = {"build_model": build_model, "x": x, "y": y, "loss": keras.losses.BinaryCrossentropy}
    settings |= {"learning_rate": 0.1, "batch_size": 16, "epochs": 3}
    return Problem("mine", **(settings | changes))


def made(*edits):
    """Return ``train`` of the loop with these edits, and its text."""
    text = LOOP
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    name = f"<loop {abs(hash(text))}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names = {}
    exec(compile(text, name, "exec"), names)
    return names["train"]


CASES = {
    "penalty-scaled": ({}, [("sum(model.losses)", HALF)], HALF),
    "means-divided-by-rows": (
        {},
        [
            ("mean.update_state(loss, sample_weight=len(xb))", "total += float(loss)"),
            ("mean = keras.metrics.Mean()", "total = 0.0"),
            ("float(mean.result())", "total / len(x)"),
        ],
        "history.append(total / len(x))",
    ),
    "metric-never-reset": (
        {},
        [
            ("        mean = keras.metrics.Mean()\n", ""),
            ("    history = []\n", "    history, mean = [], keras.metrics.Mean()\n"),
        ],
        "for i in range(0, len(x), batch_size):",
    ),
    "means-divided-by-full-batches": (
        {},
        [
            ("mean.update_state(loss, sample_weight=len(xb))", "total += float(loss)"),
            ("mean = keras.metrics.Mean()", "total = 0.0"),
            ("float(mean.result())", "total / (len(x) // batch_size)"),
        ],
        "history.append(total / (len(x) // batch_size))",
    ),
    "schedule-late": (
        {"callbacks": schedule, "epochs": 4},
        [
            ("        history.append(float", "        optimizer.learning_rate = learning_rate / 2 ** epoch\n        history.append(float"),
        ],
        "optimizer.learning_rate = ",
    ),
    "rates-differ": (
        {},
        [
            ("optimizer = keras.optimizers.SGD(learning_rate)", "optimizer, other = keras.optimizers.SGD(learning_rate), keras.optimizers.SGD(3 * learning_rate)"),
            ("optimizer.apply_gradients(zip(slopes, model.trainable_variables))", "optimizer.apply_gradients(zip(slopes[:2], model.trainable_variables[:2]))\n            other.apply_gradients(zip(slopes[2:], model.trainable_variables[2:]))"),
        ],
        "apply_gradients(",
    ),
    "tape-thrown-away": (
        {},
        [
            ("            with tf.GradientTape() as tape:", "            with tf.GradientTape() as first:\n                loss = bce(yb[:8], model(xb[:8], training=True))\n            xb, yb = xb[8:] if len(xb) > 8 else xb, yb[8:] if len(yb) > 8 else yb\n            with tf.GradientTape() as tape:"),
        ],
        "bce(yb[:8], model(xb[:8], training=True))",
    ),
    "weights-put-back": (
        {},
        [
            ("        history.append(float", "        if not epoch:\n            best = model.get_weights()\n        history.append(float"),
            ("    return history", "    model.set_weights(best)\n    return history"),
        ],
        "model.set_weights(best)",
    ),
    "other-epochs": ({"callbacks": stopping, "learning_rate": 40.0, "epochs": 8}, [], ""),
    "frozen-number": ({"callbacks": schedule}, IN_A_FUNCTION, "v.assign_sub(FROZEN[0] * g)"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_on_ones_own_problem_is_named_in_its_line(name):
    changes, edits, line = CASES[name]
    check = check_loop(made(*edits), problem=small(**changes))
    assert [mistake.name for mistake in check.mistakes] == [name], repr(check)
    assert not check.unknown
    assert line in check.mistakes[0].code


def test_the_loop_itself_is_right():
    assert check_loop(made(), problem=small()).verdict == "close"


def test_a_loop_that_stops_by_the_same_rule_as_a_callback_is_right():
    stop = (
        "        history.append(float(mean.result()))\n",
        "        history.append(float(mean.result()))\n"
        "        if epoch and history[-1] >= min(history[:-1]):\n            break\n",
    )
    problem = small(callbacks=stopping, learning_rate=40.0, epochs=8)
    check = check_loop(made(stop), problem=problem)
    assert check.verdict in ("identical", "close"), repr(check)
    assert len(check.problems[0].learner) < 8


@pytest.mark.parametrize("labels", [lambda y: y[:, 0], lambda y: y.astype("int64")])
def test_labels_of_another_shape_or_of_whole_numbers_are_no_way_to_hide_a_broadcast(labels):
    rows = small()
    flat = (
        "bce(yb, model(xb, training=True))",
        "tf.reduce_mean((tf.cast(yb.ravel(), 'float32') - model(xb, training=True)) ** 2)",
    )
    problem = small(y=labels(rows.y), loss=keras.losses.MeanSquaredError)
    check = check_loop(made(flat), problem=problem)
    assert [mistake.name for mistake in check.mistakes] == ["labels-broadcast"], repr(check)
    assert "yb.ravel()" in check.mistakes[0].code


@pytest.mark.parametrize("rate", ["1000.0", "1e30"])
def test_a_rate_that_blows_everything_up_is_all_that_is_told(rate, recwarn):
    check = check_loop(made(("SGD(learning_rate)", f"SGD({rate})")), problem=small())
    assert [mistake.name for mistake in check.mistakes] == ["wrong-learning-rate"], repr(check)
    assert f"SGD({rate})" in check.mistakes[0].code
    assert not check.unknown
    assert not [one for one in recwarn if issubclass(one.category, RuntimeWarning)]


@pytest.mark.parametrize(
    "returned", ["np.array(history)", "[tf.constant(h) for h in history]", "[np.float32(h) for h in history]"]
)
def test_losses_are_right_in_whatever_type(returned):
    check = check_loop(made(("return history", f"return {returned}")), problem=small())
    assert check.verdict == "close", repr(check)


def test_a_loop_that_returns_nothing_is_judged_by_its_updates():
    check = check_loop(made(("return history", "return None")), problem=small())
    assert check.verdict == "close"
    assert "the losses were not judged: train returned none" in repr(check)
    wrong = made(("return history", "return None"), ("SGD(learning_rate)", "SGD(0.3)"))
    assert [m.name for m in check_loop(wrong, problem=small()).mistakes] == ["wrong-learning-rate"]


def test_mixed_precision_has_the_noise_of_its_type():
    def build_model():
        keras.config.set_dtype_policy("mixed_float16")
        layers = [keras.layers.Dense(6, "tanh"), keras.layers.Dense(1, "sigmoid", dtype="float32")]
        return keras.Sequential([keras.Input((5,)), *layers])

    check = check_loop(made(), problem=small(build_model=build_model))
    assert check.verdict in ("identical", "close"), repr(check)


# As tf.summary.scalar says it where TensorBoard is not installed.
NO_TENSORBOARD = "raise type('TBNotInstalledError', (Exception,), {})('TensorBoard is not installed')"


@pytest.mark.parametrize(
    ("line", "package"),
    [("import tensorflow_datasets", "tensorflow-datasets"), (NO_TENSORBOARD, "tensorboard")],
)
def test_a_package_that_is_missing_is_named_with_its_command(tmp_path, capsys, line, package):
    from companion.check.__main__ import main

    file = tmp_path / "my_loop.py"
    file.write_text(f"{line}\n{LOOP}")
    assert main(["lesson3", str(file)]) == 2
    assert f"pip install {package}" in capsys.readouterr().err
