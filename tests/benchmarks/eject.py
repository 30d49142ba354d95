"""How many models `eject` writes a loop for, how many of the loops are proved at once, and how fast they are.

``python tests/benchmarks/eject.py table``: every network of the conformance table that is trained in a
graph, with Adam, in short batches and with a validation split. ``... files FOLDER``: every file in a
folder that defines build_model() and load_data(). ``... speed``: an epoch of the ejected loop of lesson
3's network, and of larger ones, against an epoch of ``.fit`` on the same batches, in one run.
"""

import argparse
import contextlib
import importlib
import io
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

NETWORK = """
from companion.conformance.combination import Combination

row = Combination("networks", "graph", {network!r})
build_model, load_data = row.build_model, row.load_data
fit_arguments = {{"epochs": 3, "batch_size": {batch_size}, "validation_split": 0.2}}
"""


def eject(file):
    """Eject a file; return its name, the exit status, what was said, the lines of the script, the seconds."""
    output = file.with_name(f"{file.stem}_loop.py")
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "companion.eject", file.name, "--output", str(output)],
        cwd=file.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    told = (done.stderr.strip().splitlines() or [""])[-1]
    lines = output.read_text().splitlines() if output.exists() else []
    return file.stem, done.returncode, told, sum(bool(line.strip()) for line in lines), seconds


def print_all(files, jobs):
    """Eject all files; print a line each, and a summary."""
    statuses, lengths, times = [], [], []
    with ThreadPoolExecutor(jobs) as executor:
        for name, status, told, length, seconds in executor.map(eject, files):
            words = {0: "proved", 1: "NOT PROVED", 2: "refused"}.get(status, f"status {status}")
            print(
                f"{name:<40} {words:<11} {length:>4} lines {seconds:>5.0f} s  {told if status else ''}",
                flush=True,
            )
            statuses.append(status)
            lengths += [length] if length else []
            times.append(seconds)
    proved, refused = statuses.count(0), statuses.count(2)
    others = len(statuses) - proved - refused
    print(f"{proved} of {len(statuses)} proved at once, {refused} refused, {others} not")
    middle = sorted(lengths)[len(lengths) // 2]
    print(f"lines that are not blank: {min(lengths)} to {max(lengths)}, median {middle}")
    print(f"seconds: median {sorted(times)[len(times) // 2]:.0f}, most {max(times):.0f}")
    return int(others > 0)


def table(options):
    from companion.conformance.combination import STATEFUL
    from companion.conformance.networks import NETWORKS

    with tempfile.TemporaryDirectory() as name:
        files = []
        for number, network in enumerate(NETWORKS):
            if options.only not in network:
                continue
            word = "".join(letter if letter.isalnum() else "_" for letter in network)
            file = Path(name, f"n{number:03}_{word}.py")
            file.write_text(NETWORK.format(network=network, batch_size=1 if network == STATEFUL else 8))
            files.append(file)
        return print_all(files, options.jobs)


def files(options):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(shutil.copytree(options.folder, Path(name, "models")))
        wanted = [file for file in sorted(folder.glob("*.py")) if "def build_model" in file.read_text()]
        return print_all([file for file in wanted if options.only in file.name], options.jobs)


SPEED = {
    "lesson 3, one batch": (
        """
from companion import lesson3
from companion.datasets import diabetes

def load_data():
    return diabetes()[0]

def build_model():
    model = lesson3.build_model()
    model.compile(keras.optimizers.SGD(0.1), keras.losses.BinaryCrossentropy())
    return model

fit_arguments = {"epochs": 2, "batch_size": 576, "shuffle": False}
""",
        300,
    ),
    "digits, batches of 32": (
        """
x, y = np.random.default_rng(0).random((20000, 784), "float32"), np.arange(20000) % 10

def load_data():
    return x, y

def build_model():
    layers = [keras.Input((784,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential(layers)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

fit_arguments = {"epochs": 2, "batch_size": 32}
""",
        8,
    ),
    "convolution, validated": (
        """
x, y = np.random.default_rng(0).random((512, 24, 24, 3), "float32"), np.arange(512) % 5

def load_data():
    return x, y

def build_model():
    layers = [keras.layers.Conv2D(16, 3, activation="relu"), keras.layers.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input((24, 24, 3)), *layers, keras.layers.Dense(5, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

fit_arguments = {"epochs": 2, "batch_size": 32, "validation_split": 0.25}
""",
        40,
    ),
}


def speed(options):
    """Time epochs of an ejected loop and of ``.fit``, by turns."""
    for name, (text, epochs) in SPEED.items():
        if options.only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, f"model_{len(name)}.py")
            file.write_text(f"import keras\nimport numpy as np\n{text}")
            _, status, told, *_ = eject(file)
            assert status == 0, told
            sys.path.insert(0, folder)
            module, loop = importlib.import_module(file.stem), importlib.import_module(f"{file.stem}_loop")
            ratios = []
            for _ in range(options.rounds):
                by_loop, by_fit = (
                    seconds_an_epoch(way, module, loop, options.epochs or epochs)
                    for way in (by_script, by_keras)
                )
                ratios.append(by_loop / by_fit)
        middle = statistics.median(ratios)
        print(f"{name:<24} {middle:.2f} of .fit ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


def by_script(module, loop, epochs):
    with contextlib.redirect_stdout(io.StringIO()):
        loop.train(module.build_model(), *module.load_data(), epochs=epochs)


def by_keras(module, loop, epochs):
    module.build_model().fit(*module.load_data(), **{**module.fit_arguments, "epochs": epochs, "verbose": 0})


def seconds_an_epoch(train, module, loop, epochs):
    """Return the seconds of an epoch after the first ones, in which graphs are made."""
    taken = []
    for count in (epochs, 3 * epochs):
        started = time.perf_counter()
        train(module, loop, count)
        taken.append(time.perf_counter() - started)
    return (taken[1] - taken[0]) / (2 * epochs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    kinds = parser.add_subparsers(required=True)
    for run in (table, files, speed):
        one = kinds.add_parser(run.__name__)
        one.set_defaults(run=run)
        one.add_argument("--only", default="", help="only those with this in their name")
        one.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at a time")
        one.add_argument("--rounds", type=int, default=5, help="of timing")
        one.add_argument("--epochs", type=int, help="of the shorter trainings that are timed")
        if run is files:
            one.add_argument("folder")
    options = parser.parse_args()
    return options.run(options)


if __name__ == "__main__":
    raise SystemExit(main())
