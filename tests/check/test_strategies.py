"""Scripts with a loop under a distribution strategy: what each replica must divide, and what is reported."""

import json
import subprocess
import sys

import pytest
from marks import a_few
from strategy_script import ALONE, AVERAGE, STRATEGY, TWO

from companion.check.script.check_script import check_script
from companion.errors import UserError


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
    assert all("sample_weight" not in mistake.cure for mistake in one.mistakes)
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
            (('reduce("SUM"', 'reduce("MEAN"'), "divided by the 2 replicas once more", 'reduce("MEAN"'),
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
    assert ("Leave the loss." in named["loss-scaled-by-replicas"].cure) == ("MEAN" in line)


def test_a_cure_is_one_for_replicas(tmp_path):
    text = STRATEGY.format(devices=TWO, reduction="", loss="errors")
    file = tmp_path / "script.py"
    file.write_text(text.replace("Dense(1)", 'Dense(1, kernel_regularizer="l2")'))
    ((mistake,),) = [one.mistakes for one in check_script(str(file)).trainings]
    assert (mistake.name, "scale_regularization_loss" in mistake.cure) == ("penalty-left-out", True)


def test_under_a_strategy_a_script_runs_to_its_end(tmp_path, capsys):
    head, _, loop = STRATEGY.format(devices=TWO, reduction="", loss="errors").partition("losses = []\n")
    text = """
@tf.function
def errors_of_replicas(batch):
    return strategy.run(lambda batch: loss_object(batch[1], model(batch[0])), args=(batch,))


@tf.function
def evaluate():
    for batch in batches:
        strategy.run(lambda batch: None, args=(batch,))
        last = errors_of_replicas(batch)
    return last


losses = []
"""
    loop = loop.replace("range(3)", "range(6)") + "    evaluate()\nprint('ended after', epoch)\n"
    file = tmp_path / "script.py"
    file.write_text(head + text + loop)
    check = check_script(str(file))
    assert check.error is None, check.error
    assert "ended after 5" in capsys.readouterr().out
    assert "--stop ends it earlier" in " ".join(check.trainings[0].training.assumed)


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


@pytest.mark.parametrize("owner", ["tf.distribute", "tf.distribute.experimental"])
def test_one_worker_of_several_processes_is_watched(tmp_path, monkeypatch, owner):
    text = STRATEGY.format(devices=TWO, reduction="", loss="errors / 2")
    file = tmp_path / "script.py"
    file.write_text(
        text.replace(f"tf.distribute.MirroredStrategy({TWO})", f"{owner}.MultiWorkerMirroredStrategy()")
    )
    monkeypatch.delenv("TF_CONFIG", raising=False)
    (one,) = check_script(str(file)).trainings
    assert [mistake.name for mistake in one.mistakes] == ["gradient-scaled"]
    cluster = {"chief": ["localhost:1"], "worker": ["localhost:2"]}
    workers = {"cluster": cluster, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(workers))
    with pytest.raises(
        UserError, match="has 2 workers, and one process is watched: name one worker in TF_CONFIG"
    ):
        check_script(str(file))


def test_a_step_may_have_several_optimizers(tmp_path):
    text = STRATEGY.format(devices=TWO, reduction="", loss="errors")
    both = """
    gradients, variables = tape.gradient(loss, model.trainable_variables), model.trainable_variables
    optimizer.apply(gradients[:1], variables[:1])
    second.apply(gradients[1:], variables[1:])
"""
    text = text.replace("optimizer = ", "optimizer, second = keras.optimizers.SGD(0.1), ")
    apply = "    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)\n"
    file = tmp_path / "script.py"
    file.write_text(text.replace(apply, both))
    check = check_script(str(file))
    assert check.error is None, check.error
    assert [(one.verdict.verdict, one.mistakes) for one in check.trainings] == [("close", [])]


FED = (
    "batches = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices((x, y)).batch(8))"
)


@pytest.mark.parametrize(
    "feed",
    a_few(
        [
            """
def part(at):
    def of(context):
        rows = slice(at + 4 * context.replica_id_in_sync_group, at + 4 + 4 * context.replica_id_in_sync_group)
        return tf.constant(x[rows]), tf.constant(y[rows])

    return of


batches = [strategy.experimental_distribute_values_from_function(part(at)) for at in range(0, 40, 8)]
assert isinstance(batches[0][0], tf.distribute.DistributedValues)
""",
            """
def rows_of_a_replica(context):
    size = context.get_per_replica_batch_size(8)
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(size)


batches = strategy.distribute_datasets_from_function(rows_of_a_replica)
assert len(batches) == 5
assert strategy.gather(next(iter(batches)), axis=0)[0].shape == (8, 4)
""",
            FED
            + """
ready, given = iter(batches), []
while (following := ready.get_next_as_optional()).has_value():
    given.append(following.get_value())
batches = given
""",
            FED
            + """
joined = strategy.reduce("SUM", next(iter(batches)), axis=0)
assert np.allclose(joined[1], y[:8].sum(axis=0), rtol=1e-5)
""",
        ],
        2,
    ),
)
def test_the_parts_of_replicas_may_come_in_any_way(tmp_path, feed):
    file = tmp_path / "script.py"
    file.write_text(STRATEGY.format(devices=TWO, reduction="", loss="errors").replace(FED, feed))
    check = check_script(str(file))
    assert check.error is None, check.error
    assert check.trainings[0].verdict.verdict == "close"


def test_a_strategy_is_made_where_it_is_watched():
    text = STRATEGY.format(devices=TWO, reduction="", loss="errors").partition("losses = []")[0]
    text = text.replace("import keras", "import companion, keras")
    step = "train_step(next(iter(batches)))\n"
    before = text + f"with companion.watching():\n    {step}"
    assert "UserError: the strategy was made before the training was watched" in run(before)
    head, made, loop = text.partition("strategy = ")
    inside = "".join(f"    {line}\n" for line in (made + loop + step).splitlines())
    after = head + "with companion.watching():\n" + inside + step
    assert "UserError: this strategy was made while the training was watched" in run(after)


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr
