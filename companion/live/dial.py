"""The training behind the live dial: epochs trained, epochs computed ahead, and ``.fit`` beside them."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from companion.batches import batches_of_fit
from companion.comparison.history import Comparison
from companion.live.trajectory import Trajectory
from companion.live.worker_process import WorkerProcess
from companion.report.curves import behavior, blew_up_at, steps_up

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
        parts, at = [], 0
        for variable in self.model.trainable_variables:
            size = int(np.prod(variable.shape))
            parts.append(weights[at : at + size].reshape(variable.shape))
            at += size
        self.model.set_weights(parts)
        return self.model(points).numpy()[:, 0]

    def by_hand(self, rates: Sequence[float]) -> list[float]:
        """Train from the start, an epoch a rate; return the losses."""
        return list(self.trajectory.train(self.start, rates)[0])

    def with_fit(self, rates: Sequence[float]) -> list[float]:
        """Do the same with ``model.fit``, a callback setting the rate of each epoch."""
        self.probabilities(self.start, np.zeros((1, self.model.input_shape[1])))  # back to the start
        self.model.compile(keras.optimizers.SGD(rates[0]), self.loss)
        schedule = keras.callbacks.LearningRateScheduler(lambda epoch, _: float(rates[epoch]))
        how = {"steps_per_epoch": len(self.batches), "epochs": len(rates), "shuffle": False, "verbose": 0}
        return self.model.fit(self.batches.repeat(), callbacks=[schedule], **how).history["loss"]


class HandAndFit:
    """Trains by hand and by ``.fit``, and compares: what the second process does."""

    def __init__(self, *of_all: Any) -> None:
        self._networks = functools.lru_cache(maxsize=4)(functools.partial(Network, *of_all))

    def __call__(self, task: tuple[int, int, Sequence[float]]) -> tuple[list[float], list[float], str]:
        """Return both histories and the verdict, for a number of hidden units, a batch size, and rates."""
        hidden, batch_size, rates = task
        network = self._networks(hidden, batch_size)
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
        build_model: BuildModel,
        x: np.ndarray,
        y: np.ndarray,
        *,
        seed: int,
        hidden: int,
        batch_size: int,
        epochs: int,
        rate: float,
    ) -> None:
        self.x, self.y, self.epochs, self.rate = x, y, epochs, float(rate)
        self.hidden, self.batch_size = hidden, batch_size
        of_all = (build_model, x, y, seed)
        self._networks = functools.lru_cache(maxsize=16)(functools.partial(Network, *of_all))
        self._lost = False  # whether the second process has ended
        self._start_worker = functools.partial(WorkerProcess, keras.config.floatx(), HandAndFit, *of_all)
        self.reset()

    @functools.cached_property
    def _worker(self) -> WorkerProcess:
        """The second process, started when it is first asked: importing TensorFlow there takes seconds."""
        return self._start_worker()

    @property
    def epoch(self) -> int:
        """Return how many epochs are trained."""
        return len(self.losses)

    @property
    def network(self) -> Network:
        """Return the network of the present choices."""
        return self._networks(self.hidden, self.batch_size)

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
        self.weights = self.network.start
        self.look_ahead()

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
        rates = [self.rate] * self.epochs
        losses, _ = self.network.trajectory.train(self.weights, rates, by_xla=True)
        self.outlook = list(losses[: self.epochs - self.epoch])
        self.fit: list[float] | None = None
        if not self._lost:
            self.verdict = ""

    def step(self) -> bool:
        """Train an epoch; return whether there was one left."""
        if self.epoch == self.epochs:
            return False
        losses, weights = self.network.trajectory.train(self.weights, [self.rate])
        self.rates.append(self.rate)
        self.losses.append(float(losses[0]))
        self.outlook = self.outlook[1:]
        self.weights = weights[0]
        return True

    def probabilities(self, points: np.ndarray) -> np.ndarray:
        """Return what the network answers now, shape (len(points),)."""
        return self.network.probabilities(self.weights, points)

    def accuracy(self) -> float:
        """Return the share of rows on which the network is right now."""
        return float(np.mean((self.probabilities(self.x) >= 0.5) == (self.y[:, 0] == 1)))

    def ask_worker(self) -> bool:
        """Take the results of the second process and give it the next task; return whether there is news."""
        if self._lost:
            return False
        wanted = (self.hidden, self.batch_size, tuple(self.plan))
        news = False
        try:
            done = self._worker.answer()
            if done is not None and done[0] == wanted:  # else the dial has moved on
                self._take(*done[1])
                news = True
            if self.fit is None:
                self._worker.ask(wanted)
        except (RuntimeError, EOFError, OSError) as error:
            self._lost, news = True, True
            self.verdict = f"not compared: .fit, in the second process, failed ({error or 'it has ended'})"
        return news

    def _take(self, by_hand: list[float], fit: list[float], verdict: str) -> None:
        """Take the results of the second process; check that it trained the same epochs as this one."""
        self.fit, self.outlook, self.verdict = fit, by_hand[self.epoch :], verdict
        if not np.array_equal(by_hand[: self.epoch], self.losses, equal_nan=True):
            self.verdict = "not identical: the epochs trained here differ from those in the second process"

    def words(self) -> str:
        """Return a line: what is happening."""
        first, curve = self.network.start_loss, self.curve
        kind, at = behavior(first, curve, len(curve) * len(self.network.batches)), blew_up_at(first, curve)
        # Short, for it is drawn at each move of the dial, and text is what takes longest to draw.
        down = f"{first:.3f} to {curve[-1]:.3f}"
        told = {
            "crawls": f"crawls: {down} only",
            "stuck": f"stuck: {down} only",
            "learns": f"learns: {down}",
            "bounces": f"bounces: up in {steps_up(curve)} of {self.epochs - 1} steps, {down}",
        }.get(kind, kind)
        if kind == "blows up" and at is not None:
            verb = "blew" if at < self.epoch else "blows"
            told = f"{verb} up at epoch {at}: above {first:.3f}, its start"
        return f"epoch {self.epoch}, loss {self.losses[-1]:.3g}: {told}" if self.epoch else told

    def close(self) -> None:
        """End the second process."""
        self._lost = True
        if "_worker" in vars(self):  # it was started
            self._worker.close()
