"""``python -m companion.compare --twice``: why two trainings differ."""

import itertools
import json
import re
import subprocess
import sys

import pytest
from marks import full
from model_files import ANEW, MODEL

from companion.compare.__main__ import main
from companion.compare.own_process import ALL, BATCHES, trained
from companion.compare.suspects import SUSPECTS
from companion.compare.twice import different_data
from companion.comparison.fit_comparison import FitComparison

SETS = """
words = {"a", "b", "c", "d", "e", "f", "g", "h"}
x += sum(at * ord(word) for at, word in enumerate(words))
"""
CAUSES = {
    "unseeded": ANEW.replace("default_rng(0)", "default_rng()"),
    "nothing": ANEW,
    "seed": ANEW.replace("default_rng(0).normal", "normal"),
    "hashes": ANEW.replace("\ndef load_data", SETS + "\ndef load_data"),
    "parallel": MODEL.format(data="tf.data.Dataset.from_tensor_slices((x, y)).map(noisy, 8).batch(8)")
    + """
import tensorflow as tf

def noisy(row, label):
    return row + tf.random.normal((3,), dtype="float64"), label
""",
    "order": MODEL.format(data="rows().map(lambda row: (row * tf.ones(3), row * tf.ones(1))).batch(8)")
    + """
import random, time
import tensorflow as tf

def slow(number):
    time.sleep(random.SystemRandom().random() / 50)
    return np.float32(number) / 40

def rows_of(file):
    read = lambda row: tf.ensure_shape(tf.numpy_function(slow, [file * 10 + row], tf.float32), ())
    return tf.data.Dataset.range(10).map(read)

def rows():
    files = tf.data.Dataset.range(4)
    return files.interleave(rows_of, cycle_length=4, num_parallel_calls=4, deterministic=False)
""",
    "ahead": MODEL.format(data="tf.data.Dataset.from_generator(rows, output_signature=KINDS).prefetch(4)")
    + """
import random, time
import tensorflow as tf

KINDS = tf.TensorSpec((8, 3)), tf.TensorSpec((8, 1))
trained = []

class Slow(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        trained.append(batch)
        time.sleep(random.SystemRandom().random() / 50)

def rows():
    for _ in range(20):
        yield np.ones((8, 3)) * len(trained), np.ones((8, 1))

fit_arguments = {"callbacks": lambda: [Slow()]}
""",
    "before": MODEL.format(data="shifted()")
    + """
import os

def shifted():
    there = os.path.exists("cache")
    open("cache", "w").close()
    return x + there, y
""",
    "outside": ANEW.replace("return x, y", "import time; return x + time.time() % 1, y"),
    "kept": ANEW.replace("return x, y", "counted.append(1); return x + len(counted), y") + "counted = []\n",
    "later": MODEL.format(data="Rows()")
    + """
import time

class Rows(keras.utils.PyDataset):
    ends, added = 0, 0.0

    def __len__(self):
        return 4

    def __getitem__(self, number):
        return x[number * 10 : number * 10 + 10] + self.added, y[number * 10 : number * 10 + 10]

    def on_epoch_end(self):  # .fit calls it before the first epoch too
        self.ends += 1
        self.added = time.time() % 1 if self.ends > 1 else 0.0
""",
    "threads": """
import keras
import numpy as np
import tensorflow as tf

class Crops(keras.layers.Layer):
    def build(self, shape):
        self.image = self.add_weight(shape=(1, 64, 64, 8))

    def call(self, boxes):
        crops = tf.image.crop_and_resize(self.image, boxes, tf.zeros(tf.shape(boxes)[0], tf.int32), (8, 8))
        return tf.reshape(crops, (-1, 512))

def load_data():
    corners = np.random.default_rng(0).random((4000, 2)) / 2
    return np.concatenate([corners, corners + 0.4], 1), np.ones((4000, 1))

def build_model():
    model = keras.Sequential([keras.Input((4,)), Crops(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model

fit_arguments = {"epochs": 2, "batch_size": 1000}
""",
    # On a CPU, each process begins with the same numbers, whatever the seed, and goes on with others.
    "xla": ANEW.replace("metrics=", "jit_compile=True, metrics=").replace(
        "keras.layers.Dropout(0.2)", "Own()"
    )
    + """
import tensorflow as tf

class Own(keras.layers.Layer):
    def call(self, x):
        return x + tf.random.normal(tf.shape(x))
""",
}
# By the suspect that is seen in them.
SUSPICIOUS = {
    "unseeded": ANEW.replace("default_rng(0)", "Generator(np.random.PCG64())"),
    "parallel": MODEL.format(data="tf.data.Dataset.range(8).interleave(rows, num_parallel_calls=2)")
    + """
import tensorflow as tf

def rows(number):
    drawn = tf.data.Dataset.range(3).map(lambda _: tf.random.normal((2, 3)))
    return drawn.map(lambda row: (row, tf.ones((2, 1))))
""",
    # map with num_parallel_calls is a suspect too: without it the order is restored
    "order": MODEL.format(data="tf.data.Dataset.range(40).map(slow, 4).repeat(1).with_options(ANY)")
    + """
import random, time
import tensorflow as tf

ANY = tf.data.Options()
ANY.deterministic = False

def wait(number):
    time.sleep(random.SystemRandom().random() / 50)
    return np.float32(number) / 40

def slow(number):
    row = tf.ensure_shape(tf.numpy_function(wait, [number], tf.float32), ())
    return row * tf.ones((1, 3)), row * tf.ones((1, 1))
""",
}
SPARSE = (
    MODEL.format(data="sparse(), np.ones((40, 1))")
    + """
import os
import tensorflow as tf

def sparse():
    table = np.ones((40, 1200), "float32")
    table[:, 600] = np.frombuffer(os.urandom(40), "uint8")
    return tf.sparse.from_dense(table)

def build_model():
    model = keras.Sequential([keras.Input((1200,), sparse=True), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model

fit_arguments = {"shuffle": False, "epochs": 1}
"""
)
FOUND = ("unseeded", "seed", "hashes", "parallel", "order", "ahead", "threads", "xla")


# In two groups, which may run at the same time.
ONE, OTHER = (pytest.mark.xdist_group(f"twice {number}") for number in range(2))
CASES = [
    pytest.param(cause, marks=[group, pytest.mark.full] if number else group)
    for number, (cause, group) in enumerate(zip(CAUSES, itertools.cycle((ONE, OTHER)), strict=False))
]


@pytest.mark.parametrize("cause", CASES)
def test_why_two_trainings_differ_is_found(model_file, tmp_path, capsys, cause):
    status = main([model_file(CAUSES[cause]), "--twice", "--json", "found.json"])
    found = json.loads((tmp_path / "found.json").read_text())
    out = " ".join(capsys.readouterr().out.split())
    assert status == (cause != "nothing")
    assert found["causes"] == ([cause] if cause in FOUND else []), out
    if cause in ("threads", "ahead"):  # it differs where threads meet
        assert found["first_difference"].endswith(" (two runs without training read the same data)")
    elif cause in ("parallel", "order"):
        assert re.fullmatch(r"the data: batch \d+ of epoch 0", found["first_difference"])
    else:
        data = f"the data: batch 0 of epoch {int(cause == 'later')}"
        if cause == "before":
            data = "what is computed: batch 0 of epoch 0 (two runs without training read the same data)"
        assert found["first_difference"] == ("" if cause in ("nothing", "kept", "xla") else data)
    assert ("Only the first training differs" in out) == (cause == "before")
    assert ("keeps something from one training to the next" in out) == (cause == "kept")
    assert ("None of the suspects explains it. Look" in out) == (cause in ("outside", "later"))
    assert found["in_one_process"] == (cause in ("kept", "xla"))


@pytest.mark.full
@pytest.mark.parametrize("suspect", SUSPICIOUS)
def test_a_suspect_is_seen_and_can_be_turned_off(model_file, suspect):
    file = model_file(SUSPICIOUS[suspect])
    _, more = trained(file, ALL, [])
    assert suspect in more["seen"]
    one, again = (trained(file, ALL, [], "--off", suspect)[0] for _ in range(2))
    assert FitComparison(one, again, 0).identical


def test_where_the_order_is_free_it_is_tried_before_what_also_restores_it():
    names = [one.name for one in SUSPECTS]
    assert names.index("order") < names.index("parallel")


TO_VALIDATE = MODEL.format(data="x[:30], y[:30], x[30:] + os.urandom(1)[0], y[30:]") + "import os\n"


@pytest.mark.parametrize(("text", "what"), [full((SPARSE, "batches")), (TO_VALIDATE, "validation")])
def test_data_that_differ_are_seen(model_file, text, what):
    one, other = (trained(model_file(text), BATCHES, [], "--at", "1")[1] for _ in range(2))
    assert {name for name in ("batches", "validation") if one[name] != other[name]} == {what}
    assert len(one["batches"]) == 2


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"batches": [["a", "b"], ["c"]], "validation": ["d"]}, ""),
        ({"batches": [["a", "b"], ["x"]], "validation": ["x"]}, "the data: batch 0 of epoch 3"),
        ({"batches": [["a"], ["c"]], "validation": ["d"]}, "the data: epoch 2 has 2 batches, then 1"),
        ({"batches": [["a", "b"], ["c"]], "validation": ["x"]}, "the data: batch 0 of the validation"),
    ],
)
def test_the_first_batch_that_differs_is_named(other, told):
    one = {"batches": [["a", "b"], ["c"]], "validation": ["d"]}
    assert different_data(one, other, 2) == told


def test_a_seed_that_is_given_stays_however_it_is_given():
    code = """
import random
import numpy as np
from companion.compare.suspects import UNSEEDED, watch_for
given = lambda: [
    np.random.RandomState(seed=5).rand(), np.random.RandomState(5).rand(),
    np.random.default_rng(seed=5).random(), random.Random(x=5).random(), random.Random(5).random(),
    random.seed(a=5) or random.random(), np.random.seed(seed=5) or np.random.rand(),
    np.random.default_rng(np.array([1, 2, 3])).random(), np.random.RandomState(np.arange(4)).rand(),
]
missing = lambda: [
    np.random.RandomState().rand(), np.random.default_rng(None).random(), random.Random().random(),
    random.seed() or random.random(), np.random.seed(None) or np.random.rand(),
]
before, other = given(), missing()
seen = watch_for((), 0)
assert given() == before and UNSEEDED not in seen
assert missing() != other and UNSEEDED in seen
watch_for((UNSEEDED,), 0)
assert given() == before and missing() == missing()
assert isinstance(np.random.RandomState(), np.random.RandomState)
assert isinstance(np.random.mtrand._rand, np.random.RandomState) and isinstance(random._inst, random.Random)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_hash_seed_that_the_user_sets_is_kept(model_file, monkeypatch, capsys):
    monkeypatch.setenv("PYTHONHASHSEED", "3")
    assert main([model_file(CAUSES["hashes"]), "--twice", "--epochs", "1"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        ("sys.stderr.write('rows 1 to 40\\n'); os.kill(os.getpid(), 9)", "was ended from outside (SIGKILL)"),
        ("os._exit(0)", "the file ended the process before the training was over"),
    ],
)
def test_how_a_process_of_the_training_ends_is_told(model_file, capsys, ending, told):
    assert main([model_file(ANEW + f"import os, sys\n{ending}\n"), "--twice"]) == 2
    err = capsys.readouterr().err
    assert (err.count("\n"), told in err) == (1, True), err
