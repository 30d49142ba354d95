"""What is written down of a network that a script trains: its rows, its labels, and calls of ``.fit``."""

import contextlib
import functools
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from companion.check.learner.lines import Location, own_place
from companion.check.learner.variables import own_name
from companion.check.recording.events import Forward, Gradient, State
from companion.check.recording.network import Followed, with_layers
from companion.check.recording.recorder import settings_of
from companion.check.recording.rows import RowTable
from companion.fit.keras_private import loss_weights_of, rate_of, train_validation_split

FIT = inspect.signature(keras.Model.fit)


@dataclass(frozen=True)
class Labels:
    """What a prediction was compared with.

    Attributes
    ----------
    output : int
        Which output of the network.
    values : ndarray of shape (rows, ...)
        The labels.
    weights : ndarray or None
        The sample weights, as they were given to the loss.
    loss : keras.losses.Loss or None
        The loss that was called; None for a loss of other operations.
    place : Location or None
        The line.
    """

    output: int
    values: np.ndarray
    weights: np.ndarray | None
    loss: keras.losses.Loss | None
    place: Location | None


@dataclass(frozen=True)
class FitCall:
    """A call of ``.fit``.

    Attributes
    ----------
    model : keras.Model
        Whose.
    start : list of ndarray
        All its variables before the call.
    arguments : dict
        By the names of ``keras.Model.fit``.
    optimizer : dict
        Class, configuration and learning rate.
    loss, loss_weights : object
        As they were compiled.
    place : Location or None
        The line.
    history : dict
        What it returned; empty until it has.
    sizes : list of int
        How many rows each batch of a generator had.
    rates : list of float
        The learning rate of each update.
    """

    model: keras.Model
    start: State
    arguments: dict[str, Any]
    optimizer: dict[str, Any]
    loss: Any
    loss_weights: Any
    place: Location | None
    history: dict[str, list[float]] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    @property
    def watched(self) -> dict[str, Any]:
        """Return the arguments, with what writes down the batches of a generator and the learning rates."""
        changed = dict(self.arguments)
        if inspect.isgenerator(changed["x"]):
            changed["x"] = noting_sizes(changed["x"], self.sizes)
        callbacks = changed["callbacks"]
        if callbacks is None or isinstance(callbacks, list | tuple):
            changed["callbacks"] = [*(callbacks or ()), RatesOfFit(self.rates)]
        return changed

    def build_model(self) -> None:
        """Build a model that is not built yet, as the first step of ``.fit`` would, and note its state."""
        data = self.arguments["x"]
        if self.model.built or inspect.isgenerator(data) or isinstance(data, keras.utils.PyDataset):
            return
        if isinstance(data, tf.data.Dataset):
            data = data.element_spec[0] if isinstance(data.element_spec, tuple) else data.element_spec
        with contextlib.suppress(Exception):  # what fails here fails in .fit too, which says why
            self.model(keras.tree.map_structure(_symbolic, data))
        self.start[:] = [np.array(v.numpy()) for v in self.model.variables]

    @property
    def batch_size(self) -> int | None:
        """Return how many rows a batch has; None if that cannot be seen."""
        data = self.arguments["x"]
        if self.arguments["batch_size"] is not None:
            return self.arguments["batch_size"]
        if isinstance(data, tf.data.Dataset):
            return _batch_size_of(data)
        return 32 if self.is_of_arrays else max(self.sizes, default=None)

    @functools.cached_property
    def training_rows(self) -> tuple[Any, Any]:
        """Return x and the sample weights without the rows that ``.fit`` splits off to validate on."""
        rows = self.arguments["x"], self.arguments["sample_weight"]
        split = self.arguments["validation_split"]
        if split and self.arguments["validation_data"] is None and self.is_of_arrays:
            rows, _ = train_validation_split(rows, validation_split=split)
        return rows

    @property
    def epochs(self) -> int:
        """Return how many epochs it trains."""
        return self.arguments["epochs"] - self.arguments["initial_epoch"]

    @property
    def is_of_arrays(self) -> bool:
        """Return whether ``.fit`` itself cuts the data into batches."""
        return isinstance(tf.nest.flatten(self.arguments["x"])[0], np.ndarray | tf.Tensor)


def _symbolic(part: Any) -> keras.KerasTensor:
    """Return a tensor without numbers for an input, whose floats ``.fit`` casts to those of Keras."""
    dtype = np.dtype(getattr(part.dtype, "as_numpy_dtype", part.dtype))
    return keras.KerasTensor(
        (None, *part.shape[1:]), keras.config.floatx() if np.issubdtype(dtype, np.floating) else dtype.name
    )


class Network(Followed):
    """A network that the script trains, what it was fed and what it was compared with.

    Attributes
    ----------
    table : RowTable
        All rows that it was trained on, each once.
    labels : dict of int to list of Labels
        By the number of the forward pass among its events.
    fed_by : set of Network
        Networks whose predictions it was called with.
    bytes : int
        What its recording takes.
    """

    def __init__(self, model: keras.layers.Layer) -> None:
        super().__init__(model)
        self.table = RowTable()
        self.labels: dict[int, list[Labels]] = {}
        self.fed_by: list[Network] = []
        self.own_fit: FitCall | None = None  # the call whose overridden step trains it
        self.fits_before: list[FitCall] = []
        self.epoch_rows: set[int] = set()
        self.dataset = ""  # what the dataset looks like with which an epoch begins
        self.epochs = 0  # that are complete
        self.begins: list[int] = []  # the numbers of the events with which epochs begin
        self.lists: dict[str, Any] = {}  # what the script's functions have counted when the recording ended
        self.counted: dict[str, int] = {}  # how long these were then
        self.number = 0  # how many loops have trained the same network before
        self.spans: dict[str, slice] = {}  # which part of a list this loop has filled, if not all of it
        self.calls: set[tuple[Location, ...]] = set()  # the lines of its training passes, and their callers
        self.begun_in: tuple[Location, ...] = ()  # those of the first one
        self.updates = 0
        self.before = 0  # updates of other networks before its own
        self.began: float | None = None  # when it was first updated
        self.done = False
        self.has_more_inputs = False  # whether it was called with tensors beside its inputs
        self.is_cut = False  # whether its recording ended within its first epoch
        self.end: State = []  # all variables when its recording ended
        self.first_optimizer: dict[str, Any] = {}
        self.optimizer_state: State = []  # what its optimizer has kept from an earlier loop
        self.size = sum(v.nbytes for v in self.start)
        self.name = own_name(model)
        self.trained_ids = [id(v) for v in model.trainable_variables]
        self.flags = [(part, part.trainable) for part in (*with_layers(model), *model.variables)]

    @contextlib.contextmanager
    def as_it_began(self) -> Iterator[None]:
        """Let the same layers be trainable as when it was first called, in the ``with`` block."""
        now = [(part, part.trainable) for part, _ in self.flags]
        try:
            for part, is_trainable in self.flags:
                part.trainable = is_trainable
            yield
        finally:
            for part, is_trainable in now:
                part.trainable = is_trainable

    def is_other_now(self) -> bool:
        """Return whether layers have been frozen or thawed since."""
        return [id(v) for v in self.model.trainable_variables] != self.trained_ids

    def was_trained_by(self, tapes: set[int]) -> bool:
        """Return whether a gradient of one of these tapes was taken of it, for an update or in vain."""
        return any(isinstance(event, Gradient) and event.tape in tapes for event in self.events)

    def begin_pass(self, rows: np.ndarray, known: int, iterated: str) -> bool:
        """Count epochs; return whether one has just ended.

        A new one begins where most rows of a batch were fed before. Where rows never come again, since each
        epoch changes them, it begins where a ``Dataset`` is gone through anew.

        Parameters
        ----------
        rows : ndarray of int
            Of the batch.
        known : int
            How many rows had been fed before it.
        iterated : str
            What the ``Dataset`` looks like that the script has begun to go through since the last pass.
        """
        seen = sum(int(row) in self.epoch_rows for row in rows)
        again = bool(iterated) and iterated == self.dataset
        changed = again and int((rows >= known).sum()) * 2 > len(rows)
        new = bool(self.epoch_rows) and self.has_stepped() and (seen * 2 > len(rows) or changed)
        if new:
            self.epochs += 1
            self.epoch_rows = set()
        if new or not self.begins:
            self.begins.append(len(self.events))
            self.dataset = iterated or self.dataset
        self.epoch_rows.update(int(row) for row in rows)
        return new

    def has_stepped(self) -> bool:
        """Return whether a gradient was taken since the last training pass."""
        for event in reversed(self.events):
            if isinstance(event, Gradient):
                return True
            if isinstance(event, Forward) and event.tapes:
                return False
        return False


def fit_call(model: keras.Model, args: Sequence[Any], kwargs: dict[str, Any]) -> FitCall:
    """Read how ``.fit`` is called."""
    arguments = FIT.bind(model, *args, **kwargs)
    arguments.apply_defaults()
    given = dict(arguments.arguments)
    given.pop("self")
    start = [np.array(v.numpy()) for v in model.variables]
    own = {"class": type(model.optimizer), "schedule": rate_of(model.optimizer)}
    optimizer = settings_of(model.optimizer) | own
    return FitCall(model, start, given, optimizer, model.loss, loss_weights_of(model), own_place())


class RatesOfFit(keras.callbacks.Callback):
    """Writes down the learning rate before each update."""

    def __init__(self, rates: list[float]) -> None:
        super().__init__()
        self.rates = rates

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Write it down."""
        self.rates.append(float(self.model.optimizer.learning_rate))


def _batch_size_of(dataset: tf.data.Dataset) -> int | None:
    """Return the batch size of a dataset, which may have been shuffled or mapped after it was cut."""
    while dataset is not None:
        size = getattr(dataset, "_batch_size", None)
        if size is not None:
            return int(size)
        dataset = getattr(dataset, "_input_dataset", None)
    return None


def noting_sizes(batches: Iterator[Any], sizes: list[int]) -> Iterator[Any]:
    """Yield the batches of a generator, and write down how many rows they have."""
    for batch in batches:
        sizes.append(len(tf.nest.flatten(batch)[0]))
        yield batch


def trains_by_own_step(model: keras.Model) -> bool:
    """Return whether a model overrides how ``.fit`` makes a step."""
    return any(
        getattr(type(model), name) is not getattr(keras.Model, name)
        for name in ("train_step", "compute_loss", "_compute_loss")
        if hasattr(keras.Model, name)
    )
