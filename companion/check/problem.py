"""What a loop trains, and what ``.fit`` does with the same problem."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from companion.check.recording.events import Forward, Recording, Update
from companion.check.recording.loop_watcher import watch
from companion.check.recording.rows import RowNumbers
from companion.check.recording.strategy import rows_of_a_part
from companion.fit.keras_private import same_names

Train = Callable[..., Any]
EPSILONS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}
# Epsilons of the weights' type. 41 right loops in as many styles were at most 1.4 from .fit, relative to
# numbers above 1. Loops that compute in float32 in a network of float64 were a hundred thousand away.
NOISE = 16


def _none() -> Sequence[keras.callbacks.Callback]:
    return ()


@dataclass(frozen=True)
class Problem:
    """A network, data and settings: all that ``train`` is called with, and how ``.fit`` is called.

    Attributes
    ----------
    title : str
        What to call it in a sentence.
    build_model : callable
        Gives the network, not compiled, with the same weights every time after
        ``keras.utils.set_random_seed``.
    x, y : ndarray of shape (n, ...)
        The data.
    loss : callable
        Makes the loss, an object of a class of ``keras.losses``.
    learning_rate : float
        For the optimizer.
    batch_size, epochs : int
        As for ``.fit``.
    shuffle : bool
        Likewise.
    seed : int
        Set before each training.
    optimizer : callable
        Makes the optimizer of ``.fit`` from the learning rate.
    class_weight : mapping of int to float, optional
        As for ``.fit``.
    callbacks : callable
        Makes the callbacks of ``.fit``.
    replicas : int
        How many train under the strategy of ``.fit``: an update takes the mean of the means over their
        parts of a batch.
    """

    title: str
    build_model: Callable[[], keras.Model]
    x: np.ndarray
    y: np.ndarray
    loss: Callable[[], keras.losses.Loss]
    learning_rate: float
    batch_size: int
    epochs: int
    shuffle: bool = False
    seed: int = 0
    optimizer: Callable[[float], Any] = keras.optimizers.SGD
    class_weight: Mapping[int, float] | None = None
    callbacks: Callable[[], Sequence[keras.callbacks.Callback]] = _none
    replicas: int = 1

    def start(self) -> keras.Model:
        """Set the seed and build the network."""
        keras.utils.set_random_seed(self.seed)
        with same_names(anew=True):
            return self.build_model()

    def compiled(self, *, run_eagerly: bool, jit_compile: bool | str = "auto") -> keras.Model:
        """Do the same, and compile it for ``.fit``."""
        model = self.start()
        how: dict[str, Any] = {"run_eagerly": run_eagerly, "jit_compile": jit_compile}
        model.compile(self.optimizer(self.learning_rate), self.loss(), **how)
        return model

    def fit(self, model: keras.Model) -> list[float]:
        """Train a compiled network by ``.fit``; return the loss of each epoch."""
        how: dict[str, Any] = {"batch_size": self.batch_size, "epochs": self.epochs, "shuffle": self.shuffle}
        how |= {"class_weight": self.class_weight, "callbacks": list(self.callbacks()), "verbose": 0}
        return model.fit(self.x, self.y, **how).history["loss"]

    def train(self, train: Train, model: keras.Model) -> Any:
        """Train a network by a learner's function; return what it returns."""
        how = {"learning_rate": self.learning_rate, "batch_size": self.batch_size, "epochs": self.epochs}
        return train(model, self.x.copy(), self.y.copy(), **how)

    @functools.cached_property
    def compute_types(self) -> set[str]:
        """Return the float types in which the layers compute: in mixed precision not that of the weights."""
        layers = getattr(self.start(), "layers", [])
        return {layer.compute_dtype for layer in layers if layer.compute_dtype in EPSILONS}

    @property
    def row_count(self) -> int:
        """Return how many rows the data has."""
        return len(tf.nest.flatten(self.x)[0])

    def row_weights(self) -> np.ndarray | None:
        """Return the weight of each row that comes from `class_weight`."""
        if self.class_weight is None:
            return None
        classes = self.y.reshape(len(self.y), -1)
        numbers = classes[:, 0] if classes.shape[1] == 1 else classes.argmax(axis=1)
        return np.array([self.class_weight.get(int(number), 1.0) for number in numbers], dtype="float32")

    def first_of_equal_rows(self) -> np.ndarray:
        """Return for each row the number of the first one that is equal to it."""
        rows = RowNumbers(self.x).of(self.x)
        assert rows is not None  # they are its own
        return rows


def over_replicas(loss_of: Callable[[Any], tf.Tensor], rows: Any, replicas: int) -> tf.Tensor:
    """Return the mean loss of a batch, with the gradient that replicas have of it.

    Parameters
    ----------
    loss_of : callable
        Returns the loss; takes None, or a weight for each row.
    rows : int
        The number of rows of the batch.
    replicas : int
        Each takes the mean over its part; a short batch may divide unevenly.
    """
    if replicas == 1:
        return loss_of(None)
    size = rows_of_a_part(rows, replicas)
    part = tf.range(rows) // size
    in_part = tf.minimum(size, rows - part * size)
    of_parts = loss_of(tf.cast(rows / (replicas * in_part), keras.config.floatx()))
    return of_parts + tf.stop_gradient(loss_of(None) - of_parts)


class Reference:
    """``.fit`` of a problem, run eagerly and watched: what a loop is held to.

    Attributes
    ----------
    recording : Recording
        All that ``.fit`` did; recorded when the reference is made, unless it is given.
    history : list of float
        The loss of each epoch.
    batches : list of list of ndarray
        By epoch and step: which rows.
    updates : list of Update
        One a step.
    """

    def __init__(self, problem: Problem, recording: Recording | None = None) -> None:
        self.problem = problem
        self.recording = recording or _watched_fit(problem)
        self.history = self.recording.history
        recording = self.recording
        forwards = [event for event in recording.events if isinstance(event, Forward)]
        # With use_ema, .fit assigns weights at its end: that is no step.
        self.updates = [event for event in recording.events if isinstance(event, Update) and event.settings]
        rows = [forward.rows for forward in forwards if forward.rows is not None]
        steps = len(rows) // len(self.history)  # a callback may have stopped it early
        self.batches = [rows[at : at + steps] for at in range(0, len(rows), steps)]

    @property
    def noise(self) -> float:
        """Return how far rounding alone may carry losses and weights, relatively and absolutely."""
        kinds = {array.dtype.name for array in self.recording.trained(self.recording.start)}
        kinds |= self.problem.compute_types
        return NOISE * max(EPSILONS[kind] for kind in kinds)

    @property
    def rates(self) -> list[float]:
        """Return the learning rate of each update."""
        return [update.settings["learning_rate"] for update in self.updates]


def _watched_fit(problem: Problem) -> Recording:
    model = problem.compiled(run_eagerly=True)
    with watch(model, problem.x, into_fit=True) as recording:
        recording.history = problem.fit(model)
    return recording
