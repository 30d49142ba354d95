"""What ``.fit`` would have done at a moment of the learner's run: same weights, same rows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf

from companion.diagnosis.problem import Problem
from companion.diagnosis.recording import Forward, State

OTHER_LOSSES = ("MeanSquaredError", "MeanAbsoluteError", "BinaryCrossentropy")


@dataclass(frozen=True)
class Variant:
    """A way to compute the loss of a batch, the right one or a mistaken one.

    Attributes
    ----------
    training : bool
        With which the network is called.
    form : str
        "fit" as ``.fit`` does; "swapped" with labels and predictions in each other's place;
        "logits" with ``from_logits`` turned over; "broadcast" each prediction against each
        label; "unweighted" and "normalized" without class weights and divided by their sum;
        or the name of another loss.
    """

    training: bool = True
    form: str = "fit"


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
    """A second network to put weights into and compute with.

    Parameters
    ----------
    problem : Problem
        Its network, data and loss are used.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.twin = problem.start()
        self.loss = problem.loss()
        self.weights = problem.row_weights()
        self.x, self.y = (_as_fit_casts(array) for array in (problem.x, problem.y))
        self._known: dict[tuple[int, Variant], Point] = {}
        self._after: dict[int, State] = {}

    def variants(self) -> Iterator[Variant]:
        """List the ways that are told apart, the right one first."""
        forms = ["fit", "broadcast", "swapped", "logits"]
        if self.weights is not None:
            forms += ["unweighted", "normalized"]
        forms += [name for name in OTHER_LOSSES if name != type(self.loss).__name__]
        for form in forms:
            if self._allowed(form):
                yield from (Variant(True, form), Variant(False, form))

    def _allowed(self, form: str) -> bool:
        same_shape = self.twin.output_shape[1:] == self.y.shape[1:] and self.y.dtype.kind == "f"
        if form in ("swapped", *OTHER_LOSSES):
            return same_shape
        if form == "logits":
            return "from_logits" in self.loss.get_config()
        return form != "broadcast" or (same_shape and self.y.shape[1:] == (1,))

    def at(self, forward: Forward, variant: Variant) -> Point:
        """Compute loss and gradient at the weights and rows of a forward pass."""
        key = (id(forward), variant)
        if key not in self._known:
            self._known[key] = self._compute(forward, variant)
        return self._known[key]

    def _compute(self, forward: Forward, variant: Variant) -> Point:
        assert forward.rows is not None
        self.put(forward.state)
        x, y = self.x[forward.rows], self.y[forward.rows]
        variables = self.twin.trainable_variables
        with tf.GradientTape(persistent=True) as tape:
            y_pred = self.twin(x, training=variant.training)
            loss = self._loss(y, y_pred, forward.rows, variant.form)
            penalty = tf.add_n([tf.zeros(()), *self.twin.losses])
        if variant == Variant(training=variant.training):
            self._after[id(forward)] = [v.numpy() for v in self.twin.variables]
        of_loss, of_penalty = (
            [
                np.zeros(v.shape, v.dtype) if slope is None else np.array(tf.convert_to_tensor(slope))
                for slope, v in zip(tape.gradient(target, variables), variables, strict=True)
            ]
            for target in (loss, penalty)
        )
        return Point(float(loss), float(penalty), of_loss, of_penalty)

    def put(self, state: State) -> None:
        """Give the second network these variables."""
        for variable, value in zip(self.twin.variables, state, strict=True):
            variable.assign(value)

    def state_after(self, forward: Forward, training: bool) -> State:
        """Give all variables as the forward pass leaves them: moving averages and seeds move on."""
        self._known.pop((id(forward), Variant(training)), None)
        self.at(forward, Variant(training))
        return self._after[id(forward)]

    def _loss(self, y: np.ndarray, y_pred: tf.Tensor, rows: np.ndarray, form: str) -> tf.Tensor:
        weights = None if self.weights is None else self.weights[rows]
        if form == "swapped":
            return self.loss(y_pred, y)
        if form == "logits":
            config = self.loss.get_config()
            turned = type(self.loss).from_config(config | {"from_logits": not config["from_logits"]})
            return turned(y, y_pred)
        if form == "broadcast":
            return self.loss(np.tile(y, (len(y), 1)), tf.repeat(y_pred, len(y), axis=0))
        if form in OTHER_LOSSES:
            return getattr(keras.losses, form)()(y, y_pred)
        if form == "unweighted":
            weights = None
        loss = self.loss(y, y_pred, sample_weight=weights)
        return loss * len(rows) / weights.sum() if form == "normalized" and weights is not None else loss


def _as_fit_casts(array: np.ndarray) -> np.ndarray:
    return array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array


def without_rows(forward: Forward, rows: np.ndarray) -> Forward:
    """Give a forward pass whose rows could not be seen those that it should have had."""
    return replace(forward, rows=rows)
