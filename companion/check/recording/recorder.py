"""What is seen of a hand-written loop while it runs, without changing what it computes."""

import abc
import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from companion.check.learner.lines import (
    LEARNER,
    Location,
    caller_of_wrapper,
    is_library,
    opened_by,
    own_place,
)
from companion.check.recording.events import Event, Gradient, ReadyMade, Recording
from companion.check.recording.network import Followed, dense
from companion.check.recording.patches import EagerConcreteFunction, definer, replaced
from companion.check.recording.replicas import Copies, aggregated, current_step, reduced
from companion.check.recording.strategy import refuse_made_before, strategies_in_turn
from companion.fit.keras_private import plain_rate, rate_of, trained_by


@contextlib.contextmanager
def hooked(watcher: "Watcher") -> Iterator[None]:
    """Let `watcher` see what happens in the ``with`` block, where functions of TensorFlow run eagerly."""
    eagerly = tf.config.functions_run_eagerly()
    with contextlib.ExitStack() as stack:
        stack.callback(tf.config.run_functions_eagerly, eagerly)
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", "Even though the `tf.config.experimental_run_functions_eagerly`")
        tf.config.run_functions_eagerly(True)
        for owner, name, wrapper in watcher.wrappers():
            stack.enter_context(replaced(owner, name, wrapper))
        stack.callback(watcher.finish)
        stack.enter_context(strategies_in_turn(watcher))
        yield


class Watcher(abc.ABC):
    """Intercepts what a loop calls, and lets each network that the loop trains write it down."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.models: list[Followed] = []
        self.tapes: list[tf.GradientTape] = []  # all that were opened; kept, so that no id comes twice
        self.open: list[int] = []
        self.optimizers: list[Any] = []
        self.made: dict[int, tuple[Any, Location | None]] = {}  # optimizers, each kept, and their lines
        self.inside_model = self.inside_optimizer = self.inside_ready_made = False
        self.replica = (0, 1)  # which one runs, and how many there are
        self.events_before: dict[int, int] = {}  # by network, when the replica began or went on
        self.kept: dict[int, tuple[list[int], bool]] = {}  # by replica that waits: `open`, `inside_model`
        self.copies = Copies()
        self.of_strategy: dict[int, Any] = {}  # variables made under one, kept, so that no id comes twice
        self.parts: list[dict[int, list[Event]]] = []  # by replica, and by network: since the last update

    def wrappers(self) -> Iterator[tuple[type, str, Callable]]:
        """List the methods to replace, each with its replacement."""
        yield keras.layers.Layer, "__call__", self.on_call
        yield keras.optimizers.Optimizer, "apply", self.on_apply_of_replica
        yield keras.optimizers.LossScaleOptimizer, "apply", self.on_apply_of_scaled
        yield keras.optimizers.Optimizer, "__init__", self.on_making
        yield tf.GradientTape, "__enter__", self.on_enter
        yield tf.GradientTape, "__exit__", self.on_exit
        yield tf.GradientTape, "stop_recording", self.on_stop_recording
        yield tf.GradientTape, "gradient", self.on_gradient
        for name in ("fit", "train_on_batch"):
            yield definer(keras.Model, name), name, functools.partial(self.on_ready_made, name)
        function = type(tf.function(lambda: None))
        yield function, "get_concrete_function", self.on_concrete_function
        yield function, "__call__", self.on_function
        kind = type(tf.Variable(0.0))
        yield kind, "__init__", self.on_tf_variable
        for name in ("assign", "assign_sub", "assign_add"):
            yield definer(kind, name), name, self.on_assign

    def is_blind(self) -> bool:
        """Return whether there are no numbers to write down: TensorFlow is building a graph."""
        return not tf.executing_eagerly()

    @abc.abstractmethod
    def on_call(self, original: Callable, layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        """Write down a forward pass, if it is one of a network that is watched."""

    def called_inside(self, original: Callable, layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        """Call a layer, of which the layers inside are no networks of their own."""
        self.inside_model = True
        try:
            return original(layer, *args, **kwargs)
        finally:
            self.inside_model = False

    def on_making(self, original: Callable, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        """Note the line that makes an optimizer."""
        original(optimizer, *args, **kwargs)
        self.made[id(optimizer)] = optimizer, own_place()

    @contextlib.contextmanager
    def on_step_of_replicas(self, replicas: int) -> Iterator[None]:
        """Note that the replicas of a strategy take a step."""
        self.recording.replicas = max(self.recording.replicas, replicas)
        self.kept = {number: ([], False) for number in range(replicas)}
        self.parts = [{} for _ in range(replicas)]
        self.copies.begin()
        try:
            yield
        finally:
            self.copies.end()
        self.end_of_parts()

    @contextlib.contextmanager
    def on_replica(self, number: int, replicas: int) -> Iterator[None]:
        """Note which replica of a strategy runs, with its own tapes, until it waits or ends."""
        outside = self.open, self.inside_model
        self.replica, (self.open, self.inside_model) = (number, replicas), self.kept[number]
        self.events_before = self.counted()
        self.copies.load(number)
        try:
            yield
        finally:
            self.copies.save(number)
            self.take_parts()
            self.kept[number] = self.open, self.inside_model
            self.replica, (self.open, self.inside_model) = (0, 1), outside

    def end_of_parts(self) -> None:
        """Note which events of all replicas belong together: those up to an update, or to the step's end."""
        self.take_parts()
        for followed in self.models:
            parts = [of_replica.pop(id(followed), []) for of_replica in self.parts]
            if any(isinstance(event, Gradient) for event in parts[0]):
                followed.of_replicas.append(parts)

    def take_parts(self) -> None:
        """Note which events are of the replica that has run."""
        for followed in self.models:
            new = followed.events[self.events_before.get(id(followed), 0) :]
            self.parts[self.replica[0]].setdefault(id(followed), []).extend(new)
        self.events_before = self.counted()

    def counted(self) -> dict[int, int]:
        """Return how many events each network has."""
        return {id(followed): len(followed.events) for followed in self.models}

    def on_apply_of_replica(
        self, original: Callable, optimizer: Any, grads: Any, trainable_variables: Any = None
    ) -> Any:
        apply = functools.partial(self.on_apply, original, optimizer)
        return self.applied_once(apply, grads, trainable_variables)

    def on_apply_of_scaled(
        self, original: Callable, optimizer: Any, grads: Any, trainable_variables: Any = None
    ) -> Any:
        """Let an optimizer that scales the loss wait, too; the one inside it updates then."""
        return self.applied_once(functools.partial(original, optimizer), grads, trainable_variables)

    def applied_once(self, apply: Callable, grads: Any, variables: Any) -> Any:
        """Let the optimizer wait for all replicas, and then update once, with the sum of their gradients."""
        step = current_step()
        if step is None:
            return apply(grads, variables)

        def update(gradients: list[list[Any]]) -> Any:
            if not self.is_blind():
                known = [parts for parts in zip(*gradients, strict=True) if parts[0] is not None]
                self.recording.joined_twice |= bool(known) and all(map(_are_equal, known))
            self.end_of_parts()
            return apply(_summed(gradients), variables)

        return step.meet("an update of the optimizer", list(grads), update)

    def on_apply(
        self, original: Callable, optimizer: Any, grads: Any, trainable_variables: Any = None
    ) -> Any:
        if self.inside_optimizer or self.is_blind():
            return original(optimizer, grads, trainable_variables)
        grads = list(grads)
        variables = trained_by(optimizer) if trainable_variables is None else trainable_variables
        pairs = list(zip(grads, variables, strict=False))
        touched = [f for f in self.models if any(f.knows(variable) for _, variable in pairs)]
        for followed in touched:
            followed.settle()
        settings = settings_of(optimizer) if touched else {}
        self.inside_optimizer = True
        try:
            result = original(optimizer, grads, trainable_variables)
        finally:
            self.inside_optimizer = False
        if touched and not any(optimizer is known for known in self.optimizers):
            self.optimizers.append(optimizer)
        for followed in touched:
            number = next(n for n, known in enumerate(self.optimizers) if known is optimizer)
            made = self.made.get(id(optimizer), (optimizer, None))[1]
            followed.applied(pairs, number, settings, own_place(), made)
        return result

    def on_tf_variable(self, original: Callable, variable: Any, *args: Any, **kwargs: Any) -> None:
        """Note the variables that are made under a strategy."""
        original(variable, *args, **kwargs)
        if tf.distribute.has_strategy():
            self.of_strategy[id(variable)] = variable

    def on_assign(self, original: Callable, variable: Any, *args: Any, **kwargs: Any) -> Any:
        """Write down an assignment; in a replica, it is what TensorFlow makes of it."""
        assign = functools.partial(original, variable, *args, **kwargs)
        if self.inside_optimizer or not tf.executing_eagerly():
            return assign()
        step, (value, *_) = current_step(), (*args, *kwargs.values())
        if step is None or id(variable) not in self.of_strategy:
            return assign() if self.inside_model else self.assigned(variable, assign, [])
        is_aggregated = variable.aggregation != tf.VariableAggregation.NONE
        on_read = variable.synchronization == tf.VariableSynchronization.ON_READ
        if on_read or not (is_aggregated or self.knows_weight(variable)):
            self.copies.take(variable, step.replicas)
            return assign()

        def assign_once(values: list[Any]) -> Any:
            if is_aggregated:
                values = [aggregated(variable, values)]
            return self.assigned(variable, functools.partial(original, variable, values[-1]), values)

        return step.meet(
            "an assignment to a variable", tf.convert_to_tensor(value, variable.dtype), assign_once
        )

    def knows_weight(self, variable: Any) -> bool:
        """Return whether a variable is a trainable one of a network that is or was watched."""
        return any(followed.knows(variable) for followed in self.models)

    def assigned(self, variable: Any, assign: Callable[[], Any], of_replicas: list[Any]) -> Any:
        """Assign to a variable, and write it down if it is one of a network that is watched."""
        followed = (
            None if self.is_blind() else next((one for one in self.models if one.knows(variable)), None)
        )
        if followed is None:
            return assign()
        if of_replicas:
            self.end_of_parts()
            if self.recording.copies_apart is None and not _are_equal(of_replicas):
                self.recording.copies_apart = (*followed.furthest_apart(variable, of_replicas), own_place())
        return followed.assigns(variable, assign, own_place())

    def on_concrete_function(self, original: Callable, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Return a replacement that runs eagerly: a concrete function would still run as a graph."""
        if is_library(caller_of_wrapper().f_code.co_filename):
            return original(function, *args, **kwargs)
        self.recording.compiled = True
        return EagerConcreteFunction(function, functools.partial(original, function), args, kwargs)

    def on_function(self, original: Callable, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Note that the learner's code calls a ``tf.function``."""
        if not self.recording.compiled and not is_library(caller_of_wrapper().f_code.co_filename):
            self.recording.compiled = True
        return original(function, *args, **kwargs)

    def on_enter(self, original: Callable, tape: tf.GradientTape) -> Any:
        refuse_made_before()
        number = self.number_of(tape)
        self.open.append(number)
        by = opened_by(caller_of_wrapper())
        if by == LEARNER:
            self.recording.own_tapes.append(number)
            self.recording.graphs += self.is_blind()
        else:
            self.disown(number)  # a library opens it again
        if by not in (LEARNER, None) and not self.inside_ready_made:
            self.recording.events.append(ReadyMade(by, own_place()))
            self.recording.fits += 1
            self.inside_ready_made = True
        if not self.is_blind():
            for followed in self.models:
                followed.opened[number] = followed.settle()
        return original(tape)

    def disown(self, number: int) -> None:
        """Note that a tape is used by code that is not the learner's, whoever has opened it."""
        self.recording.foreign += 1
        self.recording.own_tapes = [own for own in self.recording.own_tapes if own != number]

    def number_of(self, tape: tf.GradientTape) -> int:
        """Return the number of a tape, the same each time."""
        for number, known in enumerate(self.tapes):
            if known is tape:
                return number
        self.tapes.append(tape)
        return len(self.tapes) - 1

    def on_exit(self, original: Callable, tape: tf.GradientTape, *args: Any) -> Any:
        number = self.number_of(tape)
        if number in self.open:
            self.open.remove(number)
        return original(tape, *args)

    @contextlib.contextmanager
    def on_stop_recording(self, original: Callable, tape: tf.GradientTape) -> Iterator[None]:
        """Note that the tape stops recording for a while."""
        number = self.number_of(tape)
        was_open = number in self.open
        if was_open:
            self.open.remove(number)
        try:
            with original(tape):
                yield
        finally:
            if was_open:
                self.open.append(number)

    def on_gradient(
        self, original: Callable, tape: tf.GradientTape, target: Any, sources: Any, *args: Any, **kwargs: Any
    ) -> Any:
        gradients = original(tape, target, sources, *args, **kwargs)
        if opened_by(caller_of_wrapper()) != LEARNER:
            self.disown(self.number_of(tape))
        if not self.is_blind():
            targets = [part for part in tf.nest.flatten(target) if hasattr(part, "numpy")]
            flat_sources, flat_gradients = tf.nest.flatten(sources), tf.nest.flatten(gradients)
            for followed in self.models:
                followed.differentiated(
                    self.number_of(tape), targets, flat_sources, flat_gradients, own_place()
                )
        return gradients

    @abc.abstractmethod
    def on_ready_made(self, name: str, original: Callable, model: keras.Model, *args: Any, **kw: Any) -> Any:
        """Write down a call of ``fit`` or ``train_on_batch``."""

    @abc.abstractmethod
    def finish(self) -> None:
        """Write down what the run left."""


def _summed(gradients: Sequence[Sequence[Any]]) -> list[Any]:
    """Add up the gradients of all replicas."""
    of_all = zip(*gradients, strict=True)
    return [None if parts[0] is None else reduced("SUM", parts) for parts in of_all]


def _are_equal(values: Sequence[Any]) -> bool:
    """Return whether all replicas bring the same numbers."""
    first, *others = map(dense, values)
    return all(
        first is not None and other is not None and np.array_equal(first, other, equal_nan=True)
        for other in others
    )


def training_argument(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool | None:
    """Return the argument `training` of a call of a network as it was given; None where it was left out."""
    second = args[1] if len(args) > 1 and isinstance(args[1], bool) else None
    training = kwargs.get("training", second)
    return None if training is None else bool(training)


def settings_of(optimizer: Any) -> dict[str, Any]:
    """Read class, configuration and learning rate of an optimizer."""
    rate = optimizer.learning_rate
    return {
        "class_name": type(optimizer).__name__,
        "learning_rate": float(rate() if callable(rate) else rate),
        "config": _configuration(optimizer),
    }


def _configuration(optimizer: Any) -> dict[str, Any]:
    """Read the configuration, also with a schedule that does not say what it is made of."""
    schedule = rate_of(optimizer)
    if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        return optimizer.get_config()
    with plain_rate(optimizer):
        return optimizer.get_config() | {"learning_rate": {"class_name": type(schedule).__name__}}
