"""Make each training only once, even if several parts of a report need it."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from companion.batches import batches_of_fit
from companion.comparison.history import Comparison
from companion.precision import precision
from companion.report.curves import behavior
from companion.terminal.progress import training
from companion.terminal.quiet_start import expect_retracing

MOST_STEPS = 25  # at a time: more take longer to compile than they save

Train = Callable[..., list[float]]


class Run(NamedTuple):
    """A training that is over: the trained model and its loss in each epoch."""

    model: keras.Model
    history: list[float]


class Runs:
    """Train a lesson's network on demand, and remember what came out.

    Parameters
    ----------
    build_model : callable
        The lesson's ``build_model(seed, hidden)``.
    x, y : ndarray
        What it trains on.
    settings : mapping
        ``learning_rate``, ``epochs``, ``batch_size``, ``seed``, ``dtype`` and
        ``hidden``, where a call does not say otherwise.
    """

    def __init__(
        self,
        build_model: Callable[..., keras.Model],
        x: np.ndarray,
        y: np.ndarray,
        settings: Mapping[str, Any],
    ) -> None:
        self.build_model, self.x, self.y, self.settings = build_model, x, y, dict(settings)
        self._known: dict[tuple, Run] = {}

    def __call__(self, train: Train, **changes: Any) -> Run:
        """Train a new network with `train`, one of the lesson's functions.

        Parameters
        ----------
        train : callable
            ``train(model, x, y, *, learning_rate, batch_size, epochs)``.
        **changes
            Settings that differ from the usual ones.

        Returns
        -------
        Run
            The same one again if it was asked for before.
        """
        settings = self.settings | changes
        key = (train, *(settings[name] for name in sorted(settings)))
        if key not in self._known:
            how = {name: settings[name] for name in ("learning_rate", "batch_size", "epochs")}
            told = f"{words_for(train)}, learning rate {settings['learning_rate']:g}"
            with precision(settings["dtype"]), training(told), expect_retracing():
                model = self.build_model(settings["seed"], settings["hidden"])
                self._known[key] = Run(model, train(model, self.x, self.y, **how))
        return self._known[key]

    def start_loss(self, train: Train, **changes: Any) -> float:
        """Return the loss of all rows before any update, as `train` reports it of a batch of all rows."""
        if (self.settings | changes)["batch_size"] < len(self.x):
            own = self.settings["learning_rate"]  # whichever it is: no update comes before
            changes |= {"batch_size": len(self.x), "epochs": 1, "learning_rate": own}
        return self(train, **changes).history[0]

    def updates(self, **changes: Any) -> int:
        """Return how many updates a training makes in all its epochs."""
        settings = self.settings | changes
        return settings["epochs"] * -(-len(self.x) // settings["batch_size"])

    def behavior(self, train: Train, **changes: Any) -> str:
        """Return a word for what a training does: one of `companion.report.curves.BEHAVIORS`."""
        history = self(train, **changes).history
        return behavior(self.start_loss(train, **changes), history, self.updates(**changes))

    def at_rates(self, train: Train, rates: Sequence[float]) -> dict[float, list[float]]:
        """Train at each of `rates` and at the usual one; return the histories by ascending rate."""
        own = self.settings["learning_rate"]
        return {rate: self(train, learning_rate=rate).history for rate in sorted({*rates, own})}


def words_for(train: Train) -> str:
    """Return in words how a function of a lesson trains: by NumPy, by .fit or by hand."""
    ways = {"train_with_numpy": "NumPy", "train_with_fit": ".fit", "fast_fit": ".fit on ready-made batches"}
    return ways.get(train.__name__, "by hand")


@functools.cache
def fast(train_with_fit: Train, *callbacks: keras.callbacks.Callback) -> Train:
    """Return the same training by the same call, but with batches ready made and several steps at a time.

    On arrays Keras builds an input pipeline twice an epoch, which takes far longer than a small network, and
    between two steps it goes back to Python.
    """

    def fast_fit(model: keras.Model, x: np.ndarray, y: np.ndarray, **how: Any) -> list[float]:
        def fit(
            x: np.ndarray, y: np.ndarray, *, batch_size: int, shuffle: bool, **rest: Any
        ) -> keras.callbacks.History:
            batches = batches_of_fit(x, y, batch_size, shuffle=shuffle)
            model.steps_per_execution = max(k for k in range(1, MOST_STEPS + 1) if len(batches) % k == 0)
            steps = {"steps_per_epoch": len(batches), "shuffle": False, "callbacks": list(callbacks)}
            return keras.Model.fit(model, batches.repeat(), **steps, **rest)

        model.fit = fit  # for this call
        try:
            return train_with_fit(model, x, y, **how)
        finally:
            del model.fit

    return fast_fit


def compare(first: Run, second: Run, dtype: str, names: tuple[str, str] = ("by hand", ".fit")) -> Comparison:
    """Compare two runs.

    Parameters
    ----------
    first, second : Run
        Whose losses and final weights are compared.
    dtype : str
        The float type in which both were made.
    names : pair of str
        What to call them.

    Returns
    -------
    Comparison
    """
    weights = first.model.get_weights(), second.model.get_weights()
    return Comparison(first.history, second.history, *weights, names=names, dtype=dtype)


def histories_of(runs: Mapping[str, Run]) -> dict[str, list[float]]:
    """Return the histories alone."""
    return {name: run.history for name, run in runs.items()}


def accuracy(model: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
    """Return the share of answers that are right.

    Parameters
    ----------
    model : keras.Model
        With an output a target, or, where targets are class numbers, an output a class.
    x : ndarray of shape (n, ...)
        The rows.
    y : ndarray of shape (n, k) or (n,)
        Targets 0 or 1, as many as the outputs: right is on the right side of one half.
        Or class numbers: right is where the largest output stands.

    Returns
    -------
    float
        From 0 to 1. An answer that is not a number is a wrong one.
    """
    outputs = model(x).numpy()
    if outputs.shape == y.shape:
        right = ((outputs >= 0.5) == (y == 1)) & ~np.isnan(outputs)
    else:
        right = (outputs.argmax(axis=-1) == y) & ~np.isnan(outputs).any(axis=-1)
    return float(np.mean(right))
