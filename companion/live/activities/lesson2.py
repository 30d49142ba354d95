"""Lesson 2: values that go forward through 31 numbers, and slopes that come back."""

import functools

import keras
import numpy as np

from companion import lesson2
from companion.batches import batches_of_fit
from companion.comparison.history import Comparison
from companion.live.fits import Fits, Task
from companion.live.updates import Updates, Weights
from companion.precision import precision
from companion.report.landscape import names_of

DTYPE = "float64"
STAGES = (
    "at rest",
    "hidden units",
    "outputs",
    "loss",
    "slopes of the last layer",
    "slopes of the first layer",
)
FARTHEST = 2.0  # of a wiggle
EXPLODED = 100  # times the loss at first


@functools.cache
def updates() -> Updates:
    """Return the network's updates, the same for all sessions."""
    with precision(DTYPE):
        x, y = lesson2.load_data()
        batches = batches_of_fit(x, y, len(x), shuffle=False)
        return Updates(lesson2.build_model(), keras.losses.MeanSquaredError(), batches)


def by_hand_and_fit(rate: float, epochs: int) -> tuple[list[float], list[float], str]:
    """Train by hand and by ``model.fit``; return both histories and the verdict."""
    weights, by_hand = updates().start, []
    for _ in range(epochs):
        done = updates().update(weights, 0, rate)
        weights = done.weights
        by_hand.append(updates().loss_of_epoch([done.loss]))
    model = lesson2.build_model()
    x, y = lesson2.load_data()
    fit = lesson2.train_with_fit(model, x, y, learning_rate=rate, batch_size=1, epochs=epochs)
    return by_hand, fit, Comparison(by_hand, fit, weights, model.get_weights(), dtype=DTYPE).verdict()


def names() -> list[str]:
    """Name the 31 numbers, array after array."""
    return names_of(updates().start)


class Flow:
    """One image on its way through the network, and the gradient on its way back.

    Attributes
    ----------
    stage : int
        How far it has come: a number of `STAGES`.
    weights, slopes : list of ndarray
        The four arrays, and the loss's slope along each of their numbers, by the tape.
    losses : list of float
        Before each update that was made.
    begun_anew : bool
        Whether the last update began anew, since the rate had been changed.
    verdict : str
        Whether by hand and ``.fit`` are identical; "" while that is not known.
    """

    def __init__(self, fits: Fits, *, rate: float = lesson2.LEARNING_RATE) -> None:
        self.fits, self.rate = fits, rate
        self.x, self.y = lesson2.load_data()
        self.reset()

    def reset(self) -> None:
        """Go back to the initial weights."""
        self.weights: Weights = updates().start
        self.losses: list[float] = []
        self._rate: float | None = None  # of the updates so far
        self.begun_anew = False
        self._look()

    def _look(self) -> None:
        self.stage, self.verdict = 0, ""
        self._next = updates().update(self.weights, 0, self.rate)
        self.slopes = self._next.gradients
        self.z1, self.a1, self.outputs = (array[0] for array in lesson2.forward(self.weights, self.x))

    @property
    def loss(self) -> float:
        """Return the loss at the present weights."""
        return self._next.loss

    def go_on(self) -> bool:
        """Go to the next stage; return whether there was one."""
        self.stage += self.stage < len(STAGES) - 1
        return self.stage < len(STAGES) - 1

    def update(self, rate: float) -> None:
        """Make an update, and begin the next way through."""
        self.begun_anew = self._rate is not None and rate != self._rate
        if self.begun_anew:
            self.losses = []
            self.weights = updates().start  # .fit has one rate: with another, both begin anew
            self._look()
        self._rate = self.rate = rate
        done = updates().update(self.weights, 0, rate)
        self.losses.append(done.loss)
        self.weights = done.weights
        self._look()

    def wiggled(self, number: int, by: float) -> tuple[float, float]:
        """Return the loss if one of the 31 numbers is moved, and what its slope foretells of that."""
        moved = [array.copy() for array in self.weights]
        flat, at = number, 0
        while flat >= moved[at].size:
            flat -= moved[at].size
            at += 1
        moved[at].flat[flat] += by
        slope = float(self.slopes[at].flat[flat])
        return float(lesson2.mean_squared_error(moved, self.x, self.y)), self.loss + slope * by

    def back(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the slopes of the loss along the outputs and along the sums of the hidden units."""
        d_outputs = 2 * (self.outputs - self.y[0]) / self.y.size
        return d_outputs, (self.weights[2] @ d_outputs) * (self.z1 > 0)

    def value(self, number: int) -> float:
        """Return one of the 31 numbers."""
        return float(np.concatenate([array.ravel() for array in self.weights])[number])

    def product(self, number: int) -> str:
        """Return the product that makes the slope of one of the 31 numbers, by the chain rule."""
        d_outputs, d_hidden = self.back()
        sizes = [array.size for array in self.weights]
        if number < sizes[0]:
            row, column = divmod(number, len(self.a1))
            return _product(
                f"pixel {row}", self.x[0, row], f"the slope at hidden unit {column}", d_hidden[column]
            )
        number -= sizes[0]
        if number < sizes[1]:
            return f"the slope at hidden unit {number}, {d_hidden[number]:.4f}"
        number -= sizes[1]
        if number < sizes[2]:
            row, column = divmod(number, len(self.outputs))
            return _product(
                f"hidden unit {row}", self.a1[row], f"the slope at output {column}", d_outputs[column]
            )
        return f"the slope at output {number - sizes[2]}, {d_outputs[number - sizes[2]]:.4f}"

    def ask_fit(self) -> bool:
        """Take what ``.fit`` gives for the updates that were made; return whether there is news."""
        if not self.losses or self.verdict:
            return False
        task = Task("lesson2", DTYPE, (self._rate, len(self.losses)))
        self.verdict = self.fits.verdict(self, task, self.losses)
        return bool(self.verdict)

    def words(self) -> str:
        """Return a line: what happens in this stage."""
        dead = [str(unit) for unit, value in enumerate(self.z1) if value <= 0]
        silent = f" Silent: unit {' and '.join(dead)}, whose sum is not above 0." if dead else ""
        if len(dead) == len(self.z1):
            silent = " All are silent: no slope comes back to the first layer. Press Reset."
        outputs = self.y.size
        return (
            f"The four pixels wait at the left. {self._updates()}",
            f"Each hidden unit adds up pixel times weight, and keeps what is above 0.{silent}",
            f"Each output adds up unit times weight: {_told(self.outputs)}. Wanted: {_told(self.y[0])}.",
            f"The loss is the mean of the squared errors: {self.loss:.6g}. Its slope along an output is 2 "
            f"times the error, over {outputs}: {_told(self.back()[0])}.",
            "Back: the slope of a weight is the value that came in, times the slope at the end of its line.",
            "Further back: a hidden unit collects the slopes of all outputs. A silent one passes on nothing.",
        )[self.stage]

    def _updates(self) -> str:
        """Return what the updates have done to the loss."""
        count = len(self.losses)
        if not count:
            return "No update was made yet."
        told = f"Update {count} has moved the loss from {self.losses[-1]:.6g} to {self.loss:.6g}."
        if not self.loss < EXPLODED * self.losses[0]:
            told += " It has exploded: press Reset, and take a smaller rate."
        anew = "Both began anew, since .fit has one rate for all updates. " if self.begun_anew else ""
        return anew + told


def _product(one: str, value: float, other: str, slope: float) -> str:
    return f"{one}, {value:.4f}, times {other}, {slope:.4f}"


def _told(numbers: np.ndarray) -> str:
    return ", ".join(f"{number:.2f}" for number in numbers)
