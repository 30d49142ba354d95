"""Anyone's network, trained twice from one seed: by hand and by ``.fit``. Is anything different?"""

import functools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from types import GeneratorType
from typing import Any, TypedDict, Unpack

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from companion.comparison.history import Comparison
from companion.comparison.training import (
    OPTIMIZER,
    CallbackCall,
    RecordCalls,
    Training,
    columns,
    epochs_of,
    history_of,
    optimizers_built,
    variables_of,
    variables_of_loop,
)
from companion.fit.keras_private import same_names
from companion.fit.unsupported import refuse_what_cannot_be_equal
from companion.loop import fit_by_hand
from companion.terminal.arguments import did_you_mean

FitFunction = Callable[..., keras.callbacks.History]

NAMES = ("by hand", ".fit")
SHOWN = 10  # differences, where a comparison is printed
UNREPEATABLE = (
    "But .fit does not equal itself either when it trains again, so this says nothing about the loop: "
    "something changes from one training to the next. Look for data or callbacks that keep a state, or draw "
    "numbers without a seed. Give them as functions: then they are made anew for each training."
)


class FitComparison:
    """A training by hand and one by ``.fit``, compared in all that they leave behind.

    Parameters
    ----------
    by_hand, fit : Training
        From the same seed.
    seed : int
        This seed.

    Attributes
    ----------
    repeatable : bool
        Whether ``.fit`` equals itself when it trains again; tried only if the two differ. If it does
        not, something other than the loop changes from one training to the next.
    notes : list of str
        What was not compared, because the loop does not report it.
    """

    def __init__(self, by_hand: Training, fit: Training, seed: int) -> None:
        self.by_hand, self.fit, self.seed = by_hand, fit, seed
        self.repeatable = True
        self.notes: list[str] = []

    @cached_property
    def histories(self) -> dict[str, Comparison]:
        """The histories' keys that both have, each compared."""
        first, second = columns(self.by_hand.history), columns(self.fit.history)
        return {
            key: Comparison(first[key], second[key], names=NAMES, dtype=_float_type(first[key] + second[key]))
            for key in first
            if key in second
        }

    @cached_property
    def variables(self) -> dict[str, Comparison]:
        """The variables that both have, each compared."""
        first, second = self.by_hand.variables, self.fit.variables
        return {
            path: Comparison([], [], [first[path]], [second[path]], names=NAMES)
            for path in first
            if path in second
        }

    @cached_property
    def differences(self) -> list[str]:
        """What differs, one line each; empty if nothing differs."""
        return [
            *self._first_call_that_differs(),  # the earliest: a batch's losses are among the calls
            *_only_in_one(self.by_hand.history, self.fit.history, "the history has the key"),
            *(f"history {key}: {c.verdict()}" for key, c in self.histories.items() if not c.identical),
            *_only_in_one(self.by_hand.variables, self.fit.variables, "there is the variable"),
            *(_variable_text(path, c) for path, c in self.variables.items() if not c.identical),
        ]

    def _first_call_that_differs(self) -> list[str]:
        first, second = self.by_hand.calls, self.fit.calls
        for number, (one, other) in enumerate(zip(first, second, strict=False)):
            # as text, in which NaN is NaN, and -0.0 is not 0.0
            if repr(one) != repr(other):
                return [f"callback call {number}: by hand {_call_text(one)}, .fit {_call_text(other)}"]
        if len(first) != len(second):
            return [f"callbacks are called {len(first)} times by hand, {len(second)} times by .fit"]
        return []

    @property
    def identical(self) -> bool:
        """Whether nothing at all differs, down to the last bit."""
        return not self.differences

    @property
    def max_abs_diff(self) -> float:
        """The largest distance in the histories that both have."""
        return max((comparison.max_abs_diff for comparison in self.histories.values()), default=0.0)

    @property
    def max_ulp(self) -> float:
        """The same in units in the last place."""
        return max((comparison.max_ulp for comparison in self.histories.values()), default=0.0)

    def verdict(self) -> str:
        """Return one line: whether the two are identical, and if not, where they first differ."""
        if self.differences:
            more = len(self.differences) - 1
            return f"not identical: {self.differences[0]}" + (f"; {more} more differences" if more else "")
        epochs = max((len(history) for history in self.fit.history.values()), default=0)
        reported = f"{epochs} epoch{'s' * (epochs != 1)} of {', '.join(self.fit.history) or 'nothing'}"
        calls = f", {len(self.fit.calls)} callback calls" if self.fit.calls else ""
        return f"identical: {reported}, {len(self.variables)} variables{calls}"

    def frame(self) -> pd.DataFrame:
        """Put the histories side by side, one row per epoch.

        Returns
        -------
        DataFrame
            Index ``epoch``, counted from 0; under each key of the histories the columns of
            `Comparison.frame`, NaN in epochs in which it was not reported.
        """
        frames = {key: compared.frame() for key, compared in self.histories.items()}
        for key, frame in frames.items():
            frame.index = pd.Index(self.epochs(key), name="epoch")
        if not frames:
            return pd.DataFrame(index=pd.RangeIndex(0, name="epoch"))
        return pd.concat(frames, axis=1).sort_index().rename_axis("epoch")

    def epochs(self, key: str) -> list[int]:
        """Return the numbers of the epochs in which `key`, one of `histories`, was reported."""
        longer = max(self.by_hand, self.fit, key=lambda training: len(columns(training.history)[key]))
        return epochs_of(longer)[key if key in longer.history else key.rpartition("[")[0]]

    def __repr__(self) -> str:
        notes = "".join(f"\n{line}" for line in self.notes)
        if self.identical:
            return self.verdict() + notes
        shown, more = self.differences[:SHOWN], len(self.differences) - SHOWN
        tail = [f"... and {more} more: .differences has all"] if more > 0 else []
        why = "" if self.repeatable else f"\n{UNREPEATABLE}"
        return "\n- ".join(["not identical:", *shown, *tail]) + why + notes


class FitArguments(TypedDict, total=False):
    """The arguments of ``Model.fit`` beside its data."""

    batch_size: int | None
    epochs: int
    verbose: str | int
    callbacks: Any
    validation_split: float
    validation_data: Any
    shuffle: bool | str
    class_weight: Mapping[int, float] | None
    sample_weight: Any
    initial_epoch: int
    steps_per_epoch: int | None
    validation_steps: int | None
    validation_batch_size: int | None
    validation_freq: int | list[int]


def compare_with_fit(
    build_model: Callable[[], keras.Model],
    x: Any,
    y: Any = None,
    *,
    seed: int = 0,
    train: Callable[..., Any] | None = None,
    progress: Callable[[str], None] | None = None,
    **arguments: Unpack[FitArguments],
) -> FitComparison:
    """Train a network by `fit_by_hand` and by ``.fit``, from one seed; compare all that they leave.

    It compares every key of the history in every epoch, all weights, seeds of random layers,
    metrics and optimizer variables, and every call of a callback with its logs.

    Parameters
    ----------
    build_model : callable
        Makes the network and compiles it; called for each training, after
        ``keras.utils.set_random_seed(seed)``. If the first two trainings differ, ``.fit`` trains
        again: this third training shows whether ``.fit`` equals itself.
    x, y
        As ``Model.fit`` takes them. Some data can be used only once, such as a generator, or keep a
        state, such as a Dataset that shuffles. For these, give a function without arguments that
        makes the data. It is called for each training.
    seed : int
        The seed of both trainings. It is also set when this function returns.
    train : callable, optional
        Your own loop, in place of `fit_by_hand`: ``train(model, x, y, **arguments)``. It returns a
        dict of lists, a list of losses, a ``History``, or nothing. The weights, the seeds, the
        variables of its optimizer and what it reports are compared.
    progress : callable, optional
        Called with a line when a training begins, and when an epoch begins, except in your own loop.
    **arguments
        Those of ``Model.fit``; `callbacks` and `validation_data` may be functions as `x` may.
        `verbose` is 0 by default.

    Returns
    -------
    FitComparison
        Its ``identical`` and ``verdict()`` say what came out; print it for all differences.

    Raises
    ------
    ValueError, TypeError
        As `fit_by_hand`; for a generator, which the first training would use up, and for data that
        would change between the trainings; for what `train` may not return.

    Examples
    --------
    >>> def build_model():
    ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    ...     model.compile(optimizer="sgd", loss="mse")
    ...     return model
    >>> compare_with_fit(build_model, np.eye(2), np.ones((2, 1)), epochs=3)
    identical: 3 epochs of loss, 6 variables, 15 callback calls
    """
    refuse_unknown_arguments(arguments)
    for name, value in {"x": x, **arguments}.items():
        _refuse_what_is_not_the_same_twice(name, value)
    if isinstance(build_model, keras.Model) or not callable(build_model):
        kind = type(build_model).__name__
        raise TypeError(
            f"build_model is of type {kind}: it must be a function that makes and compiles a model"
        )

    def trained(by: FitFunction, what: str, like: Training | None = None) -> Training:
        tell = functools.partial(_tell, progress, what)
        tell()
        if train is None:
            return _train(by, build_model, x, y, seed, arguments, like, tell)
        return _train_by_loop(by, build_model, x, y, seed, arguments, like)

    one = trained(train or fit_by_hand, "by hand" if train is None else "by your loop")
    other = trained(fit, "by .fit", like=one)
    compared = FitComparison(one, other, seed) if train is None else _compare_loop(one, other, seed)
    if not compared.identical:
        again = trained(fit, "by .fit again: does it equal itself?", like=other)
        compared.repeatable = FitComparison(other, again, seed).identical
    return compared


def _tell(progress: Callable[[str], None] | None, what: str, epoch: int | None = None) -> None:
    if progress is not None:
        progress(what if epoch is None else f"{what}, epoch {epoch}")


def refuse_unknown_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuse what ``Model.fit`` does not take, with the nearest name that it does.

    Raises
    ------
    TypeError
        For the first such name.
    """
    allowed = list(FitArguments.__annotations__)
    for name in arguments:
        if name not in allowed:
            meant = did_you_mean(name, allowed) or f"it takes {', '.join(allowed)}"
            raise TypeError(f"Model.fit takes no argument {name!r}: {meant.rstrip()}")


def fit(model: keras.Model, x: Any, y: Any, **arguments: Any) -> keras.callbacks.History:
    """Call ``model.fit``."""
    return model.fit(x, y, **arguments)


def _train(
    train: FitFunction,
    build_model: Callable[[], keras.Model],
    x: Any,
    y: Any,
    seed: int,
    arguments: Mapping[str, Any],
    like: Training | None,
    tell: Callable[[int], None],
) -> Training:
    """Build the model and train it; refuse one that does not begin as that of the training `like`."""
    with same_names():
        model, initial = _begin(build_model, seed, like)
        own = {name: _fresh(value) for name, value in {"verbose": 0, **arguments}.items()}
        calls = RecordCalls(tell)
        own["callbacks"] = [*keras.tree.flatten(own.get("callbacks") or []), calls]
        own_x = _fresh(x)
        if isinstance(own_x, tf.data.Dataset | GeneratorType):
            own.setdefault("shuffle", False)  # they cannot be shuffled, and Keras warns where it is not said
        history = train(model, own_x, _fresh(y), **own)
    return Training(model, initial, history.history, variables_of(model), calls.calls, calls.seconds)


def _train_by_loop(
    train: Callable[..., Any],
    build_model: Callable[[], keras.Model],
    x: Any,
    y: Any,
    seed: int,
    arguments: Mapping[str, Any],
    like: Training | None,
) -> Training:
    """Build the model and train it by a loop of the user's, or by ``.fit`` to be compared with one."""
    with same_names(), optimizers_built() as built:
        model, initial = _begin(build_model, seed, like)
        own = {name: _fresh(value) for name, value in arguments.items()}
        if train is fit:
            own.setdefault("verbose", 0)
        started = time.perf_counter()
        history = history_of(train(model, _fresh(x), _fresh(y), **own))
        epochs = max((len(values) for values in history.values()), default=arguments.get("epochs", 1))
        seconds = (time.perf_counter() - started) / max(1, epochs)
    return Training(model, initial, history, variables_of_loop(model, built), [], seconds)


def _begin(
    build_model: Callable[[], keras.Model], seed: int, like: Training | None
) -> tuple[keras.Model, dict[str, np.ndarray]]:
    """Build the model; return it with its variables, and raise if they differ from those of `like`."""
    keras.utils.set_random_seed(seed)
    model = build_model()
    refuse_what_cannot_be_equal(model)
    initial = variables_of(model)
    if like is not None and like.model is model:
        raise ValueError("build_model gave the same model twice: it must make a new one at each call")
    if like is not None and _differ(initial, like.initial):
        raise ValueError(
            f"build_model gave other initial weights the second time, after set_random_seed({seed}) "
            "both times: draw them with keras.initializers, numpy.random or random, which this call seeds"
        )
    return model, initial


def _compare_loop(loop: Training, by_fit: Training, seed: int) -> FitComparison:
    """Compare what a loop of the user's has left with the same things that ``.fit`` has left."""
    notes, history, variables = [], by_fit.history, by_fit.variables
    silent = [name for name in history if name not in loop.history]
    if silent and (len(silent) < len(history) or not loop.history):
        notes.append(f"Not compared, since the loop does not report it: {', '.join(silent)}.")
        history = {name: values for name, values in history.items() if name in loop.history}
    if not any(name.startswith(OPTIMIZER) for name in loop.variables):
        notes.append("Not compared: the optimizer, since the loop has built none.")
        variables = {name: value for name, value in variables.items() if not name.startswith(OPTIMIZER)}
    compared = FitComparison(loop, replace(by_fit, history=history, variables=variables), seed)
    compared.notes = notes
    return compared


def _float_type(losses: list[float]) -> str:
    """Find the type the numbers were computed in, for counting ulps: a history holds Python floats."""
    numbers = np.asarray(losses)
    with np.errstate(over="ignore"):
        return "float32" if np.array_equal(numbers.astype("float32"), numbers, equal_nan=True) else "float64"


def _differ(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> bool:
    shared = [(first[path], second[path]) for path in first if path in second]
    return len(shared) < max(len(first), len(second)) or not all(
        Comparison([], [], [one], [other]).identical for one, other in shared
    )


def _refuse_what_is_not_the_same_twice(name: str, value: Any) -> None:
    if isinstance(value, GeneratorType):
        raise ValueError(f"{name} is a generator, used up by one training: give the function that makes it")
    own_order = isinstance(value, keras.utils.PyDataset) and any(
        getattr(type(value), method) is not getattr(keras.utils.PyDataset, method)
        for method in ("on_epoch_begin", "on_epoch_end")
        if hasattr(keras.utils.PyDataset, method)
    )
    if own_order:
        raise ValueError(
            f"{name} is a {type(value).__name__} that changes between epochs, so the two trainings would see "
            "different data: give a function that makes it"
        )
    if isinstance(value, tf.data.Dataset):
        once, again = (keras.tree.flatten(next(iter(value), None)) for _ in range(2))
        if any(repr(one) != repr(other) for one, other in zip(once, again, strict=True)):
            raise ValueError(
                f"{name} is a Dataset that begins with a different batch in each pass, so the two trainings "
                "would see different data: give a function that makes it, called after the seed is set"
            )


def _fresh(value: Any) -> Any:
    return value() if callable(value) else value


def _only_in_one(first: Iterable[str], second: Iterable[str], what: str) -> list[str]:
    one, other = set(first), set(second)
    return [
        *(f"{what} {name!r} by hand only" for name in sorted(one - other)),
        *(f"{what} {name!r} by .fit only" for name in sorted(other - one)),
    ]


def _variable_text(path: str, comparison: Comparison) -> str:
    at = comparison.first_difference
    if at is None or at.index is None:
        return f"variable {path} differs in shape or type"
    return (
        f"variable {path} at {at.index}: by hand {at.first!r}, .fit {at.second!r}, {at.abs_diff:.2g} or "
        f"{at.ulp:.0f} ulp apart; the largest is {comparison.weights_max_abs_diff:.2g}"
    )


def _call_text(call: CallbackCall) -> str:
    method, number, logs = call
    return f"{method}({', '.join(str(part) for part in (number, logs or None) if part is not None)})"
