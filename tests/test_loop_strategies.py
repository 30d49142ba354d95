"""`fit_by_hand` under ``tf.distribute`` strategies: what it leaves equals what ``.fit`` leaves."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from companion import fit_by_hand

# Two devices must be made before TensorFlow starts, so each strategy has a process of its own.
SCRIPT = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import keras
import numpy as np
from keras import layers
from companion import compare_with_fit

X = np.random.default_rng(1).random((90, 6)).astype("float32")
Y = np.random.default_rng(2).integers(0, 3, 90)
strategy = {strategy}

def compared(inside=(), optimizer="adam", built=True, compiled={{}}, data=(X, Y), **call):
    def build_model():
        with strategy.scope():
            start = [keras.Input((6,))] if built else []
            made = [layer.from_config(layer.get_config()) for layer in inside]
            model = keras.Sequential([*start, layers.Dense(5, "relu"), *made, layers.Dense(3)])
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            way = optimizer() if callable(optimizer) else optimizer
            model.compile(way, loss, metrics=["accuracy"], **compiled)
        return model

    call = {{"batch_size": 8, **call}} if data[1] is not None else call
    return compare_with_fit(build_model, *data, epochs=3, **call)

for setting in {settings}:
    result = eval(f"compared({{setting}})")
    copies = sum("on replica 1" in path for path in result.variables)
    print(setting, "|", result.verdict(), "|", copies, flush=True)
"""
STRATEGIES = {
    "two replicas": 'tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])',
    "one replica": 'tf.distribute.MirroredStrategy(["CPU:0"])',
    "one device": 'tf.distribute.OneDeviceStrategy("CPU:1")',
}
SETTINGS = [
    "",
    "inside=[layers.BatchNormalization(), layers.Dropout(0.3)]",
    "inside=[layers.Dense(4, kernel_regularizer='l2')], validation_split=0.2",
    "batch_size=12, class_weight={0: 1.0, 1: 3.0, 2: 0.5}",
    "sample_weight=np.linspace(0, 1, 90), validation_data=(X[:20], Y[:20]), validation_freq=2",
    "data=(lambda: tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(90, seed=1).batch(8), None)",
    "optimizer=lambda: keras.optimizers.AdamW(0.01, clipnorm=0.5, use_ema=True)",
    "inside=[layers.GaussianNoise(0.3)]",
    "built=False",
    "compiled={'run_eagerly': True}",
    "shuffle=False, steps_per_epoch=4",
]


def run(strategy, settings):
    code = SCRIPT.format(strategy=STRATEGIES[strategy], settings=settings)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("strategy", "tried"),
    [
        ("two replicas", SETTINGS[1:4]),
        *(pytest.param(one, SETTINGS, marks=pytest.mark.full, id=f"{one}, all") for one in STRATEGIES),
    ],
)
def test_under_a_strategy_all_copies_are_those_of_fit(strategy, tried):
    done = run(strategy, tried)
    lines = [line.split(" | ") for line in done.stdout.splitlines()]
    assert len(lines) == len(tried), done.stderr[-2000:]
    assert [line for line in lines if not line[1].startswith("identical: 3 epochs of accuracy, loss")] == []
    assert {int(copies) > 10 for _, _, copies in lines} == {strategy == "two replicas"}


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (
            "optimizer=lambda: keras.optimizers.SGD(gradient_accumulation_steps=2)",
            "MirroredStrategy with gradient_accumulation_steps: .fit itself fails there",
        ),
        (
            "optimizer=lambda: keras.optimizers.SGD(use_ema=True, ema_overwrite_frequency=2)",
            "MirroredStrategy with ema_overwrite_frequency: .fit itself fails there",
        ),
        ("compiled={'jit_compile': True}", "with jit_compile=True: .fit itself fails there"),
        ("compiled={'steps_per_execution': 4}", "with steps_per_execution: .fit itself fails there"),
        ("batch_size=9", "the replicas get 4 and 5 rows of the first batch, and .fit itself fails there"),
    ],
)
def test_where_fit_itself_fails_this_is_told(setting, told):
    assert told in run("two replicas", [setting]).stderr.splitlines()[-1]


def small_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


ROWS = np.ones((4, 2)), np.ones((4, 1))


def test_a_model_from_outside_the_scope_is_refused():
    model = small_model()
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    with strategy.scope(), pytest.raises(ValueError, match="not made in the scope of the OneDeviceStrategy"):
        fit_by_hand(model, *ROWS)


def test_a_strategy_that_is_not_known_is_refused():
    with tf.distribute.experimental.CentralStorageStrategy().scope():
        model = small_model()
    with pytest.raises(ValueError, match="under CentralStorageStrategy, but this loop knows only"):
        fit_by_hand(model, *ROWS)


def test_strategies_of_several_processes_are_refused():
    with tf.distribute.MultiWorkerMirroredStrategy().scope():
        model = small_model()
    with pytest.raises(ValueError, match="MultiWorkerMirroredStrategy, which trains in several processes"):
        fit_by_hand(model, *ROWS)
