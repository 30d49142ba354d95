"""Lesson 1's ball: a neuron of two weights and a bias on the surface of its loss, update by update."""

import functools
import itertools
from collections.abc import Sequence

import keras
import numpy as np

from companion import lesson1
from companion.batches import batches_of_fit
from companion.comparison.history import Comparison
from companion.live.fits import Fits, Task
from companion.live.updates import Updates, Weights
from companion.precision import precision

BATCH_SIZES = (4, 2, 1)
LONGEST = 2000  # epochs
DTYPE = "float64"
PROOF = 100  # epochs that .fit trains too, at the most: its call is slow


@functools.lru_cache(maxsize=len(BATCH_SIZES))
def updates_of(batch_size: int) -> Updates:
    """Return the neuron's updates, the same for all sessions."""
    with precision(DTYPE):
        model = lesson1.build_model()
        x, y = lesson1.load_data()
        batches = batches_of_fit(x, y, batch_size, shuffle=False)
        return Updates(model, keras.losses.BinaryCrossentropy(), batches)


def by_hand_and_fit(batch_size: int, rates: Sequence[float]) -> tuple[list[float], list[float], str]:
    """Train by hand and by ``model.fit``, an epoch a rate; return both histories and the verdict."""
    ball = Ball(Fits(), batch_size=batch_size)
    for rate in rates:
        ball.rate = rate
        ball.epoch_by_hand()
    model = lesson1.build_model()
    model.compile(keras.optimizers.SGD(rates[0]), keras.losses.BinaryCrossentropy())
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, _: float(rates[epoch]))
    x, y = lesson1.load_data()
    how = {"batch_size": batch_size, "shuffle": False, "epochs": len(rates), "verbose": 0}
    fit = model.fit(x, y, callbacks=[schedule], **how).history["loss"]
    compared = Comparison(ball.losses, fit, ball.weights, model.get_weights(), dtype=DTYPE)
    return ball.losses, fit, compared.verdict()


def loss_at(w1: np.ndarray, w2: np.ndarray, bias: float) -> np.ndarray:
    """Return the loss of all four students at many pairs of weights, by the formula of the cross-entropy."""
    x, y = lesson1.load_data()
    total = np.zeros(np.broadcast(w1, w2).shape)
    for (study, sleep), (passed,) in zip(x, y, strict=True):
        z = w1 * study + w2 * sleep + bias
        total += np.maximum(z, 0) - z * passed + np.log1p(np.exp(-np.abs(z)))
    return total / len(x)


class Ball:
    """The neuron's training so far.

    Attributes
    ----------
    rate : float
        Of the updates to come.
    path : list of (float, float, float)
        Both weights and the bias, before any update and after each.
    losses : list of float
        Of the epochs that are done, as ``.fit`` reports them.
    losses_here : list of float
        The loss of all four students at each place of the path.
    verdict : str
        Whether by hand and ``.fit`` are identical; "" while that is not known.
    """

    def __init__(self, fits: Fits, *, rate: float = lesson1.LEARNING_RATE, batch_size: int = 4) -> None:
        self.fits, self.rate, self.batch_size = fits, rate, batch_size
        self.reset()

    def reset(self, batch_size: int | None = None) -> None:
        """Go back to the initial weights, and take other batches."""
        self.batch_size = batch_size or self.batch_size
        self.weights: Weights = updates_of(self.batch_size).start
        self.path: list[tuple[float, float, float]] = []
        self.losses_here: list[float] = []
        self.losses: list[float] = []
        self.rates: list[float] = []
        self._batches: list[float] = []  # the losses of the epoch's batches so far
        self.verdict = ""
        self._note()

    def _note(self) -> None:
        (w1,), (w2,) = self.weights[0]
        (bias,) = self.weights[1]
        self.path.append((float(w1), float(w2), float(bias)))
        self.losses_here.append(float(loss_at(np.array(w1), np.array(w2), bias)))

    @property
    def updates(self) -> Updates:
        """Return what computes an update."""
        return updates_of(self.batch_size)

    @property
    def is_over(self) -> bool:
        """Return whether there is no epoch left."""
        return len(self.losses) == LONGEST

    def step(self) -> bool:
        """Make one update; return whether there was one left."""
        if self.is_over:
            return False
        if not self._batches:
            self.rates.append(self.rate)  # .fit keeps a rate for a whole epoch; so does the ball
        done = self.updates.update(self.weights, len(self._batches), self.rates[-1])
        self.weights = done.weights
        self._batches.append(done.loss)
        self._note()
        if len(self._batches) == len(self.updates.batches):
            self.losses.append(self.updates.loss_of_epoch(self._batches))
            self._batches = []
            self.verdict = ""
        return True

    def epoch_by_hand(self) -> None:
        """Go on to the end of the epoch."""
        done = len(self.losses)
        while self.step() and len(self.losses) == done:
            pass

    def ask_fit(self) -> bool:
        """Take what ``.fit`` gives for the first epochs; return whether there is news."""
        epochs = min(len(self.losses), PROOF)
        if not epochs or self.verdict:
            return False
        task = Task("lesson1", DTYPE, (self.batch_size, tuple(self.rates[:epochs])))
        self.verdict = self.fits.verdict(self, task, self.losses[:epochs])
        return bool(self.verdict)

    def line(self) -> tuple[list[float], list[float]]:
        """Return two points of the line of study and sleep at which the neuron is undecided."""
        w1, w2, bias = self.path[-1]
        study = [0.0, 10.0]
        if abs(w2) < 1e-9:
            return [-bias / w1] * 2 if w1 else [np.nan] * 2, [0.0, 10.0]
        return study, [-(bias + w1 * hours) / w2 for hours in study]

    def answers(self, study: np.ndarray, sleep: np.ndarray) -> np.ndarray:
        """Return what the neuron says of students with these hours: from 0, fail, to 1, pass."""
        w1, w2, bias = self.path[-1]
        return 0.5 * (1 + np.tanh(0.5 * (w1 * study + w2 * sleep + bias)))

    def words(self) -> str:
        """Return a line: what is happening."""
        now, first, done = self.losses_here[-1], self.losses_here[0], len(self.path) - 1
        if not done:
            return f"The ball stands where the loss is {now:.3f}. Press Step: it goes down the slope."
        highest = max(self.losses_here)
        told = f"After {done} update{'s' if done > 1 else ''} the loss is {now:.3f}"
        if highest > first * 1.05:
            at = self.losses_here.index(highest)
            told += f"; it climbed to {highest:.2f} after update {at}"
        turns = self.turns()
        if done > 5 and turns > done / 3:
            told += f"; it went back against the step before in {turns} of {done - 1} steps"
        return told + self._seen() + "."

    def _seen(self) -> str:
        """Return which students the last update has seen, if not all: for the others it may be wrong."""
        count = len(self.updates.batches)
        if count == 1:
            return ""
        batch = (len(self.path) - 2) % count
        first = batch * self.batch_size + 1
        last = first + self.batch_size - 1
        students = f"student {first}" if first == last else f"students {first} and {last}"
        return f". The last update went down the slope of {students} only"

    def turns(self) -> int:
        """Count the steps that go back against the one before."""
        steps = np.diff([place[:2] for place in self.path], axis=0)
        return sum(float(a @ b) < 0 for a, b in itertools.pairwise(steps))
