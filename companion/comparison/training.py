"""What a training leaves behind, written down: history, variables, and every call of a callback."""

import contextlib
import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

CallbackCall = tuple[str, int | None, dict[str, Any]]
OPTIMIZER = "optimizer "  # how names of the variables of a loop's own optimizer begin


@dataclass(frozen=True)
class Training:
    """What a training leaves behind.

    Attributes
    ----------
    model : keras.Model
        Trained.
    initial : dict of str to ndarray
        As `variables`, before the training; without those that are made when it begins.
    history : dict of str to list
        What ``.fit`` returns in its ``History``: one number per epoch under each key.
    variables : dict of str to ndarray
        Weights, seeds of random layers, metrics and optimizer variables, by their paths.
    calls : list of tuple
        Each call of a callback: method, number of the epoch or step, logs.
    seconds : float
        What an epoch took, without the first one if there are more; of a loop of one's own, the whole
        training divided by its epochs.
    epochs : dict of str to list, optional
        The numbers of the epochs in which each key of the history was reported; else `calls` says it.
    """

    model: keras.Model
    initial: dict[str, np.ndarray]
    history: dict[str, list]
    variables: dict[str, np.ndarray]
    calls: list[CallbackCall]
    seconds: float = 0.0
    epochs: dict[str, list[int]] | None = None


class RecordCalls(keras.callbacks.Callback):
    """A callback that writes down every call: method, number, logs as plain numbers."""

    def __init__(self, tell: Callable[[int], None] | None = None) -> None:
        super().__init__()
        self._tell = tell  # called with the number of each epoch that begins
        self.calls: list[CallbackCall] = []
        self.moments: list[float] = []  # at which epochs begin and end

    @property
    def seconds(self) -> float:
        """Return what an epoch took, in the median; without the first, in which graphs are made."""
        epochs = [end - begin for begin, end in zip(self.moments[::2], self.moments[1::2], strict=False)]
        return statistics.median(epochs[1:] or epochs or [0.0])

    def _record(self, method: str, number: int | None, logs: Mapping[str, Any] | None) -> None:
        if method in ("on_epoch_begin", "on_epoch_end"):
            self.moments.append(time.perf_counter())
            if self._tell is not None and method == "on_epoch_begin":
                self._tell(number or 0)
        plain = {key: np.asarray(value).tolist() for key, value in (logs or {}).items()}
        self.calls.append((method, number, plain))

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Record what the callbacks are told before training."""
        super().set_params(params)
        self._record("set_params", None, params)


def _numbered(method: str) -> Callable:
    return lambda self, number, logs=None: self._record(method, number, logs)


def _unnumbered(method: str) -> Callable:
    return lambda self, logs=None: self._record(method, None, logs)


for _when in ("begin", "end"):
    for _what in ("epoch", "train_batch", "test_batch"):
        setattr(RecordCalls, f"on_{_what}_{_when}", _numbered(f"on_{_what}_{_when}"))
    for _what in ("train", "test"):
        setattr(RecordCalls, f"on_{_what}_{_when}", _unnumbered(f"on_{_what}_{_when}"))


def epochs_of(training: Training) -> dict[str, list[int]]:
    """Return the numbers of the epochs in which each key of the history was reported."""
    if training.epochs is not None:
        return training.epochs
    ends = [(number or 0, logs) for method, number, logs in training.calls if method == "on_epoch_end"]
    reported = {key: [number for number, logs in ends if key in logs] for key in training.history}
    # Where a callback after the recorder changed the logs, the numbers are those from 0 on.
    return {
        key: reported[key] if len(reported[key]) == len(values) else list(range(len(values)))
        for key, values in training.history.items()
    }


def columns(history: Mapping[str, Sequence]) -> dict[str, list[float]]:
    """Return each key of a history as numbers, one per epoch; a metric that is an array becomes several."""
    plain: dict[str, list[float]] = {}
    for key, values in history.items():
        numbers = np.asarray([np.asarray(value, dtype="float64") for value in values])
        if numbers.ndim == 1:
            plain[key] = numbers.tolist()
        else:
            flat = numbers.reshape(len(numbers), -1)
            plain |= {f"{key}[{part}]": flat[:, part].tolist() for part in range(flat.shape[1])}
    return plain


def variables_of(model: keras.Model) -> dict[str, np.ndarray]:
    """Read all variables, also those of attributes; where two have the same path, the second is numbered."""
    return _by_path(
        [*((variable.path, variable) for variable in _known(model)), *variables_of_attributes(model)]
    )


def _known(model: keras.Model) -> list[Any]:
    optimizer = getattr(model, "optimizer", None)  # its own `compile` may set none
    return [
        *model.variables,
        *model.metrics_variables,
        *(optimizer.variables if optimizer is not None else []),
    ]


def variables_of_attributes(model: keras.Model) -> list[tuple[str, Any]]:
    """Return the variables that are kept as attributes only, such as those of further optimizers, by path."""
    held = {id(variable) for variable in _known(model)}
    return [pair for pair in _variables_in(model, "", set()) if id(pair[1]) not in held]


def _by_path(pairs: Iterable[tuple[str, Any]]) -> dict[str, np.ndarray]:
    """Read variables; where two have the same path, the second is numbered."""
    found: dict[str, np.ndarray] = {}
    for whole, variable in pairs:
        path, number = whole, 2
        while path in found:
            path, number = f"{whole} ({number})", number + 1
        found |= _copies(path, variable)
    return found


def _copies(path: str, variable: Any) -> dict[str, np.ndarray]:
    """Read a variable; under a distribution strategy, its copy on each replica."""
    value = variable.value if isinstance(variable, keras.Variable) else variable
    if not isinstance(value, tf.distribute.DistributedValues):
        return {path: np.array(variable.numpy())}
    copies = enumerate(value.values)
    return {f"{path} on replica {n}" if n else path: np.array(one.numpy()) for n, one in copies}


@contextlib.contextmanager
def optimizers_built() -> Iterator[list[Any]]:
    """Collect the optimizers that are built in the ``with`` block, whoever made them, in their order."""
    built: list[Any] = []
    build = keras.optimizers.Optimizer.build

    def noting_build(self: Any, *parts: Any, **more: Any) -> Any:
        built.extend([] if any(one is self for one in built) else [self])
        return build(self, *parts, **more)

    keras.optimizers.Optimizer.build = noting_build
    try:
        yield built
    finally:
        keras.optimizers.Optimizer.build = build


def variables_of_loop(model: keras.Model, optimizers: Sequence[Any]) -> dict[str, np.ndarray]:
    """Read weights and seeds of a model, and the variables of the optimizers that a loop has built."""
    # Optimizers are numbered by Keras as they are made, so their own names do not count.
    return _by_path(
        [
            *((variable.path, variable) for variable in model.variables),
            *(
                (f"{OPTIMIZER}{number}/{variable.path.rpartition('/')[2]}", variable)
                for number, optimizer in enumerate(optimizers)
                for variable in optimizer.variables
            ),
        ]
    )


def history_of(returned: Any) -> dict[str, list]:
    """Return what a loop reports, as a history.

    Raises
    ------
    TypeError
        If it is neither a dict of lists, a list of losses, a ``History`` nor None.
    """
    if isinstance(returned, keras.callbacks.History):
        return returned.history
    try:
        if isinstance(returned, Mapping):
            return {str(name): [float(value) for value in values] for name, values in returned.items()}
        if returned is None or isinstance(returned, list | tuple | np.ndarray | tf.Tensor):
            return {} if returned is None else {"loss": [float(value) for value in returned]}
    except (TypeError, ValueError):
        pass
    raise TypeError(
        f"train returned a {type(returned).__name__}: it must be a dict of lists of numbers, a list of "
        "losses, a History, or nothing"
    )


def _variables_in(part: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield path and variable for all that a model keeps as attributes, such as further optimizers."""
    if id(part) in seen:
        return
    seen.add(id(part))
    if isinstance(part, tf.Variable | keras.Variable):
        yield path, part
        return
    inside: Iterable[tuple[Any, Any]] = ()
    if isinstance(part, keras.optimizers.Optimizer):
        inside = ((variable.path, variable) for variable in part.variables)
    elif isinstance(part, keras.Layer):
        # Under a name with an underscore stands what Keras keeps: the same variables, or `model.variables`.
        own = ((name, value) for name, value in vars(part).items() if not name.startswith("_"))
        inside = itertools.chain(own, ((layer.name, layer) for layer in getattr(part, "layers", [])))
    elif isinstance(part, keras.losses.Loss):
        inside = vars(part).items()
    elif isinstance(part, Mapping):
        inside = part.items()
    elif isinstance(part, list | tuple):
        inside = enumerate(part)
    for name, value in inside:
        yield from _variables_in(value, f"{path}/{name}".removeprefix("/"), seen)
