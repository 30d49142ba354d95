"""Lesson 5: a network that learns to read, and a digit of one's own."""

import functools
from collections.abc import Sequence

import keras
import numpy as np

from companion import lesson5
from companion.batches import batches_of_fit
from companion.comparison.history import Comparison
from companion.datasets import digits
from companion.live.fits import Fits, Task
from companion.live.updates import Updates, Weights
from companion.precision import precision

DTYPE = "float32"
ROWS = 6400  # of the 60,000: an epoch takes about a second
SIDE = 28  # pixels
BRUSH = 1.1  # pixels: the radius of the pen
MOST_SHOWN = 12  # wrong answers


@functools.cache
def updates() -> Updates:
    """Return the network's updates, the same for all sessions."""
    with precision(DTYPE):
        model = lesson5.build_model()  # sets the seed, on which the order depends
        batches = batches_of_fit(*_rows(), lesson5.BATCH_SIZE, shuffle=True)
        return Updates(model, keras.losses.SparseCategoricalCrossentropy(), batches)


@functools.cache
def _rows() -> tuple[np.ndarray, np.ndarray]:
    x, y = lesson5.load_data()
    return x[:ROWS], y[:ROWS]


@functools.cache
def test_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels of digits that no training has seen, and which digit each is."""
    return digits()[1]


def by_hand_and_fit(rates: Sequence[float]) -> tuple[list[float], list[float], str]:
    """Train by hand and by ``model.fit``, an epoch a rate; return both histories and the verdict."""
    reader = Reader(Fits())
    for rate in rates:
        reader.rate = rate
        reader.step(reader.left_in_epoch())
    model = lesson5.build_model()
    model.compile(keras.optimizers.SGD(rates[0]), keras.losses.SparseCategoricalCrossentropy())
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, _: float(rates[epoch]))
    how = {"batch_size": lesson5.BATCH_SIZE, "shuffle": True, "epochs": len(rates), "verbose": 0}
    fit = model.fit(*_rows(), callbacks=[schedule], **how).history["loss"]
    compared = Comparison(reader.losses, fit, reader.weights, model.get_weights(), dtype=DTYPE)
    return reader.losses, fit, compared.verdict()


class Reader:
    """A network that learns to read, and the digit that is drawn for it.

    Attributes
    ----------
    weights : list of ndarray
        As they are now.
    losses : list of float
        Of the epochs that are done, as ``.fit`` reports them.
    batches : int
        How many batches of the present epoch are done.
    lengths : list of float
        The gradient's length in the last update, by layer.
    drawing : ndarray of shape (28, 28)
        From 0 to 1.
    verdict : str
        Whether by hand and ``.fit`` are identical; "" while that is not known.
    """

    def __init__(self, fits: Fits, *, rate: float = lesson5.LEARNING_RATE) -> None:
        self.fits, self.rate = fits, rate
        self.drawing = np.zeros((SIDE, SIDE))
        self._pen = (0.0, 0.0)  # where it was last
        self.truth: int | None = None  # of a digit that was not drawn, but chosen
        self.reset()

    def reset(self) -> None:
        """Go back to the initial weights; the drawing stays."""
        self.weights: Weights = updates().start
        self.losses: list[float] = []
        self.lengths = [0.0, 0.0, 0.0]
        self.verdict = ""
        self.rates: list[float] = []
        self._seen: list[float] = []

    @property
    def batches(self) -> int:
        """Return how many batches of the present epoch are done."""
        return len(self._seen)

    def step(self, count: int = 1) -> None:
        """Make some updates."""
        for _ in range(count):
            if not self._seen:
                self.rates.append(self.rate)  # .fit keeps a rate for a whole epoch
            done = updates().update(self.weights, len(self._seen), self.rates[-1])
            self.weights = done.weights
            self._seen.append(done.loss)
        pairs = zip(done.gradients[::2], done.gradients[1::2], strict=True)
        self.lengths = [float(np.hypot(np.linalg.norm(w), np.linalg.norm(b))) for w, b in pairs]
        if len(self._seen) == len(updates().batches):
            self.losses.append(updates().loss_of_epoch(self._seen))
            self._seen, self.verdict = [], ""

    def left_in_epoch(self) -> int:
        """Return how many batches are left in the present epoch."""
        return len(updates().batches) - len(self._seen)

    def layers(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Return the units of both hidden layers and the ten answers, for rows of pixels."""
        w1, b1, w2, b2, w3, b3 = self.weights
        first = np.maximum(pixels @ w1 + b1, 0)
        second = np.maximum(first @ w2 + b2, 0)
        sums = second @ w3 + b3
        powers = np.exp(sums - sums.max(axis=1, keepdims=True))
        return [first, second, powers / powers.sum(axis=1, keepdims=True)]

    def answers(self) -> list[np.ndarray]:
        """Return the same for the drawing, moved to the middle as the digits of the data are."""
        return [layer[0] for layer in self.layers(centered(self.drawing).reshape(1, -1).astype(DTYPE))]

    def draw(self, across: float, up: float, *, goes_on: bool = False) -> None:
        """Put the pen down at a place, or move it there; places are pixels from the lower left."""
        rows, columns = np.indices((SIDE, SIDE)) + 0.5
        start, end = np.array(self._pen if goes_on else (across, up)), np.array((across, up))
        steps = 1 + int(2 * np.linalg.norm(end - start))
        for part in np.linspace(0, 1, steps + 1):
            x, y = start + part * (end - start)
            distance = np.hypot(columns - x, (SIDE - rows) - y)
            self.drawing = np.maximum(self.drawing, np.clip(1.6 - distance / BRUSH, 0, 1))
        self.truth, self._pen = None, (across, up)

    def clear(self) -> None:
        """Take a new sheet."""
        self.drawing, self.truth = np.zeros((SIDE, SIDE)), None

    def choose(self, number: int) -> None:
        """Take a digit of the test data in place of a drawing."""
        x, y = test_digits()
        self.drawing, self.truth = x[number].reshape(SIDE, SIDE).astype("float64"), int(y[number])

    def accuracy(self) -> float:
        """Return the share of the test digits that are read rightly now."""
        x, y = test_digits()
        return float(np.mean(self.layers(x)[-1].argmax(axis=1) == y))

    def wrong(self) -> list[tuple[int, int, float]]:
        """Return the test digits that are read wrongly, the surest first: number, answer, probability."""
        x, y = test_digits()
        probabilities = self.layers(x)[-1]
        said = probabilities.argmax(axis=1)
        sure = probabilities.max(axis=1)
        numbers = np.flatnonzero(said != y)
        numbers = numbers[np.argsort(-sure[numbers], kind="stable")][:MOST_SHOWN]
        return [(int(n), int(said[n]), float(sure[n])) for n in numbers]

    def ask_fit(self) -> bool:
        """Take what ``.fit`` gives for the epochs that are done; return whether there is news."""
        if not self.losses or self.verdict:
            return False
        task = Task("lesson5", DTYPE, (tuple(self.rates[: len(self.losses)]),))
        self.verdict = self.fits.verdict(self, task, self.losses)
        return bool(self.verdict)

    def words(self) -> str:
        """Return a line: what the network makes of the drawing."""
        epochs, batches = len(self.losses), self.batches
        told = f"After {epochs} epoch{'s' * (epochs != 1)} and {batches} batch{'es' * (batches != 1)}"
        if not self.drawing.any():
            return f"{told} it waits for a digit: draw one, or choose one."
        answers = self.answers()[-1]
        said, second = np.argsort(-answers)[:2]
        sure = (
            f"{told} it says {said}, with {answers[said]:.0%}; next is {second}, with {answers[second]:.0%}."
        )
        return sure if self.truth is None else f"{sure} It is a {self.truth}."


def centered(drawing: np.ndarray) -> np.ndarray:
    """Return a drawing whose center of mass is in the middle."""
    total = drawing.sum()
    if not total:
        return drawing
    rows, columns = np.indices(drawing.shape)
    down, right = (round((SIDE - 1) / 2 - float((at * drawing).sum() / total)) for at in (rows, columns))
    moved = np.zeros_like(drawing)
    source = drawing[max(0, -down) : SIDE - max(0, down), max(0, -right) : SIDE - max(0, right)]
    moved[max(0, down) : max(0, down) + source.shape[0], max(0, right) : max(0, right) + source.shape[1]] = (
        source
    )
    return moved
