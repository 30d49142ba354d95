"""Scripts whose replicas wait for each other: each runs in turn, as far as TensorFlow's own would."""

import json
import subprocess
import sys

import pytest
from marks import a_few
from strategy_script import ALONE, STRATEGY, TWO

from companion.check.recording.events import Forward, Update
from companion.check.script.check_script import check_script
from companion.errors import UserError

APPLY = "    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)\n"
GRADIENTS = """
    gradients = tape.gradient(loss, model.trainable_variables)
    context = tf.distribute.get_replica_context()
"""
SUMMED, MEANS = (f"    gradients = context.all_reduce({kind!r}, gradients)\n" for kind in ("SUM", "MEAN"))
UPDATE = "    optimizer.apply(gradients, model.trainable_variables)\n"
BY_HAND = """
    for variable, gradient in zip(model.trainable_variables, gradients):
        variable.assign_sub(0.1 * gradient)
"""
SAME_LOSS = "    loss = context.all_reduce('SUM', loss) / 2\n"
IN_TAPE = "        loss = tf.distribute.get_replica_context().all_reduce('SUM', loss)\n"
UPDATES = {  # what each replica does with its gradients, and which mistake that is
    "by hand": (GRADIENTS + SUMMED + BY_HAND, ""),
    "each alone": (GRADIENTS + BY_HAND, "gradients-not-added-up"),
    "twice": (GRADIENTS + SUMMED + UPDATE, "gradients-added-up-twice"),
    "averaged": (GRADIENTS + MEANS + UPDATE + SAME_LOSS, ""),
    "through the loss": (IN_TAPE + APPLY + "    loss /= 2\n", "loss-scaled-by-replicas"),
}


def script(update, **more):
    return STRATEGY.format(**{"devices": TWO, "reduction": "", "loss": "errors"} | more).replace(
        APPLY, update
    )


def checked(folder, text):
    """Return how ``check`` judges the only training of a script."""
    file = folder / "script.py"
    file.write_text(text)
    check = check_script(str(file))
    assert check.error is None, check.error
    (one,) = check.trainings
    return one


@pytest.mark.parametrize("name", a_few(UPDATES, 3))
def test_replicas_may_add_up_their_gradients_by_hand(tmp_path, name):
    update, wrong = UPDATES[name]
    one = checked(tmp_path, script(update))
    assert [mistake.name for mistake in one.mistakes] == [wrong] * bool(wrong)
    assert not one.unknown
    assert (one.verdict.verdict == "close") == (not wrong)
    line = "assign_sub" if name == "each alone" else "all_reduce"
    assert all(line in mistake.code for mistake in one.mistakes)


@pytest.mark.parametrize("name", a_few([name for name in UPDATES if name != "each alone"], 1))
def test_a_watched_run_has_the_losses_of_the_replicas_of_tensorflow(tmp_path, capsys, name):
    text = script(UPDATES[name][0]).replace("range(3)", "range(5)")  # two more than are watched
    text = text.replace("strategy = ", "steps = tf.Variable(0)\nstrategy = ", 1)
    text = text.replace("    return loss\n", "    steps.assign_add(1)\n    return loss\n", 1)
    text += "print([*losses, int(steps)])\n"
    run = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert len(checked(tmp_path, text).shown.values) == 3
    watched, real = (json.loads(printed) for printed in (capsys.readouterr().out, run.stdout))
    assert watched == pytest.approx(real, rel=1e-6)


@pytest.mark.parametrize(
    ("layers", "loss"),
    a_few(
        [
            ("keras.layers.BatchNormalization(), keras.layers.Dropout(0.3), ", "tf.reduce_sum(errors) / 8"),
            ("keras.layers.BatchNormalization(synchronized=True), ", "tf.reduce_sum(errors) / 8"),
        ],
        2,
    ),
)
def test_layers_may_take_means_over_the_rows_of_one_replica_or_of_all(tmp_path, layers, loss):
    text = script(APPLY, reduction=ALONE, loss=loss)
    text = text.replace("loss_object(batch[1], ", "keras.losses.mean_squared_error(batch[1], ")
    one = checked(tmp_path, text.replace("keras.layers.Dense(1)", f"{layers}keras.layers.Dense(1)"))
    assert (one.verdict.verdict, one.mistakes, one.unknown) == ("close", [], [])
    by_parts = any("the 2 replicas take their parts of a batch" in told for told in one.training.assumed)
    assert by_parts == ("synchronized" not in layers)
    passes = [event for event in one.training.network.events if isinstance(event, Forward)]
    assert {len(event.tapes) for event in passes} == {1}  # its own, though the other replica's is open


def test_a_loss_of_all_replicas_may_be_differentiated_in_each(tmp_path):
    text = script(IN_TAPE + APPLY, loss="tf.reduce_sum(errors) / 16")
    own = "tf.square(batch[1] - model(batch[0], training=True))"
    one = checked(tmp_path, text.replace("loss_object(batch[1], model(batch[0], training=True))", own))
    assert (one.verdict.verdict, one.mistakes, one.unknown) == ("close", [], [])
    network = one.training.network
    passes = {number for number, event in enumerate(network.events) if isinstance(event, Forward)}
    assert passes == set(network.labels)  # seen in both replicas


UNEVEN = ("size=(40, 4)", "size=(35, 4)")  # of the last three rows, one replica gets two


@pytest.mark.parametrize("rows", [("", ""), pytest.param(UNEVEN, marks=pytest.mark.full)])
def test_gradients_may_be_added_up_outside_the_replicas(tmp_path, rows):
    text = (
        script("")
        .replace(*rows)
        .replace("    return loss\n", "    return loss, tape.gradient(loss, model.weights)\n")
    )
    outside = """
    loss, gradients = strategy.run(step, args=(batch,))
    optimizer.apply([strategy.reduce("SUM", one, axis=None) for one in gradients], model.weights)
    return strategy.reduce("SUM", loss, axis=None)
"""
    run = '    return strategy.reduce("SUM", strategy.run(step, args=(batch,)), axis=None)\n'
    one = checked(tmp_path, text.replace(run, outside))
    # the script divides the sum of the losses by the number of batches
    of_report = ["plain-mean-over-batches"] * (rows == UNEVEN)
    assert ([mistake.name for mistake in one.mistakes], one.unknown) == (of_report, [])


PERSISTENT = """
    weights = model.trainable_variables
    optimizer.apply([tape.gradient(loss, one) for one in weights], weights)
"""
IN_ONE = """
    with tf.GradientTape() as tape:
        errors = loss_object(batch[1], model(batch[0], training=True))
        loss = errors
"""
IN_TWO = """
    losses, gradients = [], []
    for rows in slice(0, 2), slice(2, 4):
        with tf.GradientTape() as tape:
            losses.append(loss_object(batch[1][rows], model(batch[0][rows], training=True)) / 2)
        gradients.append(tape.gradient(losses[-1], model.trainable_variables))
    loss, gradients = sum(losses), [one + other for one, other in zip(*gradients)]
"""
SEVERAL = {
    "gradients": ("GradientTape(", "GradientTape(persistent=True", PERSISTENT),
    "passes": (
        "        loss = errors",
        "        seen = model(batch[0], training=True)\n        loss = errors",
        APPLY,
    ),
    "parts": (IN_ONE, IN_TWO, UPDATE),
}


@pytest.mark.parametrize("several", a_few(SEVERAL, 1))
def test_replicas_may_take_several_passes_and_gradients_for_an_update(tmp_path, several):
    before, after, update = SEVERAL[several]
    text = script(update)
    assert before in text
    one = checked(tmp_path, text.replace(before, after, 1))
    assert (one.verdict.verdict, one.mistakes, one.unknown) == ("close", [], [])


EMBEDDED = "keras.layers.Lambda(tf.round), keras.layers.Embedding(9, 1), keras.layers.Flatten(), "


@pytest.mark.parametrize(
    ("before", "after"),
    a_few(
        [
            ("keras.optimizers.SGD(0.1)", "keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))"),
            ("keras.optimizers.SGD(0.1)", "keras.optimizers.Adam(0.1)"),
        ],
        1,
    ),
)
def test_optimizers_may_scale_the_loss_or_mind_sparse_gradients(tmp_path, before, after):
    text = script(APPLY).replace(before, after)
    if "Scale" in after:
        text = text.replace("loss = errors", "loss = optimizer.scale_loss(errors)").replace(
            "return loss", "return errors"
        )
    else:
        text = text.replace("keras.layers.Dense(1)", f"{EMBEDDED}keras.layers.Dense(1)").replace(
            "x = np", "x = 4 + np"
        )
    one = checked(tmp_path, text)
    assert (one.verdict.verdict, one.mistakes, one.unknown) == ("close", [], [])
    assert one.verdict.weights_apart < 1e-6


@pytest.mark.parametrize("update", a_few([APPLY, GRADIENTS + SUMMED + BY_HAND], 1))
def test_two_updates_of_a_step_follow_each_other_in_all_replicas(tmp_path, update):
    head, _, step = script(update).partition("def step(batch):\n")
    step, _, rest = step.partition("    return loss\n")
    twice = "def step(both):\n    for batch in [(one[:2] for one in both), (one[2:] for one in both)]:\n"
    twice += "        batch = tuple(batch)\n" + "".join(f"    {line}\n" for line in step.splitlines())
    one = checked(tmp_path, f"{head}{twice}    return loss\n{rest}")
    assert one.training.recording.replicas == 2
    assert one.training.problem.batch_size == 4
    assert {finding.difference.what for finding in one.unknown} == {"report"}  # it returns the last loss
    updates = [event for event in one.training.network.events if isinstance(event, Update)]
    passes = [event for event in one.training.network.events if isinstance(event, Forward)]
    first, second = passes[:2], passes[2:4]
    assert all((event.state[0] == updates[0].before[0]).all() for event in first)
    assert all((event.state[0] == updates[0].after[0]).all() for event in second)


ONE_REPLICA = "    if tf.distribute.get_replica_context().replica_id_in_sync_group == 0:\n    "


@pytest.mark.parametrize(
    ("update", "told"),
    a_few(
        [
            (
                ONE_REPLICA + APPLY,
                "update of the optimizer \\(script.py, line 24\\), but replica 1 has ended without it",
            ),
            (
                ONE_REPLICA
                + APPLY
                + "    else:\n        tf.distribute.get_replica_context().all_reduce('SUM', loss)\n",
                "optimizer \\(script.py, line 24\\), another one at all_reduce \\(script.py, line 26\\)",
            ),
            (
                "    tf.distribute.get_replica_context().merge_call(print)\n",
                "merge_call in a replica is not watched",
            ),
            (
                "    tf.distribute.get_replica_context().all_gather(loss, 0)\n",
                "all_gather in a replica is not watched",
            ),
        ],
        2,
    ),
)
def test_what_replicas_cannot_do_alone_is_refused(tmp_path, update, told):
    file = tmp_path / "script.py"
    file.write_text(script(update))
    with pytest.raises(UserError, match=told):
        check_script(str(file))


def test_a_script_may_catch_an_error_in_a_replica(tmp_path):
    text = script(
        APPLY + "    own.assign_add(1)\n    if len(losses) == 1 and not caught:\n        raise ValueError\n"
    )
    text = text.replace("    loss_object", "    own = tf.Variable(0)\n    loss_object", 1)
    text = text.replace("losses = []", "losses, caught = [], []").replace("range(3)", "range(4)")
    tried = """    try:
        losses.append(float(sum(train_step(batch) for batch in batches)) / 5)
    except ValueError:
        caught.append(epoch)
"""
    text = text[: text.index("    losses.append(")] + tried
    one = checked(tmp_path, text + "assert (caught, int(own)) == ([1], 16)\n")
    assert one.training.recording.replicas == 2


def test_an_error_in_a_replica_is_that_of_the_script(tmp_path):
    file = tmp_path / "script.py"
    file.write_text(script(APPLY + "    if len(losses) == 1:\n        raise KeyError('in a replica')\n"))
    check = check_script(str(file))
    assert "in a replica" in str(check.error)
    assert len(check.trainings) == 1


def test_what_the_callers_of_a_replica_know_is_seen(tmp_path):
    head, _, loop = script(APPLY).partition("losses = []\n")
    inside = "def train():\n    losses = []\n" + "".join(f"    {line}\n" for line in loop.splitlines())
    one = checked(tmp_path, head + inside.replace("range(3)", "range(4)") + "\n\ntrain()\n")
    assert (one.shown.name, len(one.shown.values)) == ("losses", 3)


KEPT = """
    kept = {
        "first": tf.Variable(0.0, trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA),
        "mean": tf.Variable(0.0, trainable=False, aggregation=tf.VariableAggregation.MEAN),
        "sum": tf.Variable(0.0, trainable=False, aggregation=tf.VariableAggregation.SUM),
        "own": tf.Variable(
            0.0,
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.SUM,
        ),
        "copies": tf.Variable(0.0, trainable=False),
    }
    metric = keras.metrics.Mean()
"""


def test_variables_of_a_strategy_are_kept_as_tensorflow_keeps_them(tmp_path, capsys):
    text = script(APPLY + "    for one in kept.values():\n        one.assign_add(loss)\n")
    text = text.replace(
        "    return loss\n", "    metric.update_state(loss)\n    return loss + metric.result() / 2\n", 1
    )
    layers = "keras.layers.BatchNormalization(), keras.layers.Dropout(0.3), keras.layers.Dense(1)"
    head, made, rest = text.replace("keras.layers.Dense(1)", layers).partition("    loss_object = ")
    text = head + KEPT.lstrip("\n") + made + rest + "    kept['own'].assign(kept['own'] + 1.0)\n"
    text += (
        "numbers = [*losses, *(float(one.read_value()) for one in kept.values()), float(metric.result())]\n"
    )
    text += "print([*numbers, *(float(one.sum()) for one in model.get_weights())])\n"
    run = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    checked(tmp_path, text)
    watched, real = (json.loads(printed) for printed in (capsys.readouterr().out, run.stdout))
    assert watched == pytest.approx(real, rel=1e-5)
