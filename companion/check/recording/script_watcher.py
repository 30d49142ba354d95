"""Watch a script train whatever networks it has, on whatever rows it has."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_callbacks  # the only way to see the operations of an eager run

from companion.check.learner.lines import (
    LEARNER,
    Location,
    caller_of_wrapper,
    is_library,
    opened_by,
    own_lists,
    own_place,
    own_variables,
)
from companion.check.recording.events import Forward, Recording, Update
from companion.check.recording.recorder import Watcher, training_argument
from companion.check.recording.script_network import (
    FitCall,
    Labels,
    Network,
    fit_call,
    trains_by_own_step,
)
from companion.fit.keras_private import rate_of

# An operation that only changes the form of labels; behind it stand the labels as the script has them.
RESHAPING = ("Cast", "Reshape", "ExpandDims", "Squeeze", "StridedSlice", "Identity", "OneHot", "Sub", "Neg")


VARIABLES = (keras.Variable, tf.Variable)


@dataclass
class _Prediction:
    """A tensor that comes from a prediction: whose, and by which forward pass."""

    network: Network
    event: int
    outputs: frozenset[int]
    tensor: Any  # kept, so that no other gets its id


class Stopped(BaseException):
    """All loops of the script have been watched, and it was to end then."""


class ScriptWatcher(Watcher):
    """Watches all that a script trains.

    Parameters
    ----------
    epochs : int
        After so many epochs the recording of a network ends.
    seconds : float
        Or after so many seconds since its first step.
    memory : int
        Or when all recordings take so many bytes.
    stop : bool
        Whether to end the script there, by `Stopped`.
    """

    def __init__(
        self,
        epochs: int = 3,
        seconds: float = 20,
        memory: int = 2**30,
        stop: bool = False,
    ) -> None:
        super().__init__(Recording([], [], []))
        self.networks: list[Network] = []
        self.limits = epochs, seconds, memory
        self.stop = stop
        self.fit_calls: list[FitCall] = []
        self.results: list[tuple[int, Location | None, float]] = []  # results of metrics, by step
        self.ready_made: set[str] = set()  # the methods of Keras that have trained, but for .fit
        self.steps = 0  # gradients of a network that is written down
        self.in_inputs = False  # whether a gradient is taken in something that is no variable
        self.taken = 0  # bytes
        self.resting = False  # while all networks have been recorded, the script runs at its own speed
        self.unnumbered: list[tuple[Any, str | None]] = []  # tapes that are opened meanwhile
        self.functions: list[Any] = []  # the script's tf.functions that have been called
        self.born: dict[int, tuple[Any, np.ndarray]] = {}  # initial values of variables
        self.derived: dict[int, _Prediction] = {}
        self.behind: dict[int, tuple[Any, Any]] = {}  # labels by what was made of them
        self.inside_loss = False
        self.iterated = ""  # what the dataset looks like that is gone through anew
        self.listening = False

    def wrappers(self) -> Iterator[tuple[type, str, Callable]]:
        """List the methods to replace, each with its replacement."""
        yield from super().wrappers()
        yield keras.losses.Loss, "__call__", self.on_loss
        yield keras.Variable, "__init__", self.on_variable
        yield keras.metrics.Mean, "result", self.on_result
        yield tf.data.Dataset, "__iter__", self.on_iteration

    def is_blind(self) -> bool:
        """Return whether nothing is to be written down: in a graph, or while nothing new is trained."""
        return self.resting or super().is_blind()

    def on_variable(self, original: Callable, variable: Any, *args: Any, **kwargs: Any) -> None:
        original(variable, *args, **kwargs)
        if not self.resting and self.inside_model:
            # Keras may build a network while it draws its graph, and a variable may get its value later.
            with contextlib.suppress(AttributeError, ValueError), tf.init_scope():
                self.born[id(variable)] = variable, np.array(variable.numpy())

    def on_iteration(self, original: Callable, dataset: Any) -> Any:
        self.iterated = f"{dataset.element_spec} {int(dataset.cardinality())}"
        return original(dataset)

    def on_result(self, original: Callable, metric: Any, *args: Any, **kwargs: Any) -> Any:
        value = original(metric, *args, **kwargs)
        if not self.is_blind() and not self.inside_ready_made:
            with contextlib.suppress(TypeError, ValueError):
                self.results.append((self.steps, own_place(), float(value)))
        return value

    def on_call(self, original: Callable, layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        data = args[0] if args else kwargs.get("inputs", kwargs.get("x"))
        if self.inside_model or not tf.executing_eagerly() or not _is_data(data):
            return original(layer, *args, **kwargs)
        network = next((n for n in self.networks if layer is n.model), None)
        if (network is not None and network.done) or (self.resting and not self.is_new(layer)):
            return self.called_inside(original, layer, *args, **kwargs)
        self.wake()
        if network is None and (not self.open or (layer.built and not layer.trainable_variables)):
            return original(layer, *args, **kwargs)
        training = training_argument(args, kwargs)
        place, opened = own_place(), tuple(self.open)
        if network is not None or layer.built:
            network = network or self.follow(layer)
            network.has_more_inputs |= _has_more(args[1:], kwargs)
            if not self.begin(network, data, training, opened, place):
                return self.called_inside(original, layer, *args, **kwargs)
        existing = {} if network else {id(v): (v, np.array(v.numpy())) for v in layer.variables}
        result = self.called_inside(original, layer, *args, **kwargs)
        if network is None:  # its variables have come into being in this call
            if not layer.trainable_variables:
                return result
            self.born |= existing  # such as the seeds of dropout, which the call has moved on
            network = self.follow(layer)
            network.has_more_inputs = _has_more(args[1:], kwargs)
            self.begin(network, data, training, opened, place)
        if self.open:
            self.predicted(network, result)
        return result

    def follow(self, layer: keras.layers.Layer) -> Network:
        """Begin to write down what happens to a network."""
        for other in self.networks:  # what its lists are called may soon be the name of others
            other.lists = other.lists or own_lists()
        now = [self.born.pop(id(v), (v, None))[1] for v in layer.variables]
        network = Network(layer)
        network.start = [b if b is not None else a for a, b in zip(network.start, now, strict=True)]
        network.last = network.trained(network.start)
        for tape in self.open:
            network.opened[tape] = network.start
        network.fits_before = [call for call in self.fit_calls if call.model is layer]
        network.before = self.steps
        self.networks.append(network)
        self.models.append(network)
        return network

    def begin(
        self, network: Network, data: Any, training: bool | None, opened: Sequence[int], place: Any
    ) -> bool:
        """Write down a forward pass that begins; return False if the recording of this network is over."""
        leaves = [leaf for leaf in tf.nest.flatten(data) if leaf is not None]
        fed_by = [self.derived[id(leaf)].network for leaf in leaves if id(leaf) in self.derived]
        network.fed_by += [n for n in fed_by if n is not network]
        state = network.settle() if network.events else network.start
        if opened:
            network.end = []  # it is trained on
        known = len(network.table.rows)
        rows = network.table.of(data, learn=bool(opened))
        if opened and rows is not None:
            iterated, self.iterated = self.iterated, ""
            new = network.begin_pass(rows, known, iterated)
            if self.is_enough(network, new):
                network.table.forget_after(known)
                return False
        elif not opened:
            network.table.ask(data)
        network.events.append(Forward(rows, training, state, tuple(opened), place))
        self.count(network)
        return True

    def is_enough(self, network: Network, new_epoch: bool) -> bool:
        """End the recording of a network if it has its epochs, or if time or memory is up."""
        epochs, seconds, memory = self.limits
        late = network.began is not None and time.monotonic() - network.began > seconds
        enough = (new_epoch and network.epochs >= epochs) or late or self.taken > memory
        if enough or (network.updates and network.is_other_now()):
            network.is_cut = not network.epochs
            network.done, network.end = True, network.settle()
            network.lists = own_lists() | own_variables()
            lists = {name: value for name, value in network.lists.items() if isinstance(value, list)}
            network.counted = {name: len(value) for name, value in lists.items()}
            self.models.remove(network)
            self.quiet()
            if all(n.done for n in self.networks if n.was_trained()):
                self.rest()
        return network.done

    def rest(self) -> None:
        """Let the script run on at its own speed."""
        self.resting = True
        tf.config.run_functions_eagerly(False)
        if self.stop and any(network.done for network in self.networks):
            raise Stopped

    def progress(self) -> str:
        """Return how far the recording is, in words."""
        watched = [network for network in self.networks if network.updates and not network.done]
        if not watched:
            return ""
        return f"epoch {watched[-1].epochs}, {watched[-1].updates} updates"

    def wake(self) -> None:
        """Go on recording: the script trains another network."""
        if self.resting:
            self.resting = False
            tf.config.run_functions_eagerly(True)
            for tape, by in self.unnumbered:
                self.open.append(self.number_of(tape))
                self.recording.own_tapes += [self.open[-1]] if by == LEARNER else []

    def is_new(self, layer: keras.layers.Layer) -> bool:
        """Return whether a layer that is called is another network that the script trains."""
        known = any(layer is n.model or id(layer) in n.layers for n in self.networks)
        return bool(self.unnumbered) and not known and (not layer.built or bool(layer.trainable_variables))

    def on_function(self, original: Callable, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Run a function of TensorFlow eagerly the first time: it may train another network."""
        own = not is_library(caller_of_wrapper().f_code.co_filename)
        self.recording.compiled |= own
        if not self.resting or not own or any(function is known for known in self.functions):
            if own and not any(function is known for known in self.functions):
                self.functions.append(function)
            return original(function, *args, **kwargs)
        self.functions.append(function)
        tf.config.run_functions_eagerly(True)
        try:
            return original(function, *args, **kwargs)
        finally:
            tf.config.run_functions_eagerly(not self.resting)

    def on_enter(self, original: Callable, tape: tf.GradientTape) -> Any:
        if self.resting:
            self.unnumbered.append((tape, opened_by(caller_of_wrapper())))
            return original(tape)
        return super().on_enter(original, tape)

    def on_exit(self, original: Callable, tape: tf.GradientTape, *args: Any) -> Any:
        self.unnumbered = [pair for pair in self.unnumbered if pair[0] is not tape]
        return super().on_exit(original, tape, *args)  # it may have been opened before the rest

    def count(self, network: Network) -> None:
        """Add what another event takes."""
        self.taken += network.size

    def predicted(self, network: Network, result: Any) -> None:
        """Follow what is made of a prediction, up to the gradient."""
        event = max(n for n, one in enumerate(network.events) if isinstance(one, Forward))
        for number, output in enumerate(tf.nest.flatten(result)):
            # Keras' losses go back to the logits, which a sigmoid or a softmax leaves on its output.
            for tensor in (output, getattr(output, "_keras_logits", None)):
                if isinstance(tensor, tf.Tensor):
                    self.derived[id(tensor)] = _Prediction(network, event, frozenset([number]), tensor)
        if not self.listening:
            op_callbacks.add_op_callback(self.on_operation)
            self.listening = True

    def stop_listening(self) -> None:
        """Pass over the operations that follow, such as those of a gradient."""
        if self.listening:
            op_callbacks.remove_op_callback(self.on_operation)
            self.listening = False

    def quiet(self) -> None:
        """Follow predictions no longer."""
        self.stop_listening()
        self.derived.clear()
        self.behind.clear()

    def on_operation(
        self, kind: Any, inputs: Any, attrs: Any, outputs: Any, op_name: Any = None, graph: Any = None
    ) -> None:
        """Find what a prediction meets first, and follow what comes out."""
        if graph is not None or self.inside_model:
            return
        kind = kind.decode() if isinstance(kind, bytes) else kind
        from_prediction = [self.derived[id(one)] for one in inputs if id(one) in self.derived]
        others = [one for one in inputs if id(one) not in self.derived and isinstance(one, tf.Tensor)]
        if not from_prediction:
            if kind in RESHAPING and outputs:
                rows = [one for one in others if one.shape.rank]
                if len(rows) == 1 or kind == "OneHot":
                    self.behind[id(outputs[0])] = outputs[0], rows[0] if rows else None
            return
        first = from_prediction[0]
        for one in others:
            if one.shape.rank and not self.inside_loss:
                self.met(first, one, None, None)
                if kind == "Mul":
                    self.multiplied(first, one)
        joined = frozenset().union(*(one.outputs for one in from_prediction))
        for output in outputs:
            self.derived[id(output)] = _Prediction(first.network, first.event, joined, output)

    def on_loss(
        self, original: Callable, loss: Any, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> Any:
        prediction, labels = self.derived.get(id(y_pred)), y_true
        if prediction is None and id(y_true) in self.derived:  # in each other's place
            prediction, labels = self.derived[id(y_true)], y_pred
        compiled = "Compile" in type(loss).__name__  # it calls the losses that were compiled
        if prediction is None or compiled or self.inside_loss:
            return original(loss, y_true, y_pred, sample_weight)
        self.met(prediction, labels, loss, sample_weight)
        self.inside_loss = True
        try:
            return original(loss, y_true, y_pred, sample_weight)
        finally:
            self.inside_loss = False

    def met(self, prediction: _Prediction, labels: Any, loss: Any, weights: Any) -> None:
        """Write down what a prediction was compared with, the first time."""
        network, event = prediction.network, prediction.event
        known = network.labels.setdefault(event, [])
        forward = network.events[event]
        if len(prediction.outputs) > 1 or any({one.output} == prediction.outputs for one in known):
            return
        values = np.array(self.as_given(labels))
        if not isinstance(forward, Forward) or forward.rows is None or values.shape[:1] != forward.rows.shape:
            return
        kept = None if weights is None else np.array(weights)
        (output,) = prediction.outputs
        known.append(Labels(output, values, kept, loss, own_place()))

    def as_given(self, labels: Any) -> Any:
        """Return labels as the script had them, before their form was changed."""
        while id(labels) in self.behind and self.behind[id(labels)][1] is not None:
            labels = self.behind[id(labels)][1]
        return labels

    def multiplied(self, prediction: _Prediction, factor: Any) -> None:
        """Write down what the loss of each row is multiplied by, unless it is made of the labels."""
        known = prediction.network.labels.get(prediction.event, [])
        for number, labels in enumerate(known):
            if {labels.output} != prediction.outputs or labels.loss is not None or labels.weights is not None:
                continue
            values, given = np.array(self.as_given(factor)).reshape(-1), labels.values.reshape(-1)
            one_a_row = values.size == len(labels.values) == np.shape(factor)[0]
            if one_a_row and not any(np.array_equal(values, made) for made in (given, 1 - given)):
                known[number] = replace(labels, weights=values)

    def on_gradient(
        self, original: Callable, tape: tf.GradientTape, target: Any, sources: Any, *args: Any, **kwargs: Any
    ) -> Any:
        self.stop_listening()
        if self.resting:
            return original(tape, target, sources, *args, **kwargs)
        parts = tf.nest.flatten(sources)
        self.in_inputs |= bool(self.networks) and not all(isinstance(part, VARIABLES) for part in parts)
        before = [len(network.events) for network in self.networks]
        result = super().on_gradient(original, tape, target, sources, *args, **kwargs)
        self.steps += before != [len(network.events) for network in self.networks]
        if not self.open:
            self.quiet()
        return result

    def on_apply(
        self, original: Callable, optimizer: Any, grads: Any, trainable_variables: Any = None
    ) -> Any:
        if self.inside_optimizer or self.is_blind():
            return original(optimizer, grads, trainable_variables)
        grads = list(grads)
        before = [len(n.events) for n in self.networks]
        result = super().on_apply(original, optimizer, grads, trainable_variables)
        for network, events in zip(self.networks, before, strict=True):
            if len(network.events) > events and isinstance(network.events[-1], Update):
                self.updated(network, optimizer)
        return result

    def updated(self, network: Network, optimizer: Any) -> None:
        """Note by which optimizer a network was updated."""
        update = network.events[-1]
        if not network.first_optimizer and isinstance(update, Update):
            own = {"class": type(optimizer), "schedule": rate_of(optimizer)}
            network.first_optimizer = update.settings | own
        network.updates += 1
        if network.began is None:
            network.began = time.monotonic()
        self.count(network)

    def on_ready_made(self, name: str, original: Callable, model: keras.Model, *args: Any, **kw: Any) -> Any:
        if name != "fit" or self.inside_ready_made:
            self.ready_made.add(name)
            return original(model, *args, **kw)
        call = fit_call(model, args, kw)
        self.fit_calls.append(call)
        own = trains_by_own_step(model)
        rested = self.resting
        self.inside_ready_made = True
        followed = [] if own else [n for n in self.networks if n.model is model and not n.done]
        for network in followed:
            network.end = network.settle()
        if own:
            self.wake()
        else:
            self.rest()
        try:
            history = original(model, **call.watched)
        finally:
            self.inside_ready_made = False
            for network in followed:  # what .fit does to it is no update of the loop
                network.last = network.trained(network.state())
            if not own and not rested:
                self.wake()
        call.history.update(getattr(history, "history", {}))
        for network in self.networks:
            if network.model is model and own:
                network.own_fit = call
        return history

    def finish(self) -> None:
        """Write down what the run left."""
        self.quiet()
        for network in self.networks:
            if not network.done and not network.end:
                network.end = network.settle()


def _has_more(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a network is called with tensors beside its inputs."""
    others = [value for key, value in kwargs.items() if key not in ("inputs", "x", "training")]
    return any(isinstance(leaf, tf.Tensor | np.ndarray) for leaf in tf.nest.flatten([*args, *others]))


def _is_data(data: Any) -> bool:
    leaves = [leaf for leaf in tf.nest.flatten(data) if leaf is not None]
    return bool(leaves) and all(isinstance(leaf, tf.Tensor | np.ndarray) for leaf in leaves)
