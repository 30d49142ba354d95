"""The loss as a landscape over the weights: along one weight, and its slope along all of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from companion.terminal.console import Report
from companion.terminal.formats import number_word, short_loss

MOST_TRIED = 50  # weights, among which to find one in a valley
REACH = 3.0  # how far to look along a weight, to both sides
POINTS = 21
SHOWN = 2  # every so many of the points stand in the report
WIGGLE = 0.01  # wide enough to stand out from float32's rounding of the loss


class WeightHistory(keras.callbacks.History):
    """What ``.fit`` leaves as ``model.history``, and the weights that each epoch has left."""

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Begin with nothing."""
        super().on_train_begin(logs)
        self.weights: list[list[np.ndarray]] = []

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Keep the losses and the weights."""
        super().on_epoch_end(epoch, logs)
        self.weights.append(self.model.get_weights())


class LandscapePoint(NamedTuple):
    """Where a network stands: its weights, the loss over all rows, the slope along each of its numbers."""

    weights: list[np.ndarray]
    loss: float
    gradient: np.ndarray


class Survey:
    """Measure the loss, and its gradient, over all rows at once, wherever the weights are put.

    Parameters
    ----------
    model : keras.Model
        Lends its form; its own weights are put back after each measurement.
    loss_function : callable
        From targets and outputs to the mean loss.
    x, y : ndarray of n rows
        Floats are cast to the model's type.
    """

    def __init__(
        self, model: keras.Model, loss_function: Callable[..., tf.Tensor], x: np.ndarray, y: np.ndarray
    ) -> None:
        self.model = model
        inputs, targets = tf.constant(x, model.dtype), tf.constant(y)
        variables = model.trainable_variables

        @tf.function
        def measure(xs: tf.Tensor, ys: tf.Tensor) -> tf.Tensor:
            return loss_function(ys, model(xs))

        @tf.function
        def differentiate(xs: tf.Tensor, ys: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
            with tf.GradientTape() as tape:
                loss = loss_function(ys, model(xs))
            return loss, tape.gradient(loss, variables)

        self._measure = lambda: measure(inputs, targets)
        self._differentiate = lambda: differentiate(inputs, targets)

    def loss(self, weights: Sequence[np.ndarray]) -> float:
        """Return the mean loss of all rows at `weights`, which are as ``model.get_weights()`` gives them."""
        return float(self._at(weights, self._measure))

    def place(self, weights: Sequence[np.ndarray]) -> LandscapePoint:
        """Return the loss and the gradient there."""
        loss, gradients = self._at(weights, self._differentiate)
        return LandscapePoint(list(weights), float(loss), flat(gradients))

    def _at(self, weights: Sequence[np.ndarray], measure: Callable[[], Any]) -> Any:
        own = self.model.get_weights()
        self.model.set_weights(weights)
        measured = measure()
        self.model.set_weights(own)
        return measured


def move(weights: Sequence[np.ndarray], number: int, by: float) -> list[np.ndarray]:
    """Return the weights with one number moved.

    Parameters
    ----------
    weights : sequence of ndarray
        Left as they are.
    number : int
        Which, counted through all arrays one after the other.
    by : float
        How far.

    Returns
    -------
    list of ndarray
    """
    moved = [array.copy() for array in weights]
    for array in moved:
        if number < array.size:
            array.flat[number] += by
            break
        number -= array.size
    return moved


def steepest_in_a_valley(survey: Survey, here: LandscapePoint) -> int:
    """Return the number of the steepest weight, no bias, along which the loss is higher at both ends."""
    is_weight = flat([np.full(array.shape, array.ndim > 1) for array in here.weights])
    steepest = np.argsort(-np.abs(here.gradient) * is_weight)[:MOST_TRIED]
    for number in steepest:
        ends = [survey.loss(move(here.weights, number, side * REACH)) for side in (-1, 1)]
        if min(ends) > here.loss:
            return int(number)
    return int(steepest[0])  # where no number is finite, say


def step_down(place: LandscapePoint, rate: float) -> list[np.ndarray]:
    """Return the weights that one step against the gradient leads to."""
    weights, start = [], 0
    for array in place.weights:
        slope = place.gradient[start : start + array.size].reshape(array.shape)
        weights.append((array - rate * slope).astype(array.dtype))
        start += array.size
    return weights


def look_along(
    survey: Survey, weights: Sequence[np.ndarray], rate: float
) -> tuple[str, dict[str, np.ndarray], dict[str, float]]:
    """Take the steepest weight that stands in a valley, measure the loss along it, and take one step down.

    Parameters
    ----------
    survey : Survey
        Of the network and all its rows.
    weights : sequence of ndarray
        Where to start.
    rate : float
        The learning rate.

    Returns
    -------
    name : str
        Of the weight, such as "W3[5,2]".
    line : dict of str to ndarray
        ``weight``, its values, and ``loss``.
    step : dict of str to float
        ``old`` and ``new`` value, ``loss`` and ``new_loss``, ``slope`` by tape and ``wiggled``.
    """
    here = survey.place(weights)
    number = steepest_in_a_valley(survey, here)
    old, slope = float(flat(weights)[number]), float(here.gradient[number])
    offsets = np.linspace(-REACH, REACH, POINTS)
    losses = np.array([survey.loss(move(weights, number, offset)) for offset in offsets])
    above, below = (survey.loss(move(weights, number, side * WIGGLE)) for side in (1, -1))
    new_loss = survey.loss(move(weights, number, -rate * slope))
    step = {"old": old, "new": old - rate * slope, "slope": slope, "wiggled": (above - below) / (2 * WIGGLE)}
    line = {"weight": old + offsets, "loss": losses}
    return names_of(weights)[number], line, step | {"loss": here.loss, "new_loss": new_loss}


def print_slice(
    report: Report, name: str, line: Mapping[str, np.ndarray], step: Mapping[str, float], rate: float
) -> None:
    """Print what `look_along` found.

    Parameters
    ----------
    report : Report
        Printed on.
    name, line, step
        As from there.
    rate : float
        The learning rate.
    """
    report.part(f"One parameter, {name}: the loss along it, a valley seen from the side")
    pairs = list(zip(line["weight"], line["loss"], strict=True))[::SHOWN]
    report.table(["the weight", "loss"], [[f"{weight:.4f}", short_loss(loss)] for weight, loss in pairs])
    way = "down" if step["slope"] > 0 else "up"
    change = step["new_loss"] - step["loss"]
    report.facts(
        [
            ("here", f"the weight is {step['old']:.4f}, the loss {step['loss']:.6f}"),
            ("slope", f"{step['slope']:.4f} by tape, {step['wiggled']:.4f} wiggled: the weight goes {way}"),
            ("step", f"minus {rate:g} times slope: {step['old']:.4f} becomes {step['new']:.4f}"),
            ("loss then", f"{step['new_loss']:.6f}, that is {change:+.6f}; the slope alone promises "
             f"{-rate * step['slope'] ** 2:+.6f}"),
        ]
    )  # fmt: skip


def print_lengths(
    report: Report,
    places: Sequence[LandscapePoint],
    stepped: Sequence[float],
    batch_length: float,
    rate: float,
    dtype: str,
) -> None:
    """Print how long the gradient is at the start and after each epoch, and what small would be.

    Parameters
    ----------
    report : Report
        Printed on.
    places : sequence of LandscapePoint
        At the start and after each epoch.
    stepped : sequence of float
        The loss one step from each of them.
    batch_length : float
        The mean length of the gradients of single batches at the last place.
    rate : float
        The learning rate.
    dtype : str
        Of the losses.
    """
    count = len(places[0].gradient)
    report.part(f"The gradient of all {count:,} parameters, over all rows: its length")
    lengths = [float(np.linalg.norm(place.gradient)) for place in places]
    rows = []
    for number, (place, length, loss) in enumerate(zip(places, lengths, stepped, strict=True)):
        when = f"epoch {number - 1}" if number else "start"
        falls = (_short(rate * length**2), _short(place.loss - loss))
        share = f"{length / lengths[0]:.0%}" if np.isfinite(length) else number_word(length)
        rows.append([when, short_loss(place.loss), short_loss(length), share, *falls])
    columns = ["loss of\nall rows", "gradient's\nlength", "relative to\nthe start"]
    columns += ["a step promises\nto lower it by", "and lowers\nit by"]
    report.table(["after", *columns], rows, text_columns=(0,))
    loss, length = places[-1].loss, lengths[-1]
    if not np.isfinite([loss, length, batch_length]).all():
        report.print("The training has ended without a finite loss or gradient: there is nothing to measure.")
        return
    resolution = float(np.spacing(np.array(loss, dtype)))
    report.print(
        f"Small enough to stop? A small step lowers the loss by {rate:g} times length squared. The next "
        f"{dtype} after {loss:.4f} is {resolution:.2g} away. So a step does nothing if the length is below "
        f"{np.sqrt(resolution / rate):.2g}. Here it is {length:.2g}: training stops because its epochs are "
        f"over. The gradient of a single batch has the length {batch_length:.2g} on average. Batches pull "
        "in different directions, and each update follows one of them. So the weights keep moving."
    )


def _short(value: float) -> str:
    """Write a number with two digits."""
    return f"{value:.2g}" if np.isfinite(value) else number_word(value)


def mean_batch_length(
    model: keras.Model, loss_function: Callable[..., tf.Tensor], batches: tf.data.Dataset
) -> float:
    """Return the mean length of the gradients of `batches`, each at the model's weights."""

    @tf.function
    def differentiate(xb: tf.Tensor, yb: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = loss_function(yb, model(xb))
        return tape.gradient(loss, model.trainable_variables)

    return float(np.mean([np.linalg.norm(flat(differentiate(xb, yb))) for xb, yb in batches]))


def names_of(weights: Sequence[np.ndarray]) -> list[str]:
    """Name every number of a network of dense layers: "W1[0,2]", "b1[2]", counted from 0."""
    names = []
    for number, array in enumerate(weights):
        array_name = f"{'W' if array.ndim == 2 else 'b'}{number // 2 + 1}"
        names += [f"{array_name}[{','.join(map(str, index))}]" for index in np.ndindex(array.shape)]
    return names


def flat(arrays: Sequence[Any]) -> np.ndarray:
    """Put all numbers of some arrays one after the other, as float64."""
    return np.concatenate([np.asarray(array, dtype="float64").ravel() for array in arrays])
