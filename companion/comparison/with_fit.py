"""Anyone's network, trained twice from one seed: by hand and by ``.fit``. Is anything different?"""

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import GeneratorType
from typing import Any, TypedDict, Unpack

import keras
import numpy as np
import tensorflow as tf

from companion.comparison.fit_comparison import FitComparison
from companion.comparison.history import Comparison
from companion.comparison.training import (
    OPTIMIZER,
    RecordCalls,
    Training,
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
            meant = did_you_mean(str(name), allowed) or f"it takes {', '.join(allowed)}"
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
        own, calls = {name: _fresh(value) for name, value in arguments.items()}, RecordCalls()
        if train is fit:
            own = {"verbose": 0, **own}
            own["callbacks"] = [*keras.tree.flatten(own.get("callbacks") or []), calls]
        started = time.perf_counter()
        history = history_of(train(model, _fresh(x), _fresh(y), **own))
        epochs = max((len(values) for values in history.values()), default=arguments.get("epochs", 1))
        seconds = (time.perf_counter() - started) / max(1, epochs)
    done = Training(model, initial, history, variables_of_loop(model, built), calls.calls, seconds)
    return replace(done, calls=[], epochs=epochs_of(done))  # a loop need not call callbacks


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
    kept = replace(by_fit, history=history, variables=variables)
    compared = FitComparison(loop, kept, seed, ("your loop", ".fit"))
    compared.notes = notes
    return compared


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
