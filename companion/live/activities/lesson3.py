"""Lesson 3, inside one call of ``.fit``: every moment of it, with the numbers of that moment."""

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import keras
import numpy as np

from companion import lesson3, loop
from companion.batches import batches_of_fit
from companion.comparison.history import Comparison
from companion.live.fits import Fits, Task
from companion.live.updates import Updates, Weights
from companion.precision import precision

DTYPE = "float64"
ALL_ROWS = 576
BATCH_SIZES = (ALL_ROWS, 192, 96)
LONGEST = 200  # epochs
WEIGHT = (2, 6, 0)  # which number is followed: of W2, that of hidden unit 6


class Moment(NamedTuple):
    """A moment inside a call of ``.fit``.

    Attributes
    ----------
    stage : str
        A key of `STAGES`.
    epoch, batch : int
        Counted from 0.
    words : str
        What happens, in a sentence with its numbers.
    asked : str
        What can be predicted before this moment is shown; "" if nothing.
    answer : float
        The number to predict.
    at_work : str
        What stands in the line of the loop by hand, if that is not the line of `STAGES`.
    """

    stage: str
    epoch: int
    batch: int
    words: str
    asked: str = ""
    answer: float = np.nan
    at_work: str = ""


# The stages of a call, in order, and what stands in their lines: of the loop by hand, of the call of .fit,
# and of the step inside .fit, which `companion.loop` writes out.
STAGES = {
    "call": ("[1] the optimizer", "history = model.fit(", ""),
    "epoch": ("for _ in range(epochs)", "epochs=epochs", ""),
    "batch": ("for xb, yb in batches", "batch_size=batch_size", ""),
    "rows": ("for xb, yb in batches", "    x,", ""),
    "forward": ("loss_function(yb, model(xb", "", "model(x, **"),
    "loss": ("loss_function(yb, model(xb", "loss=keras", "compute_loss("),
    "tape": ("with tf.GradientTape()", "", "with tf.GradientTape()"),
    "gradient": ("tape.gradient(", "", "tape.gradient("),
    "update": ("apply_gradients(", "optimizer=keras", "optimizer.apply"),
    "record": ("total += step", 'history.history["loss"]', "loss_tracker(model)"),
}


@functools.lru_cache(maxsize=len(BATCH_SIZES))
def updates_of(batch_size: int) -> Updates:
    """Return the network's updates, the same for all sessions."""
    with precision(DTYPE):
        model = lesson3.build_model()
        x, y = lesson3.load_data()
        batches = batches_of_fit(x, y, batch_size, shuffle=False)
        return Updates(model, keras.losses.BinaryCrossentropy(), batches)


def by_hand_and_fit(batch_size: int, rates: Sequence[float]) -> tuple[list[float], list[float], str]:
    """Train by hand and by ``model.fit``, an epoch a rate; return both histories and the verdict."""
    updates, weights, by_hand = updates_of(batch_size), updates_of(batch_size).start, []
    for rate in rates:
        losses = []
        for batch in range(len(updates.batches)):
            done = updates.update(weights, batch, rate)
            weights = done.weights
            losses.append(done.loss)
        by_hand.append(updates.loss_of_epoch(losses))
    model = lesson3.build_model()
    model.compile(keras.optimizers.SGD(rates[0]), keras.losses.BinaryCrossentropy())
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, _: float(rates[epoch]))
    x, y = lesson3.load_data()
    how = {"batch_size": batch_size, "shuffle": False, "epochs": len(rates), "verbose": 0}
    fit = model.fit(x, y, callbacks=[schedule], **how).history["loss"]
    return by_hand, fit, Comparison(by_hand, fit, weights, model.get_weights(), dtype=DTYPE).verdict()


class Inside:
    """A call of ``.fit`` that is gone through moment by moment.

    Attributes
    ----------
    moments : list of Moment
        Those that have been, the present one last.
    losses : list of float
        Of the epochs that are done.
    verdict : str
        Whether by hand and ``.fit`` are identical; "" while that is not known.
    """

    def __init__(
        self, fits: Fits, *, rate: float = lesson3.LEARNING_RATE, batch_size: int = ALL_ROWS
    ) -> None:
        self.fits, self.rate, self.batch_size = fits, rate, batch_size
        self.reset()

    def reset(self, batch_size: int | None = None) -> None:
        """Begin the call anew."""
        self.batch_size = batch_size or self.batch_size
        self.weights: Weights = updates_of(self.batch_size).start
        self.losses: list[float] = []
        self.rates: list[float] = []
        self.verdict = ""
        self._coming = self._all_moments()
        self.moments = [next(self._coming)]
        self._next: Moment | None = None

    @property
    def now(self) -> Moment:
        """Return the present moment."""
        return self.moments[-1]

    def coming(self) -> Moment | None:
        """Return the moment after the present one, without going there; None at the end."""
        if self._next is None:
            self._next = next(self._coming, None)
        return self._next

    def go_on(self) -> bool:
        """Go to the next moment; return whether there was one."""
        moment, self._next = self.coming(), None
        if moment is not None:
            self.moments.append(moment)
        return moment is not None

    def go_to(self, stage: str) -> None:
        """Go on until the next moment of a stage."""
        while self.go_on() and self.now.stage != stage:
            pass

    def _all_moments(self) -> Iterator[Moment]:
        updates = updates_of(self.batch_size)
        x, y = lesson3.load_data()
        steps, (layer, row, column) = len(updates.batches), WEIGHT
        yield Moment(
            "call", 0, 0,
            f"model.fit is called with {len(x)} patients, batches of {self.batch_size} and the learning rate "
            f"{self.rate:g}. The optimizer and the loss were made by compile.",
        )  # fmt: skip
        for epoch in range(LONGEST):
            rate = self.rate  # .fit keeps a rate for a whole epoch
            self.rates.append(rate)
            yield Moment(
                "epoch", epoch, 0, f"Epoch {epoch} begins: {steps} update{'s' * (steps > 1)} will follow."
            )
            losses: list[float] = []
            for batch in range(steps):
                first = batch * self.batch_size
                last = min(first + self.batch_size, len(x)) - 1
                yield Moment("batch", epoch, batch, f"Batch {batch} holds the patients {first} to {last}.")
                told = ", ".join(f"{number:.2f}" for number in x[first][:4])
                label = "has diabetes" if y[first, 0] else "has no diabetes"
                yield Moment(
                    "rows", epoch, batch,
                    f"Patient {first} is a row of numbers, {told}, ..., and {label}: y = {y[first, 0]:.0f}.",
                )  # fmt: skip
                updates.model.set_weights(self.weights)
                shown = updates.model(x[first : first + 3]).numpy()[:, 0]
                told = ", ".join(f"{number:.4f}" for number in shown)
                yield Moment(
                    "forward", epoch, batch,
                    f"The network answers with a probability for each row: {told}, ...",
                    f"the probability that patient {first} has diabetes, 0 to 1", float(shown[0]),
                )  # fmt: skip
                done = updates.update(self.weights, batch, rate)
                losses.append(done.loss)
                yield Moment(
                    "loss", epoch, batch,
                    f"The mean of the batch's losses is {done.loss:.6f}, with the weights as they are now.",
                    "the loss of this batch; to answer 0.5 to all costs 0.693", done.loss,
                )  # fmt: skip
                yield Moment(
                    "tape", epoch, batch,
                    "The tape has written down how the loss came about from the weights, layer by layer.",
                )  # fmt: skip
                slope = float(done.gradients[layer][row, column])
                before = float(self.weights[layer][row, column])
                after = float(done.weights[layer][row, column])
                yield Moment(
                    "gradient", epoch, batch,
                    f"Going back over the tape gives a slope for each of the 161 numbers. For W2[{row}] it "
                    f"is {slope:.6f}: {'less' if slope > 0 else 'more'} of it would lower the loss.",
                )  # fmt: skip
                self.weights = done.weights
                yield Moment(
                    "update", epoch, batch,
                    f"W2[{row}] was {before:.6f}. Minus {rate:g} times {slope:.6f} it is {after:.6f}. All "
                    "others move too, each by its own slope.",
                    f"W2[{row}] after it: it is {before:.4f}, its slope {slope:.4f}, the rate {rate:g}",
                    after,
                )  # fmt: skip
                if batch == steps - 1:
                    self.losses.append(updates.loss_of_epoch(losses))
                    self.verdict = ""
                    yield Moment(
                        "record", epoch, batch,
                        f"Epoch {epoch} is over. Its loss, {self.losses[-1]:.6f}, is the mean over its rows, "
                        "each measured before the update of its batch.",
                        f"the loss of epoch {epoch}" if steps > 1 else "", self.losses[-1],
                        "history.append(",
                    )  # fmt: skip
                else:
                    yield Moment(
                        "record", epoch, batch, f"The loss {done.loss:.6f} is added to the epoch's sum."
                    )

    def ask_fit(self) -> bool:
        """Take what ``.fit`` gives for the epochs that are done; return whether there is news."""
        if not self.losses or self.verdict:
            return False
        task = Task("lesson3", DTYPE, (self.batch_size, tuple(self.rates[: len(self.losses)])))
        self.verdict = self.fits.verdict(self, task, self.losses)
        return bool(self.verdict)


def code_of(moment: Moment) -> list[tuple[str, list[tuple[str, bool]]]]:
    """Return the three pieces of code, by name, with each line and whether it is at work in a moment."""
    functions: dict[str, Callable[..., object]] = {
        "by hand": lesson3.train_by_hand, "with .fit": lesson3.train_with_fit, "inside .fit": loop.train_step
    }  # fmt: skip
    by_hand, *others = STAGES[moment.stage]
    signs = moment.at_work or by_hand, *others
    return [
        (name, [(line, bool(sign) and sign in line) for line in _code(function)])
        for (name, function), sign in zip(functions.items(), signs, strict=True)
    ]


@functools.cache
def _code(function: Callable[..., object]) -> list[str]:
    """Return the lines of a function, from the end of its docstring on."""
    lines = inspect.getsource(function).rstrip().splitlines()
    ends = [number for number, line in enumerate(lines) if line.rstrip().endswith('"""')]
    return [line[4:] for line in lines[ends[-1] + 1 :]]
