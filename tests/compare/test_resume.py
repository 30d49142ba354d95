"""``python -m companion.compare --resume-at``: what is lost when a training is saved, loaded and goes on."""

import json

import pytest
from marks import a_few
from model_files import ANEW

from companion.compare.__main__ import main

REMEMBERING = ANEW.replace(
    "'epochs': 4", "'epochs': 4, 'callbacks': lambda: [keras.callbacks.EarlyStopping('loss')]"
)


@pytest.mark.parametrize(
    ("text", "lost"),
    a_few(
        [
            (
                REMEMBERING,
                ["the seeds of random layers", "the callback EarlyStopping"],
            ),
            (
                ANEW.replace("'epochs': 4", "'epochs': 4, 'shuffle': False").replace(
                    "Dropout(0.2)", "Dense(2)"
                ),
                [],
            ),
            (
                ANEW.replace("'epochs': 4", "'epochs': 4, 'shuffle': False, 'callbacks': lambda: [Noting()]")
                .replace("Dropout(0.2)", "Dense(2)")
                .replace('["accuracy"]', "[keras.metrics.F1Score(threshold=0.5)]")
                .replace("x.sum(axis=1) > 0", "1.0 * (x.sum(axis=1, keepdims=True) > 0)")
                + """
class Noting(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.losses = {}

    def on_epoch_end(self, epoch, logs):
        self.losses[epoch] = logs["loss"]
""",
                ["the callback Noting"],
            ),
            (
                """
import keras
import numpy as np
import tensorflow as tf

def load_data():
    rows = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
    return rows, rows.sum(axis=1, keepdims=True)

@keras.saving.register_keras_serializable()
class Own(keras.Model):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.dense, self.steps = keras.layers.Dense(1), tf.Variable(0.0)

    def call(self, x):
        return self.dense(x)

    def compile(self, other=None):
        super().compile(optimizer="sgd", loss="mse")
        self.other = other

    def get_compile_config(self):
        return {"rate": 0.01}

    def compile_from_config(self, config):
        self.compile(keras.optimizers.Adam(config["rate"]))

    def train_step(self, batch):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((batch[1] - self(batch[0])) ** 2)
        self.other.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        self.steps.assign_add(1.0)
        return {"loss": loss}

def build_model():
    model = Own()
    model.compile(keras.optimizers.Adam(0.01))
    return model

fit_arguments = {"epochs": 4, "shuffle": False}
""",
                ["variables in attributes, and further optimizers"],
            ),
            (
                ANEW.replace(
                    "'epochs': 4", "'epochs': 4, 'shuffle': False, 'callbacks': lambda: [Slower()]"
                ).replace("keras.layers.Dropout(0.2)", "Scaled(rate=0.5)")
                + """
from collections import deque

class Scaled(keras.layers.Layer):
    def __init__(self, rate=1.0, **settings):
        super().__init__(**settings)
        self.rate = rate

    def call(self, x):
        return x * self.rate

    def get_config(self):
        return super().get_config()

class Slower(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self._step, self.last = 0, deque(maxlen=2)

    def on_train_batch_begin(self, batch, logs=None):
        self._step += 1
        self.model.optimizer.learning_rate = 0.1 / self._step
""",
                ["the settings of the model, its layers, losses and metrics", "the callback Slower"],
            ),
            (
                """
import keras
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

def load_data():
    rows = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
    return rows, rows.sum(axis=1, keepdims=True)

def build_model():
    with strategy.scope():
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        return model

fit_arguments = {"epochs": 4, "shuffle": False}
""",
                [],
            ),
            (
                ANEW.replace("'epochs': 4", "'epochs': 4, 'shuffle': False")
                .replace("Dropout(0.2)", "Dense(2)")
                .replace('"binary_crossentropy"', "Scaled()")
                + """
@keras.saving.register_keras_serializable()
class Scaled(keras.losses.Loss):
    def __init__(self, **settings):
        super().__init__()
        self.scale = keras.Variable(1.0, trainable=False)

    def call(self, y, p):
        self.scale.assign(self.scale * 0.9)
        return self.scale * keras.ops.square(keras.ops.reshape(y, (-1,)) - keras.ops.reshape(p, (-1,)))
""",
                ["variables in attributes, and further optimizers"],
            ),
            (
                ANEW.replace("'epochs': 4", "'epochs': 4, 'shuffle': False").replace(
                    "keras.layers.Dropout(0.2)", "Counting()"
                )
                + """
import tensorflow as tf

@keras.saving.register_keras_serializable()
class Counting(keras.layers.Layer):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.calls = tf.Variable(0.0)

    def call(self, x):
        self.calls.assign_add(1.0)
        return x / (1 + 0.01 * self.calls)
""",
                ["variables in attributes, and further optimizers"],
            ),
        ],
        1,
    ),
)
def test_what_is_lost_when_a_training_is_resumed_is_named(model_file, tmp_path, capsys, text, lost):
    status = main([model_file(text), "--resume-at", "2", "--json", "found.json"])
    found = json.loads((tmp_path / "found.json").read_text())
    same = not lost or lost == ["the callback Noting"]
    assert (status, found["identical"]) == (not same, same), capsys.readouterr().out
    assert found["settings"] == {"epochs": 4, "seed": 0} | ({} if text == REMEMBERING else {"shuffle": False})
    assert [name for name, state in found["states"].items() if state != "kept"] == lost
    assert found["states"]["the weights"] == found["states"]["the optimizer's variables"] == "kept"


def test_an_epoch_that_there_is_not_cannot_be_resumed(model_file, capsys):
    assert main([model_file(ANEW), "--resume-at", "4"]) == 2
    assert "--resume-at 4: the training ends with epoch 3, so name one from 1 to 3" in capsys.readouterr().err
    late = ANEW.replace("'epochs': 4", "'initial_epoch': 5, 'epochs': 6")
    assert main([model_file(late), "--resume-at", "3"]) == 2
    assert (
        "--resume-at 3: the training ends with epoch 5, so give --epochs 7 or more" in capsys.readouterr().err
    )
    with pytest.raises(SystemExit):
        main([model_file(ANEW), "--resume-at", "2", "--twice"])
    assert "--twice and --resume-at: each compares something else; choose one" in capsys.readouterr().err
