"""What ``.fit`` would have done at a moment of the learner's run: same weights, same rows."""

import functools
import itertools
import math
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from companion.check.problem import Problem, over_replicas
from companion.check.recording.events import Forward, State

OTHER_LOSSES = ("MeanSquaredError", "MeanAbsoluteError", "BinaryCrossentropy")


@dataclass(frozen=True)
class Variant:
    """A way to compute the loss of a batch, the right one or a mistaken one.

    Attributes
    ----------
    training : bool
        The argument `training` in the call of the network.
    pairing : str
        "row by row"; "swapped", with labels and predictions in each other's place; or
        "broadcast", each prediction against each label.
    loss : str
        "fit"; "logits", with ``from_logits`` turned over; or the name of another loss.
    weights : str
        "fit"; "unweighted", without class weights; "normalized", divided by their sum.
    """

    training: bool = True
    pairing: str = "row by row"
    loss: str = "fit"
    weights: str = "fit"

    @property
    def mistakes(self) -> int:
        """Count the differences from the right variant."""
        return sum(a != b for a, b in zip(astuple(self), (True, "row by row", "fit", "fit"), strict=True))


@dataclass(frozen=True)
class Point:
    """Loss and gradient at one moment.

    Attributes
    ----------
    loss, penalty : float
        That of the batch, and all that ``model.losses`` adds.
    loss_gradient, penalty_gradient : list of ndarray
        By trainable variable.
    """

    loss: float
    penalty: float
    loss_gradient: list[np.ndarray]
    penalty_gradient: list[np.ndarray]


class Replay:
    """A second network to put weights into and compute with."""

    def __init__(self, problem: Problem, trace_after: int | None = None) -> None:
        self.problem, self.trace_after = problem, trace_after
        self._computed: Counter[Variant] = Counter()
        self._traced: dict[Variant, Any] = {}
        self.twin = problem.start()
        self.loss = problem.loss()
        self.weights = problem.row_weights()
        self.x, self.y = (tf.nest.map_structure(_as_fit_casts, data) for data in (problem.x, problem.y))
        # By forward pass, which is kept, so that no other gets its id.
        self._known: dict[tuple[int, Variant], tuple[Forward, Point]] = {}
        self._after: dict[tuple[int, bool], State] = {}

    def variants(self) -> list[Variant]:
        """List the ways that are told apart: the right one first, then those with fewer mistakes."""
        pairings, losses, weightings = ["row by row"], ["fit"], ["fit"]
        if isinstance(self.y, np.ndarray) and self.compares_number_by_number():
            losses += [name for name in OTHER_LOSSES if name != type(self.loss).__name__]
            pairings += ["swapped"] if self.y.dtype.kind == "f" else []
            pairings += ["broadcast"] if self.output_shape == (1,) else []
        if "from_logits" in self.loss.get_config():
            losses += ["logits"]
        if self.weights is not None:
            weightings += ["unweighted", "normalized"]
        ways = itertools.product((True, False), pairings, losses, weightings)
        return sorted((Variant(*way) for way in ways), key=lambda variant: variant.mistakes)

    @functools.cached_property
    def output_shape(self) -> tuple[int, ...]:
        """Return the shape of the prediction for a row; () if there are several."""
        rows = np.arange(min(self.problem.batch_size, len(tf.nest.flatten(self.x)[0])))  # it may be fixed
        prediction = self.twin(take(self.x, rows), training=False)
        return tuple(prediction.shape[1:]) if isinstance(prediction, tf.Tensor) else ()

    def compares_number_by_number(self) -> bool:
        """Return whether there is a label for each number that the network predicts, in whatever shape."""
        return self.y.dtype.kind in "fiub" and self.y[0].size == np.prod(self.output_shape, dtype=int) > 0

    def forget(self) -> None:
        """Forget all computed values: the run that they belong to is over."""
        self._known.clear()
        self._after.clear()

    def at(self, forward: Forward, variant: Variant) -> Point:
        """Compute loss and gradient at the weights and rows of a forward pass."""
        key = (id(forward), variant)
        if key not in self._known:
            self._known[key] = (forward, self._compute(forward, variant))
        return self._known[key][1]

    def _compute(self, forward: Forward, variant: Variant) -> Point:
        assert forward.rows is not None
        self.put(forward.state)
        rows = forward.rows
        weights = None if self.weights is None else self.weights[rows]
        loss, penalty, of_loss, of_penalty = self._function(variant)(
            take(self.x, rows), take(self.y, rows), weights
        )
        if variant == Variant(training=variant.training):
            self._after[id(forward), variant.training] = [v.numpy() for v in self.twin.variables]
        slopes = [[np.array(slope) for slope in found] for found in (of_loss, of_penalty)]
        return Point(float(loss), float(penalty), *slopes)

    def _function(self, variant: Variant) -> Callable[..., Any]:
        """Return a function that differentiates a variant: Python code, or after many calls a graph."""
        differentiate = functools.partial(self._differentiate, variant)
        self._computed[variant] += 1
        plain = variant.pairing == "row by row" and variant.weights == "fit"
        if not plain or self.trace_after is None or self._computed[variant] <= self.trace_after:
            return differentiate
        if variant not in self._traced:
            self._traced[variant] = tf.function(differentiate, autograph=False, reduce_retracing=True)
        return self._traced[variant]

    def _differentiate(self, variant: Variant, x: Any, y: Any, weights: Any) -> tuple[Any, ...]:
        """Return loss and penalty of a batch, and the gradients of both."""
        variables = self.twin.trainable_variables
        # Keras warns of a mistaken from_logits, which is tried here on purpose.
        with warnings.catch_warnings(action="ignore"), tf.GradientTape(persistent=True) as tape:
            y_pred = self.twin(x, training=variant.training)
            loss = self._loss(y, y_pred, weights, variant)
            penalty = tf.add_n([tf.zeros((), loss.dtype), *self.twin.losses])
        of_loss, of_penalty = (
            [
                tf.zeros(v.shape, v.dtype) if slope is None else tf.convert_to_tensor(slope)
                for slope, v in zip(tape.gradient(target, variables), variables, strict=True)
            ]
            for target in (loss, penalty)
        )
        return loss, penalty, of_loss, of_penalty

    @functools.cached_property
    def optimizer(self) -> keras.optimizers.Optimizer:
        """Return the optimizer of ``.fit``, built for the second network."""
        made = self.problem.optimizer(self.problem.learning_rate)
        if isinstance(made.get_config()["learning_rate"], dict):  # a schedule, which nobody can set
            rate = self.problem.learning_rate
            made = type(made).from_config(made.get_config() | {"learning_rate": rate})
        made.build(self.twin.trainable_variables)
        self._unused = [variable.numpy() for variable in made.variables]
        return made

    @functools.cached_property
    def _applied(self) -> Any:
        return tf.function(self._apply, autograph=False)

    def _apply(self, gradients: list[Any]) -> None:
        pairs = zip(gradients, self.twin.trainable_variables, strict=True)
        used = [(gradient, variable) for gradient, variable in pairs if gradient is not None]
        self.optimizer.apply([gradient for gradient, _ in used], [variable for _, variable in used])

    def start_updates(self) -> None:
        """Let the optimizer have made no update yet."""
        for variable, value in zip(self.optimizer.variables, self._unused, strict=True):
            variable.assign(value)

    def updated(self, before: State, gradients: Sequence[np.ndarray | None], rate: float) -> State:
        """Return the trainable variables after the next update of the optimizer of ``.fit``."""
        variables = self.twin.trainable_variables
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
        self.optimizer.learning_rate = rate
        apply = self._apply if self.trace_after is None else self._applied  # a graph, for many runs
        apply([None if gradient is None else tf.convert_to_tensor(gradient) for gradient in gradients])
        return [np.array(variable.numpy()) for variable in variables]

    def put(self, state: State) -> None:
        """Give the second network these variables."""
        for variable, value in zip(self.twin.variables, state, strict=True):
            variable.assign(value)

    def state_after(self, forward: Forward, training: bool) -> State:
        """Return all variables as the forward pass leaves them: moving averages and seeds move on."""
        self.at(forward, Variant(training))
        return self._after[id(forward), training]

    def _loss(self, y: Any, y_pred: tf.Tensor, weights: Any, variant: Variant) -> tf.Tensor:
        loss = self.loss
        if variant.loss == "logits":
            config = loss.get_config()
            loss = type(loss).from_config(config | {"from_logits": not config["from_logits"]})
        elif variant.loss != "fit":
            loss = getattr(keras.losses, variant.loss)()
        if variant.pairing == "swapped":
            return loss(y_pred, np.reshape(y, y_pred.shape))
        if variant.pairing == "broadcast":
            return loss(np.tile(y.reshape(-1, 1), (len(y), 1)), tf.repeat(y_pred, len(y), axis=0))
        if variant.weights == "unweighted":
            weights = None

        def loss_of(of_parts: Any) -> tf.Tensor:
            given = [one for one in (weights, of_parts) if one is not None]
            return loss(y, y_pred, sample_weight=math.prod(given)) if given else loss(y, y_pred)

        mean = over_replicas(loss_of, tf.shape(tf.nest.flatten(y_pred)[0])[0], self.problem.replicas)
        normalized = weights is not None and variant.weights == "normalized"
        return mean * (len(weights) / weights.sum() if normalized else 1)


def take(data: Any, rows: np.ndarray) -> Any:
    """Return these rows of an array, or of each array of several."""
    return tf.nest.map_structure(lambda array: array[rows], data)


def _as_fit_casts(array: np.ndarray) -> np.ndarray:
    return array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array
