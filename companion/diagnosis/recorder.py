"""Watch a hand-written loop run, without changing what it computes, and write down what it does."""

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from companion.diagnosis.fed import RowNumbers
from companion.diagnosis.lines import caller_of_wrapper, companion_loop, is_library, own_place
from companion.diagnosis.recording import Forward, Gradient, ReadyMade, Recording, State, Update
from companion.diagnosis.replaced import replaced


@contextlib.contextmanager
def watch(model: keras.Model, x: np.ndarray, *, into_fit: bool = False) -> Iterator[Recording]:
    """Record what is done with `model` in the ``with`` block.

    Functions of TensorFlow run eagerly there, so that each step can be seen; what they compute
    is what they compute when run eagerly without being watched. Afterwards all is as before.

    Parameters
    ----------
    model : keras.Model
        Built.
    x : ndarray of shape (n, ...)
        The data that it is to be trained on.
    into_fit : bool
        Whether to record what ``.fit`` does too, instead of just that it was called.

    Yields
    ------
    Recording
        Complete once the block has ended.
    """
    watcher = _Watcher(model, x, into_fit)
    eagerly = tf.config.functions_run_eagerly()
    with contextlib.ExitStack() as stack:
        stack.callback(tf.config.run_functions_eagerly, eagerly)
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", "Even though the `tf.config.experimental_run_functions_eagerly`")
        tf.config.run_functions_eagerly(True)
        for owner, name, wrapper in watcher.wrappers():
            stack.enter_context(replaced(owner, name, wrapper))
        yield watcher.recording
        watcher.finish()


def _all_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _all_layers(layer)


class _Watcher:
    """Keeps the recording while it is made."""

    def __init__(self, model: keras.Model, x: np.ndarray, into_fit: bool) -> None:
        self.into_fit = into_fit
        self.numbers = RowNumbers(x)
        self.given = model
        self.follow(model)
        named = {id(v): v.path.split("/", 1)[-1] for v in model.variables}
        trainable = {id(v) for v in model.trainable_variables}
        self.recording = Recording(
            variables=[named[id(v)] for v in model.variables],
            trainable=[number for number, v in enumerate(model.variables) if id(v) in trainable],
            start=self.state(),
        )
        self.tapes: list[tf.GradientTape] = []  # all that were opened; kept, so that no id comes twice
        self.open: list[int] = []
        self.optimizers: list[Any] = []
        self.inside_model = self.inside_optimizer = self.inside_ready_made = False
        self.by_hand: dict[str, Any] | None = None  # an update by hand that goes on
        self.last = self.recording.trained(self.recording.start)

    def follow(self, model: keras.Model) -> None:
        """Take `model` as the one to watch."""
        self.model = model
        self.layers = {id(layer) for layer in _all_layers(model)}
        self.position = {id(v): number for number, v in enumerate(model.trainable_variables)}
        self.position |= {id(v.value): number for number, v in enumerate(model.trainable_variables)}

    def state(self) -> State:
        """Copy all variables."""
        return [np.array(variable.numpy()) for variable in self.model.variables]

    def wrappers(self) -> Iterator[tuple[type, str, Callable]]:
        """List what is to be replaced, by what."""
        yield keras.layers.Layer, "__call__", self.on_call
        yield keras.optimizers.Optimizer, "apply", self.on_apply
        yield tf.GradientTape, "__enter__", self.on_enter
        yield tf.GradientTape, "__exit__", self.on_exit
        yield tf.GradientTape, "gradient", self.on_gradient
        for name in ("fit", "train_on_batch"):
            yield keras.Model, name, functools.partial(self.on_ready_made, name)
        yield type(tf.function(lambda: None)), "get_concrete_function", self.on_concrete_function
        kind = type(self.model.variables[0].value)
        for name in ("assign", "assign_sub", "assign_add"):
            yield next(base for base in kind.__mro__ if name in vars(base)), name, self.on_assign

    def is_graph(self) -> bool:
        """Say whether TensorFlow is building a graph, in which there are no numbers to write down."""
        return not tf.executing_eagerly()

    def on_call(self, original: Callable, layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        if self.inside_model or self.is_graph():
            return original(layer, *args, **kwargs)
        data = args[0] if args else kwargs.get("inputs", kwargs.get("x"))
        if isinstance(data, keras.KerasTensor):
            return original(layer, *args, **kwargs)  # the network is being built
        rows = self.numbers.of(data)
        if rows is not None and self.is_other_model(layer):
            self.follow(layer)
            self.recording.other_model = True
            self.last = self.recording.trained(self.state())
        if layer is not self.model and (rows is None or id(layer) not in self.layers):
            return original(layer, *args, **kwargs)
        self.close_update_by_hand()
        state = self.state()
        self.notice_unseen_changes(state)
        training = kwargs.get("training", args[1] if len(args) > 1 and isinstance(args[1], bool) else None)
        forward = Forward(
            rows, None if training is None else bool(training), state, tuple(self.open), own_place()
        )
        self.recording.events.append(forward)
        if layer is not self.model:  # called layer by layer
            return original(layer, *args, **kwargs)
        self.inside_model = True
        try:
            return original(layer, *args, **kwargs)
        finally:
            self.inside_model = False

    def is_other_model(self, layer: keras.layers.Layer) -> bool:
        """Say whether `layer` is a network like the one that was handed in, but not that one."""
        if layer is self.model or not isinstance(layer, keras.Model):
            return False
        if any(isinstance(event, Forward) for event in self.recording.events):
            return False
        shapes = [[tuple(v.shape) for v in model.variables] for model in (layer, self.given)]
        own = {id(v) for v in self.given.variables}
        return shapes[0] == shapes[1] and not any(id(v) in own for v in layer.variables)

    def on_apply(
        self, original: Callable, optimizer: Any, grads: Any, trainable_variables: Any = None
    ) -> Any:
        if self.inside_optimizer or self.is_graph():
            return original(optimizer, grads, trainable_variables)
        self.close_update_by_hand()
        grads = list(grads)
        variables = self.model.trainable_variables if trainable_variables is None else trainable_variables
        variables = list(variables)
        values: list[np.ndarray | None] = [None] * len(self.model.trainable_variables)
        for variable, gradient in zip(variables, grads, strict=False):
            if id(variable) in self.position:
                values[self.position[id(variable)]] = _dense(gradient)
        if optimizer not in self.optimizers:
            self.optimizers.append(optimizer)
        settings, before = _settings(optimizer), self.recording.trained(self.state())
        self.inside_optimizer = True
        try:
            result = original(optimizer, grads, trainable_variables)
        finally:
            self.inside_optimizer = False
        self.add_update(before, values, self.optimizers.index(optimizer), settings, 1, own_place())
        return result

    def add_update(
        self, before: State, gradients: Any, optimizer: Any, settings: Any, times: Any, place: Any
    ) -> None:
        self.last = self.recording.trained(self.state())
        self.recording.events.append(Update(before, self.last, gradients, optimizer, settings, times, place))

    def on_assign(self, original: Callable, variable: Any, *args: Any, **kwargs: Any) -> Any:
        ours = id(variable) in self.position and not (self.inside_optimizer or self.inside_model)
        if ours and not self.is_graph():
            if self.by_hand is None:
                self.by_hand = {
                    "before": self.recording.trained(self.state()),
                    "times": {},
                    "place": own_place(),
                }
            times, number = self.by_hand["times"], self.position[id(variable)]
            times[number] = times.get(number, 0) + 1
        return original(variable, *args, **kwargs)

    def close_update_by_hand(self) -> None:
        """Write down the assignments since the last event as one update."""
        if self.by_hand is not None:
            done, self.by_hand = self.by_hand, None
            self.add_update(done["before"], None, None, {}, min(done["times"].values()), done["place"])

    def notice_unseen_changes(self, state: State) -> None:
        """Write down an update that came about in a way that is not watched."""
        now = self.recording.trained(state)
        if any((a != b).any() for a, b in zip(now, self.last, strict=True)):
            self.recording.events.append(Update(self.last, now, None, None, {}, 0, None))
            self.last = now

    def on_concrete_function(self, original: Callable, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Give the learner the function itself: a concrete one is a graph even if functions run eagerly."""
        by_library = is_library(caller_of_wrapper().f_code.co_filename)
        return original(function, *args, **kwargs) if by_library else function

    def on_enter(self, original: Callable, tape: tf.GradientTape) -> Any:
        self.open.append(self.number_of(tape))
        if not is_library(caller_of_wrapper().f_code.co_filename):
            self.recording.own_tapes += 1
            self.recording.graphs += self.is_graph()
        elif (name := companion_loop(caller_of_wrapper())) is not None and not self.inside_ready_made:
            self.recording.events.append(ReadyMade(name, own_place()))
            self.inside_ready_made = True
        return original(tape)

    def number_of(self, tape: tf.GradientTape) -> int:
        """Give the tape a number, the same each time."""
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

    def on_gradient(
        self, original: Callable, tape: tf.GradientTape, target: Any, sources: Any, *args: Any, **kwargs: Any
    ) -> Any:
        gradients = original(tape, target, sources, *args, **kwargs)
        if self.is_graph():
            return gradients
        values: list[np.ndarray | None] = [None] * len(self.model.trainable_variables)
        found = False
        for source, gradient in zip(tf.nest.flatten(sources), tf.nest.flatten(gradients), strict=False):
            if id(source) in self.position:
                values[self.position[id(source)]] = _dense(gradient)
                found = True
        targets = [t for t in tf.nest.flatten(target) if hasattr(t, "numpy")]
        if found and targets:
            self.close_update_by_hand()
            value = (
                targets[0].numpy() if len(targets) == 1 else np.array([np.sum(t.numpy()) for t in targets])
            )
            self.recording.events.append(Gradient(np.array(value), values, self.number_of(tape), own_place()))
        return gradients

    def on_ready_made(self, name: str, original: Callable, model: keras.Model, *args: Any, **kw: Any) -> Any:
        if self.into_fit:
            return original(model, *args, **kw)
        if not self.inside_ready_made:
            self.recording.events.append(ReadyMade(f"{type(model).__name__}.{name}", own_place()))
        was, self.inside_ready_made = self.inside_ready_made, True
        events, tapes = len(self.recording.events), self.recording.own_tapes
        try:
            return original(model, *args, **kw)
        finally:
            self.inside_ready_made = was
            if self.recording.own_tapes == tapes:  # no step of the learner's own in there
                del self.recording.events[events:]

    def finish(self) -> None:
        """Write down what the run left."""
        self.close_update_by_hand()
        self.notice_unseen_changes(self.state())
        self.model = self.given
        self.recording.end = self.state()


def _dense(gradient: Any) -> np.ndarray | None:
    return None if gradient is None else np.array(tf.convert_to_tensor(gradient))


def _settings(optimizer: Any) -> dict[str, Any]:
    """Read class, configuration and learning rate of an optimizer."""
    rate = optimizer.learning_rate
    return {
        "class_name": type(optimizer).__name__,
        "learning_rate": float(rate() if callable(rate) else rate),
        "config": optimizer.get_config(),
    }
