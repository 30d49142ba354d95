"""Lesson 4's dial: epochs trained, epochs computed ahead at the present rate, and ``.fit`` beside them."""

import functools
from collections.abc import Callable, Sequence

import keras
import numpy as np

from companion import lesson4
from companion.batches import batches_of_fit
from companion.comparison.history import Comparison
from companion.live.fits import Failed, Fits, Task
from companion.live.trajectory import Trajectory
from companion.precision import precision
from companion.report.curves import BLOWN_UP, behavior, blew_up_at, steps_up

BuildModel = Callable[..., keras.Model]


class Network:
    """A network and the rows it is trained on, ready to go through any epochs at any rates."""

    def __init__(
        self,
        build_model: BuildModel,
        x: np.ndarray,
        y: np.ndarray,
        seed: int,
        hidden: int,
        batch_size: int,
    ) -> None:
        self.model = build_model(seed, hidden)
        self.batches = batches_of_fit(x, y, batch_size, shuffle=True)
        self.loss = keras.losses.BinaryCrossentropy()
        self.trajectory = Trajectory(self.model, self.loss, list(self.batches))
        self.start = self.trajectory.weights()
        self.start_loss = float(self.loss(y.astype(keras.config.floatx()), self.model(x)))

    def probabilities(self, weights: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return what the network with these weights answers, shape (len(points),)."""
        return self.trajectory.predict(weights, points)[:, 0]

    def by_hand(self, rates: Sequence[float]) -> list[float]:
        """Train from the start, an epoch a rate; return the losses."""
        return list(self.trajectory.train(self.start, rates)[0])

    def with_fit(self, rates: Sequence[float]) -> list[float]:
        """Do the same with ``model.fit``, a callback setting the rate of each epoch."""
        self.trajectory.put(self.start)
        self.model.compile(keras.optimizers.SGD(rates[0]), self.loss)
        schedule = keras.callbacks.LearningRateScheduler(lambda epoch, _: float(rates[epoch]))
        how = {"steps_per_epoch": len(self.batches), "epochs": len(rates), "shuffle": False, "verbose": 0}
        return self.model.fit(self.batches.repeat(), callbacks=[schedule], **how).history["loss"]


@functools.lru_cache(maxsize=16)
def network_of(seed: int, hidden: int, batch_size: int, dtype: str) -> Network:
    """Return a network and its rows, the same for all sessions: each keeps weights of its own."""
    with precision(dtype):
        return Network(lesson4.build_model, *lesson4.load_data(), seed, hidden, batch_size)


def by_hand_and_fit(
    seed: int, hidden: int, batch_size: int, rates: Sequence[float]
) -> tuple[list[float], list[float], str]:
    """Train by hand and by ``.fit``, an epoch a rate; return both histories and the verdict."""
    network = network_of(seed, hidden, batch_size, keras.config.floatx())
    by_hand, weights = network.by_hand(rates), network.model.get_weights()
    fit = network.with_fit(rates)
    compared = Comparison(by_hand, fit, weights, network.model.get_weights(), dtype=keras.config.floatx())
    return by_hand, fit, compared.verdict()


class Dial:
    """A network of two inputs, its training so far, and the coming epochs at the present rate.

    Attributes
    ----------
    rate : float
        Where the dial stands.
    losses : list of float
        Of the epochs that are trained, equal to those of ``.fit`` bit for bit.
    outlook : list of float
        Of the coming epochs, at `rate`. Until the second process is done, by XLA, whose last bits differ.
    fit : list of float or None
        What ``.fit`` reports for all of these epochs; None until it is done.
    verdict : str
        Whether by hand and ``.fit`` are identical.
    """

    def __init__(
        self,
        fits: Fits,
        *,
        seed: int = 0,
        hidden: int = lesson4.HIDDEN,
        batch_size: int = lesson4.BATCH_SIZE,
        epochs: int = lesson4.EPOCHS,
        rate: float = lesson4.LEARNING_RATE,
        dtype: str = "float32",
    ) -> None:
        self.fits, self.seed, self.epochs, self.dtype = fits, seed, epochs, dtype
        self.hidden, self.batch_size, self.rate = hidden, batch_size, float(rate)
        self.x, self.y = lesson4.load_data()
        self.reset()

    @property
    def epoch(self) -> int:
        """Return how many epochs are trained."""
        return len(self.losses)

    @property
    def network(self) -> Network:
        """Return the network of the present choices."""
        return network_of(self.seed, self.hidden, self.batch_size, self.dtype)

    @property
    def plan(self) -> list[float]:
        """Return the rate of each epoch: as trained, then as the dial stands."""
        return [*self.rates, *[self.rate] * (self.epochs - self.epoch)]

    @property
    def curve(self) -> list[float]:
        """Return the losses of all epochs, those to come too."""
        return [*self.losses, *self.outlook]

    def reset(self) -> None:
        """Go back to the initial weights."""
        self.losses: list[float] = []
        self.rates: list[float] = []
        self.way = [self.network.start]  # the weights before each epoch, and after the last
        self.look_ahead()

    @property
    def weights(self) -> np.ndarray:
        """Return the weights after the epochs that are trained."""
        return self.way[-1]

    def weights_at(self, epoch: int) -> np.ndarray:
        """Return the weights after so many epochs, those to come too."""
        return self.way[epoch] if epoch <= self.epoch else self.outlook_way[epoch - self.epoch - 1]

    def choose(self, *, hidden: int | None = None, batch_size: int | None = None) -> None:
        """Take another network, or other batches, and begin anew."""
        self.hidden, self.batch_size = hidden or self.hidden, batch_size or self.batch_size
        self.reset()

    def turn(self, rate: float) -> None:
        """Set the learning rate of all epochs to come."""
        self.rate = float(rate)
        self.look_ahead()

    def look_ahead(self) -> None:
        """Compute the coming epochs, fast; forget the results of ``.fit``: they belong to the old plan."""
        # Always the same number of epochs, since XLA compiles again for a new number; drop the extra ones.
        rates, left = [self.rate] * self.epochs, self.epochs - self.epoch
        losses, way = self.network.trajectory.train(self.weights, rates, by_xla=True)
        self.outlook, self.outlook_way = list(losses[:left]), way[:left]
        self.fit: list[float] | None = None
        self.verdict = ""

    def step(self) -> bool:
        """Train an epoch; return whether there was one left."""
        if self.epoch == self.epochs:
            return False
        losses, weights = self.network.trajectory.train(self.weights, [self.rate])
        self.rates.append(self.rate)
        self.losses.append(float(losses[0]))
        self.outlook, self.outlook_way = self.outlook[1:], self.outlook_way[1:]
        self.way.append(weights[0])
        return True

    def probabilities(self, points: np.ndarray, epoch: int) -> np.ndarray:
        """Return what the network answers after so many epochs, shape (len(points),)."""
        return self.network.probabilities(self.weights_at(epoch), points)

    def accuracy(self, epoch: int) -> float:
        """Return the share of rows on which the network is right after so many epochs."""
        return float(np.mean((self.probabilities(self.x, epoch) >= 0.5) == (self.y[:, 0] == 1)))

    def ask_fit(self) -> bool:
        """Take what ``.fit`` gives for the present plan, once it is done; return whether there is news."""
        if self.fit is not None or self.verdict:
            return False
        arguments = (self.seed, self.hidden, self.batch_size, tuple(self.plan))
        done = self.fits.result(self, Task("lesson4", self.dtype, arguments))
        if isinstance(done, Failed):
            self.verdict = f"not compared: .fit, in the second process, failed ({done.why}); turn the dial"
        elif done is not None:
            self._take(*done)
        return done is not None

    def _take(self, by_hand: list[float], fit: list[float], verdict: str) -> None:
        """Take the results of the second process; check that it trained the same epochs as this one."""
        self.fit, self.outlook, self.verdict = fit, by_hand[self.epoch :], verdict
        if not np.array_equal(by_hand[: self.epoch], self.losses, equal_nan=True):
            self.verdict = "not identical: the epochs trained here differ from those in the second process"

    def settles_at(self) -> int:
        """Return the epoch from which on the loss falls no more: by 1 % of its whole fall, at the most."""
        first, lowest = self.network.start_loss, np.nanmin([self.network.start_loss, *self.curve])
        near = np.flatnonzero(np.array(self.curve) <= lowest + 0.01 * (first - lowest))
        return int(near[0]) if len(near) else 0

    def words_so_far(self) -> str:
        """Return a line: what the epochs that are trained have shown."""
        first, last = self.network.start_loss, self.losses[-1]
        if not last <= BLOWN_UP * first:
            return f"Epoch {self.epoch}: the loss is {last:.3g}. It has blown up: it began at {first:.3f}."
        up = steps_up(self.losses)
        told = f", and rose in {up} of {self.epoch - 1} steps" if up else ""
        return f"Epoch {self.epoch}: the loss went from {first:.3f} to {last:.3f}{told}."

    def words(self) -> str:
        """Return a line: what is happening."""
        first, curve = self.network.start_loss, self.curve
        kind, at = behavior(first, curve, len(curve) * len(self.network.batches)), blew_up_at(first, curve)
        way = f"from {first:.3f} to {curve[-1]:.3f}"
        told = {
            "crawls": f"It crawls: {way} only.",
            "stuck": f"It is stuck: {way} only.",
            "learns": f"It learns: {way}.",
            "bounces": f"It bounces: up in {steps_up(curve)} of {self.epochs - 1} steps, {way}.",
        }.get(kind, f"It {kind}.")
        if kind == "blows up" and at is not None:
            verb = "blew" if at < self.epoch else "blows"
            told = f"It {verb} up at epoch {at}: above {first:.3f}, its start."
        return f"At epoch {self.epoch} the loss is {self.losses[-1]:.3g}. {told}" if self.epoch else told
