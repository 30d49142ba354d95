"""One network whose training is being written down."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from companion.check.learner.lines import Location
from companion.check.recording.events import Event, Forward, Gradient, State, Update


class Followed:
    """A network, and what has happened to it so far."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.layers = {id(layer) for layer in with_layers(model) if layer is not model}
        self.position = {id(v): number for number, v in enumerate(model.trainable_variables)}
        self.position |= {id(v.value): number for number, v in enumerate(model.trainable_variables)}
        self.own = {id(v) for v in model.variables}
        self.names = [v.path.split("/", 1)[-1] for v in model.variables]
        self.trainable = [n for n, v in enumerate(model.variables) if id(v) in self.position]
        self.frozen: set[int] = set()  # variables that are not trainable and that an optimizer updates
        self.events: list[Event] = []
        self.start = self.state()
        self.last = self.trained(self.start)  # the trainable variables after the last event
        self.assigned: dict[int, int] = {}  # assignments in the current update by hand, by variable
        self.place: Location | None = None  # where that began
        self.opened: dict[int, State] = {}  # by tape: all variables as it was opened
        self.of_replicas: list[list[list[Event]]] = []  # by update of a strategy, and by replica

    def state(self) -> State:
        """Copy all variables."""
        return [np.array(variable.numpy()) for variable in self.model.variables]

    def trained(self, state: State) -> State:
        """Return the trainable ones of `state`."""
        return [state[number] for number in self.trainable]

    def settle(self) -> State:
        """Write down what has changed the weights since the last event, seen or not; copy all variables."""
        state = self.state()
        now = self.trained(state)
        same = all(np.array_equal(a, b, equal_nan=True) for a, b in zip(now, self.last, strict=True))
        if self.assigned or not same:
            place = self.place or (self.events[-1].place if self.events else None)
            self.events.append(Update(self.last, now, None, None, {}, self.assigned, place))
            self.last, self.assigned, self.place = now, {}, None
        return state

    def called(
        self, rows: np.ndarray | None, training: bool | None, tapes: Sequence[int], place: Location | None
    ) -> None:
        """Write down a forward pass that begins."""
        self.events.append(Forward(rows, training, self.settle(), tuple(tapes), place))

    def differentiated(
        self, tape: int, targets: Sequence[Any], sources: Sequence[Any], gradients: Sequence[Any], place: Any
    ) -> None:
        """Write down what a tape gave, if it was asked for a variable of this network."""
        pairs = [(source, g) for source, g in zip(sources, gradients, strict=False) if self.knows(source)]
        if not pairs or not targets:
            return
        values: list[np.ndarray | None] = [None] * len(self.trainable)
        for source, gradient in pairs:
            values[self.position[id(source)]] = dense(gradient)
        value = targets[0].numpy() if len(targets) == 1 else np.array([np.sum(t.numpy()) for t in targets])
        state = self.settle()
        asked = [self.position[id(source)] for source, _ in pairs]
        opened = self.opened.get(tape, state)
        self.events.append(Gradient(np.array(value), values, asked, tape, opened, place))

    def knows(self, variable: Any) -> bool:
        """Return whether it is a trainable variable of this network."""
        return id(variable) in self.position

    def assigns(self, variable: Any, assign: Callable[[], Any], place: Location | None) -> Any:
        """Let a trainable variable be assigned to by hand, and count it if that changes the variable."""
        if not self.assigned:
            self.settle()
            self.place = place
        number, before = self.position[id(variable)], np.array(variable.numpy())
        result = assign()
        moved = not np.allclose(before, variable.numpy(), rtol=1e-6, atol=0)
        self.assigned[number] = self.assigned.get(number, 0) + moved
        return result

    def furthest_apart(self, variable: Any, values: Sequence[Any]) -> tuple[str, float, float]:
        """Return what a variable is called, and the numbers in which two values for it differ most."""
        first, last = (np.ravel(value.numpy()) for value in (values[0], values[-1]))
        at = int(np.argmax(np.abs(first - last)))
        return self.names[self.trainable[self.position[id(variable)]]], float(first[at]), float(last[at])

    def applied(
        self,
        pairs: Sequence[tuple[Any, Any]],
        optimizer: int,
        settings: dict[str, Any],
        place: Location | None,
        made: Location | None,
    ) -> None:
        """Write down the update that an optimizer has just made."""
        values: list[np.ndarray | None] = [None] * len(self.trainable)
        for gradient, variable in pairs:
            if self.knows(variable):
                values[self.position[id(variable)]] = dense(gradient)
            elif id(variable) in self.own and gradient is not None:
                self.frozen.add(next(n for n, v in enumerate(self.model.variables) if v is variable))
        now = self.trained(self.state())
        self.events.append(Update(self.last, now, values, optimizer, settings, {}, place, made))
        self.last = now

    def depends_on_parts(self) -> bool:
        """Return whether a step under a strategy differs from one on the whole batch, though it is right.

        It does if the replicas have different numbers of rows, if each draws numbers, or if a layer
        takes means over the rows of each.
        """
        drawn_or_means = any(
            hasattr(layer, "seed_generator")
            or (isinstance(layer, keras.layers.BatchNormalization) and not layer.synchronized)
            for layer in with_layers(self.model)
        )
        if drawn_or_means and self.of_replicas:
            return True
        sizes = [
            {0 if one.rows is None else len(one.rows) for one in of_all}
            for group in self.of_replicas
            for of_all in zip(*map(training_passes, group), strict=False)
        ]
        return any(len(of_batch) > 1 for of_batch in sizes)

    def was_trained(self) -> bool:
        """Return whether a gradient was taken of it, and its weights changed."""
        kinds = {type(event) for event in self.events}
        return {Gradient, Update} <= kinds


def training_passes(events: Sequence[Event]) -> list[Forward]:
    """Return the forward passes that a tape has recorded."""
    return [event for event in events if isinstance(event, Forward) and event.tapes]


def joined(events: Sequence[Event], groups: Sequence[Sequence[Sequence[Event]]]) -> list[Event]:
    """Make one forward pass of the first ones of all replicas, one of the second ones, and so on.

    So for the gradients. `groups` has the events by update, and by replica.
    """
    instead: dict[int, Event | None] = {}
    for group in groups:
        passes = [training_passes(part) for part in group]
        gradients = [[event for event in part if isinstance(event, Gradient)] for part in group]
        if any(len({len(part) for part in parts}) > 1 for parts in (passes, gradients)):
            continue
        # A short batch may have no rows for some replicas.
        with_rows = [
            number for number, (part, taken) in enumerate(zip(passes, gradients, strict=True))
            if any(one.rows is not None for one in part)
            or any(value is not None and value.any() for gradient in taken for value in gradient.values)
        ]  # fmt: skip
        if not with_rows or any(one.rows is None for number in with_rows for one in passes[number]):
            continue
        for of_all in zip(*(passes[number] for number in with_rows), strict=True):
            rows = [one.rows for one in of_all if one.rows is not None]
            instead[id(of_all[0])] = replace(of_all[0], rows=np.concatenate(rows))
        for of_each in zip(*gradients, strict=True):
            values = [
                None if parts[0] is None else np.add.reduce([part for part in parts if part is not None])
                for parts in zip(*(one.values for one in of_each), strict=True)
            ]
            target = np.array(sum(float(np.sum(one.target)) for one in of_each))
            instead[id(of_each[0])] = replace(of_each[0], values=values, target=target)
        for one in (*itertools.chain(*passes), *itertools.chain(*gradients)):
            instead.setdefault(id(one), None)
    together = [instead.get(id(event), event) for event in events]
    return [event for event in together if event is not None]


def with_layers(model: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yield a model and all layers in it, each before those inside it."""
    yield model
    for layer in getattr(model, "layers", []):
        yield from with_layers(layer)


def dense(gradient: Any) -> np.ndarray | None:
    """Copy a gradient, a sparse one too."""
    return None if gradient is None else np.array(tf.convert_to_tensor(gradient))
