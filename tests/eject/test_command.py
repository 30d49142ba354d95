"""``python -m companion.eject``: a script that trains as ``.fit`` does, and needs nothing of ours."""

import ast
import subprocess
import sys

import keras
import pytest
from marks import only

from companion.eject import layout, script
from companion.eject.__main__ import main

HEAD = """
import keras
import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
x = rng.normal(size=(50, 4))
y = (x.sum(axis=1, keepdims=True) > 0).astype("float32")

def load_data():
    return x, y

def network(*inside, head="sigmoid"):
    return keras.Sequential([keras.Input((4,)), *inside, keras.layers.Dense(1, head)])
"""
PLAIN = """
def build_model():
    model = network(keras.layers.Dense(5, "tanh"))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model
"""
CALLBACKS = """
def slower(epoch, rate):
    return rate / 2 if epoch == 3 else rate

fit_arguments = {
    "epochs": 8, "batch_size": 16, "validation_split": 0.3,
    "callbacks": lambda: [%s],
}
"""
ALL_PLAIN = """
    keras.callbacks.LearningRateScheduler(slower),
    keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=1, min_delta=0.05, cooldown=1),
    keras.callbacks.EarlyStopping(monitor="val_accuracy", patience=2, restore_best_weights=True),
    keras.callbacks.ModelCheckpoint("best.weights.h5", save_best_only=True, save_weights_only=True),
    keras.callbacks.CSVLogger("log.csv"),
    keras.callbacks.TerminateOnNaN(),
"""
ROWS = """
class Rows(keras.utils.PyDataset):
    def __len__(self):
        return 7

    def __getitem__(self, number):
        return x[8 * number : 8 * number + 8], y[8 * number : 8 * number + 8]
"""
REORDERING = """
class Reordering(Rows):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.order = np.arange(7)

    def on_epoch_end(self):
        self.order = np.roll(self.order, 1)

    def __getitem__(self, number):
        return super().__getitem__(self.order[number])
"""
GENERATOR = """
def load_data():
    numbers = np.random.default_rng(3)
    while True:
        rows = numbers.integers(0, 50, 8)
        yield x[rows], y[rows]
"""
MODELS = {
    "plain": PLAIN,
    "callbacks as plain lines": PLAIN + CALLBACKS % ALL_PLAIN,
    "callbacks as they are": PLAIN
    + CALLBACKS
    % "keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None),"
    'keras.callbacks.EarlyStopping("loss", patience=1, baseline=0.1)',
    "penalties, dropout, weights of classes, a schedule": """
def build_model():
    inside = keras.layers.Dense(5, "relu", kernel_regularizer="l2"), keras.layers.Dropout(0.3)
    model = network(*inside, keras.layers.BatchNormalization())
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.9)
    loss = keras.losses.BinaryCrossentropy(label_smoothing=0.1)
    model.compile(keras.optimizers.SGD(rate, momentum=0.9, clipnorm=0.5), loss, weighted_metrics=["mae"])
    return model

fit_arguments = {"epochs": 3, "batch_size": 8, "class_weight": {0: 1.0, 1: 3.0}, "validation_split": 0.2}
""",
    "an average of the weights, no order, XLA": """
def build_model():
    model = network(keras.layers.Dense(5, "tanh"))
    model.compile(keras.optimizers.AdamW(0.01, use_ema=True), "mse", jit_compile=True)
    return model

fit_arguments = {"epochs": 2, "batch_size": 25, "shuffle": False}
""",
    "two outputs by name": """
def load_data():
    return {"a": x, "b": x[:, :2]}, {"p": y, "q": x[:, :1]}

def build_model():
    a, b = keras.Input((4,), name="a"), keras.Input((2,), name="b")
    both = keras.layers.Dense(5, "tanh")(keras.layers.concatenate([a, b]))
    p, q = keras.layers.Dense(1, "sigmoid", name="p")(both), keras.layers.Dense(1, name="q")(both)
    model = keras.Model([a, b], {"p": p, "q": q})
    losses, weights = {"p": "binary_crossentropy", "q": "mse"}, {"p": 1.0, "q": 0.3}
    model.compile("rmsprop", losses, loss_weights=weights, metrics={"q": ["mae"], "p": ["accuracy"]})
    return model

fit_arguments = {"epochs": 2, "batch_size": 16, "validation_split": 0.2}
""",
    "a Dataset that reshuffles": """
def load_data():
    rows = tf.data.Dataset.from_tensor_slices((x.astype("float32"), y))
    return rows.shuffle(50, seed=1).batch(8), rows.batch(10)

def build_model():
    model = network()
    model.compile("sgd", "mse")
    return model

fit_arguments = {"epochs": 4, "validation_freq": 2}
""",
    "its own steps, on x alone": """
def load_data():
    return x

class Coder(keras.Sequential):
    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = keras.ops.mean((self(data, training=True) - data[:, :1]) ** 2)
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights))
        return {"distance": loss}

    def test_step(self, data):
        return {"sum": keras.ops.sum(self(data))}

def build_model():
    model = Coder([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("adam")
    return model

fit_arguments = {"epochs": 2, "validation_data": (x[:9],)}
""",
    "functions as losses": """
def distance(y, p):
    return tf.abs(y - p)

def load_data():
    return x, (y, y)

def build_model():
    start = keras.Input((4,))
    hidden = keras.layers.Dense(5, "tanh")(start)
    model = keras.Model(start, [keras.layers.Dense(1)(hidden), keras.layers.Dense(1)(hidden)])
    model.compile("sgd", [distance, "mse"], metrics=[[distance], ["mae"]])
    return model

fit_arguments = {"epochs": 2, "sample_weight": np.linspace(0, 1, 50)}
""",
    "a function as loss, flat targets": """
def distance(y, p):
    return tf.reduce_mean(tf.abs(y - p), -1)

def load_data():
    return x, y[:, 0]

def build_model():
    model = network()
    model.compile("sgd", distance, metrics=[distance])
    return model
""",
    "its own test step, after epochs with its own name": """
class Measured(keras.Sequential):
    def test_step(self, data):
        return {"sum": keras.ops.sum(self(data[0]))}

def build_model():
    model = Measured([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[keras.metrics.MeanAbsoluteError(name="lambda")])
    return model

fit_arguments = {"epochs": 2, "validation_data": (x[:9], y[:9]), "sample_weight": np.ones(50)}
""",
    "a lambda as loss": """
def build_model():
    model = network()
    model.compile("sgd", lambda y, p: tf.square(y - p))
    return model
""",
    "its own loss": """
class Own(keras.Sequential):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.mean(keras.ops.abs(y - y_pred) ** 3) + keras.ops.sum(self.losses)

def build_model():
    inside = keras.layers.Dense(5, "relu", kernel_regularizer="l2")
    model = Own([keras.Input((4,)), inside, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), metrics=["mae"])
    return model
""",
    "arrays, an epoch in parts": PLAIN
    + """
fit_arguments = {"epochs": 5, "steps_per_epoch": 3, "validation_split": 0.2, "validation_steps": 2}
""",
    "arrays, an epoch in parts of a given size": PLAIN
    + """
fit_arguments = {"epochs": 6, "steps_per_epoch": 3, "batch_size": 8, "shuffle": False}
""",
    "a Dataset without an end, and arrays to validate on": PLAIN
    + """
def load_data():
    return tf.data.Dataset.from_tensor_slices((x, y)).shuffle(50, seed=1).batch(8).repeat()

fit_arguments = {"epochs": 3, "steps_per_epoch": 5, "validation_data": (x[:9], y[:9])}
""",
    "a Dataset in parts, and callbacks as they are": PLAIN
    + """
def load_data():
    return tf.data.Dataset.from_tensor_slices((x, y)).shuffle(50, seed=1).batch(8)

def callbacks():
    return [keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)]

fit_arguments = {
    "epochs": 5, "steps_per_epoch": 3, "callbacks": callbacks, "validation_steps": 2,
    "validation_data": lambda: tf.data.Dataset.from_tensor_slices((x, y)).shuffle(50, seed=2).batch(8),
}
""",
    "PyDatasets": PLAIN
    + ROWS
    + """
def load_data():
    return Rows(), Rows()
""",
    "a PyDataset with random batches": PLAIN
    + ROWS
    + """
class Augmented(Rows):
    def __getitem__(self, number):
        a, b = super().__getitem__(number)
        return [a + np.random.normal(size=a.shape), b]

def load_data():
    return Augmented()

fit_arguments = {"epochs": 3, "validation_data": (x[:9], y[:9])}
""",
    "a PyDataset that reorders, with workers": PLAIN
    + ROWS
    + REORDERING
    + """
def load_data():
    return Reordering(workers=2)

fit_arguments = {"epochs": 3, "shuffle": False, "validation_data": Reordering()}
""",
    "a PyDataset without an end": PLAIN
    + ROWS
    + """
class Endless(Rows):
    num_batches = None

    def __getitem__(self, number):
        return super().__getitem__(number % 7)

def load_data():
    return Endless()

fit_arguments = {"epochs": 3, "steps_per_epoch": 4}
""",
    "a generator": PLAIN
    + GENERATOR
    + """
fit_arguments = {"epochs": 3, "steps_per_epoch": 4, "validation_data": (x[:9], y[:9])}
""",
    "targets by name for outputs in a list": """
def load_data():
    return x, {"p": y, "q": y}

def build_model():
    start = keras.Input((4,))
    outputs = [keras.layers.Dense(1, name="p")(start), keras.layers.Dense(1, name="q")(start)]
    model = keras.Model(start, outputs)
    model.compile("sgd", {"p": "mse", "q": "mae"}, metrics={"q": ["mse"]})
    return model
""",
    "a metric in a layer": """
class Counting(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.size = keras.metrics.Mean(name="size")

    def call(self, batch):
        self.size.update_state(keras.ops.mean(batch**2))
        return batch

def build_model():
    model = network(Counting())
    model.compile("sgd", "mse")
    return model
""",
    "a schedule that has no configuration": """
class Falling(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, start, stop_at=10**9):
        self.start, self.stop_at = start, stop_at

    def __call__(self, step):
        return tf.where(step < self.stop_at, self.start, 0.0)

baseline = network()
baseline.compile("adam", "mse")
baseline.fit(x, y, epochs=1, verbose=0)

def build_model():
    model = network()
    model.compile(keras.optimizers.SGD(Falling(0.1, stop_at=3)), "mse")
    return model
""",
    "a Dataset of unknown length": PLAIN
    + """
def load_data():
    rows = tf.data.Dataset.from_tensor_slices((x.astype("float32"), y))
    return rows.filter(lambda one, label: one[0] > -9.0).batch(8)
""",
    "a metric to watch, and callbacks as they are": PLAIN
    + CALLBACKS
    % """keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: print(end="")),
    keras.callbacks.EarlyStopping("val_accuracy", patience=2),""",
    "mixed precision, run line by line": """
def build_model():
    policy = "mixed_float16"
    inside = [keras.layers.Dense(5, "tanh", dtype=policy)]
    model = keras.Sequential([keras.Input((4,)), *inside, keras.layers.Dense(1, dtype="float32")])
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.05))
    model.compile(optimizer, "mse", run_eagerly=True)
    return model

fit_arguments = {"epochs": 2}
""",
}


@pytest.fixture
def model_file(tmp_path, monkeypatch):
    """Write the user's file, and go to its folder; layers are numbered as in a new process."""
    monkeypatch.chdir(tmp_path)
    keras.utils.clear_session()

    def write(text):
        (tmp_path / "my_model.py").write_text(HEAD + text)
        return "my_model.py"

    return write


@pytest.mark.parametrize("name", only(list(MODELS), "plain"))
def test_the_script_is_proved_and_runs_without_this_package(name, model_file, tmp_path, capsys):
    file = model_file(MODELS[name])
    status = main([file, "--output", "my_loop.py"])
    assert (status, capsys.readouterr().out) == (0, "")
    text = (tmp_path / "my_loop.py").read_text()
    assert "Proved with TensorFlow" in ast.get_docstring(ast.parse(text))
    assert "companion" not in text
    assert "\nimport keras\n" in text
    assert "keras.src" not in text
    assert ("CallbackList" in text) == name.endswith("callbacks as they are")
    assert ("on_train_batch_end" in text) == (name == "a metric to watch, and callbacks as they are")
    assert max(map(len, text.splitlines())) <= layout.WIDTH
    code = "import sys, runpy; sys.modules['companion'] = None; "
    code += "runpy.run_path('my_loop.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("epoch 0: ")


@pytest.mark.full
@pytest.mark.parametrize(
    "name", ["callbacks as plain lines", "two outputs by name", "a Dataset that reshuffles"]
)
def test_the_test_holds_the_script_to_fit_and_fails_once_it_is_changed(name, model_file, tmp_path):
    words = ["--output", "my_loop.py", "--with-test", "test_loop.py"]
    assert main([model_file(MODELS[name]), *words]) == 0
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_loop.py"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    text = (tmp_path / "my_loop.py").read_text()
    changed = text.replace("            loss = ", "            loss = 2 * ")
    assert changed != text
    (tmp_path / "my_loop.py").write_text(changed)
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_what_differs_is_not_written_unless_wanted_and_then_said(model_file, tmp_path, capsys, monkeypatch):
    right = script.train_step
    wrong = ("loss = loss_function(", "loss = 2 * loss_function(")
    monkeypatch.setattr(script, "train_step", lambda plan: [line.replace(*wrong) for line in right(plan)])
    file = model_file(PLAIN)
    assert main([file, "--output", "my_loop.py", "--epochs", "2"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "my_model.py: not written: history " in err
    assert "first difference at epoch 0: the script " in err
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["my_model.py"]
    assert main([file, "--output", "my_loop.py", "--epochs", "2", "--unproved"]) == 0
    capsys.readouterr()
    assert main([file, "--output", "my_loop.py"]) == 2
    assert "'my_loop.py' is there already: name another file, or say --overwrite" in capsys.readouterr().err
    head = ast.get_docstring(ast.parse((tmp_path / "my_loop.py").read_text()))
    assert "NOT PROVED" in head
    assert "Proved with" not in head


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (PLAIN + GENERATOR, "for a generator without an end: give steps_per_epoch"),
        (
            PLAIN + GENERATOR + "fit_arguments = {'steps_per_epoch': 3, 'class_weight': {0: 2.0}}\n",
            "with class_weight for a generator",
        ),
        (
            PLAIN + ROWS + REORDERING + "load_data = Reordering\nfit_arguments = {'steps_per_epoch': 3}\n",
            "with steps_per_epoch for a PyDataset with on_epoch_end: threads read ahead",
        ),
        (
            PLAIN + ROWS + "load_data = lambda: Rows(workers=2)\nfit_arguments = {'steps_per_epoch': 3}\n",
            "with steps_per_epoch for a PyDataset with workers",
        ),
        (
            PLAIN + GENERATOR + "numbers, load_data = load_data(), lambda: (x, y)\n"
            "fit_arguments = {'validation_data': lambda: numbers}\n",
            "validates on a generator",
        ),
        (
            PLAIN.replace('"accuracy"', "lambda y, p: (y - p) ** 2"),
            "has no name in your file or in Keras: define it or import it at the top of your file",
        ),
        (
            PLAIN + "def load_data():\n    return tf.data.Dataset.from_tensors((x, y)).repeat()\n",
            "eject writes no loop for a Dataset without an end",
        ),
        (PLAIN + "fit_arguments = {'validation_freq': [1, 3]}\n", "with a list as validation_freq"),
        (PLAIN + "def build_model():\n    return network()\n", "is not compiled"),
        (
            PLAIN + "fit_arguments = {'initial_epoch': 7}\n",
            "initial_epoch=7 leaves nothing to train: epochs=5",
        ),
        (
            """
class Focal(keras.losses.Loss):
    def __init__(self, gamma=2.0):
        super().__init__()
        self.gamma = gamma

    def call(self, y, p):
        return tf.abs(y - p) ** self.gamma

def build_model():
    model = network()
    model.compile("sgd", Focal(3.0))
    return model
""",
            "Focal cannot be made anew: its get_config() does not return gamma, which its __init__ takes",
        ),
        (
            PLAIN.replace("build_model", "build_plain")
            + "def build_model():\n    with tf.distribute.OneDeviceStrategy('CPU:0').scope():\n"
            + "        return build_plain()\n",
            "eject writes no loop under a OneDeviceStrategy: make the model outside of its scope",
        ),
        (
            PLAIN.replace('"accuracy"', "keras.metrics.F1Score()"),
            "with a metric of several numbers, such as 'f1_score'",
        ),
    ],
)
def test_what_cannot_be_written_is_refused_with_the_reason(model_file, tmp_path, capsys, text, told):
    assert main([model_file(text), "--output", "my_loop.py"]) == 2
    err = capsys.readouterr().err
    assert (err.count("\n"), told in err) == (1, True), err
    assert not (tmp_path / "my_loop.py").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--with-test", "t.py"], "name it too, with --output FILE"),
        (["--output", "missing/my_loop.py"], "the folder"),
        (["--output", "../my_loop.py"], "imports my_model: put it into the same folder"),
        (["--output", "my-loop.py", "--with-test", "test_it.py"], "'my-loop.py' cannot be imported"),
        (["--epochs", "0"], "is not a whole number of 1 or more"),
        (["--output", "keras.py"], "'keras.py' would hide the module keras: name another file"),
        (["--output", "loop.txt"], "'loop.txt' does not end in .py"),
        (["--output", "t.py", "--with-test", "t.py"], "--output and --with-test both write to 't.py'"),
        (["--output", "my_model.py"], "my_model.py"),
    ],
)
def test_wrong_words_are_told_before_anything_is_trained(model_file, capsys, words, told):
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(main([model_file(PLAIN), *words]))
    err = capsys.readouterr().err
    assert (ended.value.code, err.count("\n"), told in err) == (2, 1, True), err


def test_callbacks_overwrite_nothing_and_a_short_proof_says_what_it_has_not_reached(
    model_file, tmp_path, capsys
):
    (tmp_path / "best.weights.h5").write_text("mine")
    text = PLAIN + CALLBACKS % ALL_PLAIN
    words = ["--output", "my_loop.py", "--epochs", "50", "--proof-epochs", "2"]
    assert main([model_file(text), *words]) == 0, capsys.readouterr().err
    assert (tmp_path / "best.weights.h5").read_text() == "mine"
    assert not (tmp_path / "log.csv").exists()
    script = (tmp_path / "my_loop.py").read_text()
    head = " ".join(ast.get_docstring(ast.parse(script)).split())
    assert "of 2 epochs, " in head
    assert "Not reached, and so not proved: the end by a callback." in head
    assert "EPOCHS = 50" in script


@pytest.mark.full
def test_a_callback_that_remembers_begins_anew_in_the_test(model_file):
    text = (
        PLAIN
        + """
class Stop(keras.callbacks.Callback):
    seen = 0

    def on_epoch_end(self, epoch, logs=None):
        self.seen += 1
        self.model.stop_training = self.seen >= 3

fit_arguments = {"epochs": 6, "callbacks": [Stop()]}
"""
    )
    assert main([model_file(text), "--output", "my_loop.py", "--with-test", "test_loop.py"]) == 0
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_loop.py"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_file_without_its_functions_is_told(model_file, capsys):
    assert main([model_file("")]) == 2
    assert "build_model is not defined: it must be a function" in capsys.readouterr().err
