"""Rows of the conformance table that differ in how ``.fit`` is called: inputs, arguments, callbacks."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from companion.conformance.combination import EXECUTIONS, MULTIPLE, Combination
from companion.conformance.inputs import ARRAYS, FED_ALONE
from companion.conformance.networks import NETWORKS
from companion.conformance.small_data import WEIGHTS


class StopAt(keras.callbacks.Callback):
    """Stop the training after a certain batch."""

    def __init__(self, epoch: int, batch: int) -> None:
        super().__init__()
        self.at, self.epoch = (epoch, batch), 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Remember the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Stop if it is time."""
        self.model.stop_training = (self.epoch, batch) >= self.at


class StopEvaluating(keras.callbacks.Callback):
    """Stop each validation after its first batch."""

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Stop."""
        self.model.stop_evaluating = True


class ScaleWeights(keras.callbacks.Callback):
    """Halve all weights after each epoch."""

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Halve them."""
        self.model.set_weights([weight / 2 for weight in self.model.get_weights()])


def inputs() -> Iterator[Combination]:
    """List the forms that data can have."""
    ways: dict[str, dict[str, Any]] = {
        "": {},
        "batch_size": {"batch_size": 8},
        "shuffle=False": {"shuffle": False, "batch_size": 8},
        "shuffle='batch'": {"shuffle": "batch", "batch_size": 8},
        "steps_per_epoch": {"steps_per_epoch": 3},
        "validation_split": {"validation_split": 0.3, "batch_size": 8},
        "sample_weight": {"sample_weight": WEIGHTS},
        "class_weight": {"class_weight": {0: 0.5, 1: 3.0}},
    }
    for name, data in ARRAYS.items():
        for call, arguments in ways.items():
            if name == "sparse tensor" and call in ("validation_split", "shuffle='batch'"):
                continue  # refused by Keras
            yield Combination("inputs", ", ".join(filter(None, (name, call))), arguments=arguments, data=data)
    for name, data in FED_ALONE.items():
        calls: dict[str, dict[str, Any]] = {"": {}, "class_weight": {"class_weight": {0: 0.5, 1: 3.0}}}
        if "weights" in name or name == "generator":
            del calls["class_weight"]  # refused by Keras
        if name.startswith("generator"):
            calls[""] = {"epochs": 1}
        if name.endswith("endless"):
            calls = {}
        calls["steps_per_epoch"] = {"steps_per_epoch": 2, "epochs": 2}
        for call, arguments in calls.items():
            for execution in ("graph", "steps_per_execution"):
                yield Combination(
                    "inputs",
                    ", ".join(filter(None, (name, call, execution))),
                    "dropout",
                    EXECUTIONS[execution],
                    arguments,
                    data,
                )


def calls() -> Iterator[Combination]:
    """List what arguments ``.fit`` can have."""
    x, y = NETWORKS["batch normalization"][1]()
    held_out = (x[:15], y[:15])
    calls: dict[str, dict[str, Any]] = {
        "epochs=1": {"epochs": 1},
        "epochs=0": {"epochs": 0},
        "five epochs": {"epochs": 5},
        "batch_size above the rows": {"batch_size": 100},
        "initial_epoch": {"initial_epoch": 2, "epochs": 4},
        "initial_epoch beyond epochs": {"initial_epoch": 4, "epochs": 2},
        "steps_per_epoch, more than there are": {"steps_per_epoch": 9, "batch_size": 8},
        "steps_per_epoch without batch_size": {"steps_per_epoch": 4},
        "validation_data": {"validation_data": held_out},
        "validation_data with weights": {"validation_data": (*held_out, WEIGHTS[:15])},
        "validation_data, a Dataset": {
            "validation_data": lambda: tf.data.Dataset.from_tensor_slices(held_out).batch(4)
        },
        "validation_split": {"validation_split": 0.25},
        "validation_batch_size": {"validation_data": held_out, "validation_batch_size": 4},
        "validation_steps": {"validation_data": held_out, "validation_batch_size": 4, "validation_steps": 2},
        "validation_freq": {"validation_data": held_out, "validation_freq": 2, "epochs": 5},
        "validation_freq, a list": {"validation_data": held_out, "validation_freq": [1, 4], "epochs": 4},
        "class_weight": {"class_weight": {0: 0.3, 1: 2.0}},
        "class_weight and validation": {"class_weight": {1: 2.0}, "validation_split": 0.3},
        "sample_weight": {"sample_weight": WEIGHTS},
        "sample_weight, some 0": {"sample_weight": np.maximum(WEIGHTS - 1, 0)},
        "sample_weight and validation_split": {"sample_weight": WEIGHTS, "validation_split": 0.3},
    }
    for name, arguments in calls.items():
        for execution in ("graph", "steps_per_execution"):
            arguments = {"batch_size": 8, **arguments} if "without" not in name else arguments
            yield Combination("calls", f"{name}, {execution}", "dropout", EXECUTIONS[execution], arguments)
    for network in MULTIPLE:
        yield Combination(
            "calls", "sample_weight for all outputs", network, arguments={"sample_weight": WEIGHTS}
        )
        yield Combination("calls", "validation_split", network, arguments={"validation_split": 0.3})
    yield Combination(
        "calls",
        "sample_weight for each output",
        MULTIPLE[0],
        arguments={"sample_weight": [WEIGHTS, WEIGHTS**2]},
    )


def callbacks() -> Iterator[Combination]:
    """List callbacks, alone and together."""
    known = keras.callbacks
    callbacks: dict[str, Callable[[Path], list[keras.callbacks.Callback]]] = {
        "EarlyStopping": lambda _: [known.EarlyStopping(monitor="val_loss", patience=0, min_delta=1.0)],
        "EarlyStopping, best weights": lambda _: [
            known.EarlyStopping(
                monitor="val_loss", patience=1, restore_best_weights=True, start_from_epoch=1, min_delta=1.0
            )
        ],
        "LearningRateScheduler": lambda _: [
            known.LearningRateScheduler(lambda epoch, rate: rate / (epoch + 1))
        ],
        "ReduceLROnPlateau": lambda _: [known.ReduceLROnPlateau(monitor="loss", patience=1, min_delta=1.0)],
        "ModelCheckpoint": lambda folder: [
            known.ModelCheckpoint(folder / "best.keras", monitor="val_loss", save_best_only=True)
        ],
        "ModelCheckpoint by batch": lambda folder: [
            known.ModelCheckpoint(folder / "all.weights.h5", save_weights_only=True, save_freq=3)
        ],
        "CSVLogger": lambda folder: [known.CSVLogger(folder / "log.csv")],
        "TerminateOnNaN": lambda _: [known.TerminateOnNaN()],
        "BackupAndRestore": lambda folder: [known.BackupAndRestore(folder / "backup", save_freq=2)],
        "LambdaCallback": lambda _: [
            known.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(more=1.5))
        ],
        "stop_training within an epoch": lambda _: [StopAt(epoch=1, batch=2)],
        "stop_evaluating": lambda _: [StopEvaluating()],
        "weights changed on the way": lambda _: [ScaleWeights()],
        "several": lambda folder: [
            known.CSVLogger(folder / "log.csv"),
            known.ReduceLROnPlateau(monitor="val_loss", patience=1, min_delta=1.0),
            known.EarlyStopping(monitor="val_loss", patience=3),
        ],
    }
    for name, make in callbacks.items():
        for execution in ("graph", "run_eagerly", "steps_per_execution"):
            arguments = {"epochs": 4, "batch_size": 8, "validation_split": 0.3}
            yield Combination(
                "callbacks",
                f"{name}, {execution}",
                "dropout",
                EXECUTIONS[execution],
                arguments,
                callbacks=make,
            )
    averaged = partial(keras.optimizers.Adam, use_ema=True)
    yield Combination(
        "callbacks",
        "SwapEMAWeights",
        compiled={"optimizer": averaged},
        arguments={"validation_split": 0.3},
        callbacks=lambda _: [known.SwapEMAWeights(swap_on_epoch=True)],
    )
    yield Combination(
        "callbacks",
        "TerminateOnNaN, NaN",
        compiled={"optimizer": partial(keras.optimizers.SGD, 1e30), "loss": "mse"},
        network="L1 and L2 penalties",
        callbacks=lambda _: [known.TerminateOnNaN()],
    )
