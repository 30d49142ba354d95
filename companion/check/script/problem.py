"""What ``.fit`` does with the network, the rows and the settings of a script."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from companion.check.problem import Problem, over_replicas
from companion.check.recording.events import State
from companion.check.recording.rows import RowNumbers
from companion.check.recording.strategy import rows_of_a_part
from companion.check.replay import take
from companion.errors import UserError


class NotComparableError(UserError):
    """There is no ``.fit`` that a training could be compared with; the message says why."""


class Delegate(keras.Model):
    """The script's network in a model of its own, so that compiling leaves the script's network alone."""

    def __init__(self, network: keras.layers.Layer, replicas: int) -> None:
        super().__init__()
        self.network, self.replicas = network, replicas

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Call the script's network, in a training once for the part of each replica.

        Each replica has a copy of what is no weight, such as seeds and moving averages; the first one counts.
        """
        if self.replicas == 1 or not training:
            return self.network(x, training=training)
        size = rows_of_a_part(tf.shape(tf.nest.flatten(x)[0])[0], self.replicas)
        kept = self.network.non_trainable_variables
        before = [tf.identity(variable.value) for variable in kept]
        outputs, after = [], before
        for number in range(self.replicas):
            part = tf.nest.map_structure(lambda one, at=number * size: one[at : at + size], x)
            for variable, value in zip(kept, before, strict=True):
                variable.assign(value)
            outputs.append(self.network(part, training=training))
            if number == 0:
                after = [tf.identity(variable.value) for variable in kept]
        for variable, value in zip(kept, after, strict=True):
            variable.assign(value)
        return tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), *outputs)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the loss, with the gradient that replicas of a strategy have."""
        compute = super().compute_loss

        def loss_of(of_parts: Any) -> Any:
            given = [one for one in (sample_weight, of_parts) if one is not None]
            return compute(x, y, y_pred, math.prod(given) if given else None, training)

        return over_replicas(loss_of, tf.shape(tf.nest.flatten(y_pred)[0])[0], self.replicas)


class TotalLoss(keras.losses.Loss):
    """The loss of a network with several outputs: the weighted sum of the losses of each."""

    def __init__(self, losses: Sequence[keras.losses.Loss], weights: Sequence[float]) -> None:
        super().__init__()
        self.losses, self.weights = losses, weights

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the sum."""
        pairs = zip(self.losses, self.weights, tf.nest.flatten(y_true), tf.nest.flatten(y_pred), strict=True)
        return sum(
            weight * loss(labels, output, sample_weight=sample_weight)
            for loss, weight, labels, output in pairs
        )

    def get_config(self) -> dict[str, Any]:
        """Return nothing that rules may turn over."""
        return {}


class PlainFunction(keras.losses.Loss):
    """A loss that was compiled as a function of labels and predictions."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Call the function."""
        return self.function(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        """Return nothing that rules may turn over."""
        return {}


class RatesOfLoop(keras.callbacks.Callback):
    """Sets the learning rate before each update to that of the loop."""

    def __init__(self, rates: Sequence[float]) -> None:
        super().__init__()
        self.rates = itertools.chain(rates, itertools.repeat(rates[-1]))

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the rate."""
        self.model.optimizer.learning_rate = next(self.rates)


def _tuples(data: Any) -> Any:
    """Return several inputs as a tuple: a list would be taken for a row."""
    return tuple(data) if isinstance(data, list) else data


@dataclass(frozen=True)
class FedProblem(Problem):
    """What ``.fit`` does with the network, the rows and the settings of a script.

    Attributes
    ----------
    network : keras.layers.Layer or None
        The script's own.
    state : list of ndarray
        All its variables at the start.
    orders : list of ndarray
        The rows of each epoch, in the order in which ``.fit`` is fed.
    sample_weight : ndarray, optional
        The weight of each row.
    """

    network: Any = None
    state: State = field(default_factory=list)
    orders: list[np.ndarray] = field(default_factory=list)
    sample_weight: np.ndarray | None = None

    @property
    def row_count(self) -> int:
        """Return how many rows an epoch has."""
        return len(self.orders[0])

    def start(self) -> keras.Model:
        """Put the weights back with which the script began."""
        keras.utils.set_random_seed(self.seed)
        for variable, value in zip(self.network.variables, self.state, strict=True):
            variable.assign(value)
        return Delegate(self.network, self.replicas)

    def compiled(self, *, run_eagerly: bool, jit_compile: bool | str = "auto") -> keras.Model:
        """Do the same, and compile it for ``.fit``."""
        model, loss = self.start(), self.loss()
        how: dict[str, Any] = {"run_eagerly": run_eagerly, "jit_compile": jit_compile}
        if isinstance(loss, TotalLoss):
            how["loss_weights"] = list(loss.weights)
        model.compile(self.optimizer(self.learning_rate), getattr(loss, "losses", loss), **how)
        return model

    def fit(self, model: keras.Model) -> list[float]:
        """Train by ``.fit`` on the batches that it would cut from the rows in this order."""
        steps = -(-len(self.orders[0]) // self.batch_size)
        how: dict[str, Any] = {
            "steps_per_epoch": steps,
            "epochs": self.epochs,
            "shuffle": False,
            "verbose": 0,
        }
        return model.fit(self.batches(), **how, callbacks=list(self.callbacks())).history["loss"]

    def batches(self) -> Iterator[tuple[Any, ...]]:
        """Yield the batches of all epochs, and the first again, which ``.fit`` asks for and does not use."""
        weights = self.row_weights()
        for order in [*self.orders, self.orders[0]]:
            for at in range(0, len(order), self.batch_size):
                rows = order[at : at + self.batch_size]
                batch = _tuples(take(self.x, rows)), take(self.y, rows)
                yield batch if weights is None else (*batch, weights[rows])

    def row_weights(self) -> np.ndarray | None:
        """Return the weight of each row."""
        return super().row_weights() if self.sample_weight is None else self.sample_weight

    def first_of_equal_rows(self) -> np.ndarray:
        """Return for each row the number of the first one that is equal to it."""
        rows = RowNumbers(self.x).of(self.x)
        assert rows is not None  # they are its own
        return rows
