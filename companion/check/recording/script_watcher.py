"""Watch a script train whatever networks it has, on whatever rows it has."""

import contextlib
import time
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
    own_calls,
    own_place,
)
from companion.check.learner.variables import own_lists, own_variables, series
from companion.check.recording.events import Forward, Recording, State, Update
from companion.check.recording.predictions import Predictions
from companion.check.recording.recorder import Watcher, training_argument
from companion.check.recording.script_network import (
    FitCall,
    Network,
    fit_call,
    trains_by_own_step,
)
from companion.fit.keras_private import rate_of

VARIABLES = (keras.Variable, tf.Variable)


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
        self.functions: list[tuple[Any, Any]] = []  # the script's tf.functions, and the lines of their calls
        self.born: dict[int, tuple[Any, np.ndarray]] = {}  # initial values of variables
        self.predictions = Predictions(lambda: self.inside_model)
        self.iterated = ""  # what the dataset looks like that is gone through anew

    def wrappers(self) -> Iterator[tuple[type, str, Callable]]:
        """List the methods to replace, each with its replacement."""
        yield from super().wrappers()
        yield keras.losses.Loss, "__call__", self.predictions.on_loss
        yield keras.Variable, "__init__", self.on_variable
        yield keras.metrics.Mean, "result", self.on_result
        yield tf.data.Dataset, "__iter__", self.on_iteration

    def is_blind(self) -> bool:
        """Return whether nothing is to be written down: in a graph, or while nothing new is trained."""
        return self.resting or super().is_blind()

    def knows_weight(self, variable: Any) -> bool:
        """Return whether a variable is a trainable one of a network that is or was watched."""
        return any(network.knows(variable) for network in self.networks)

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
        network = next((n for n in reversed(self.networks) if layer is n.model), None)
        if network is not None and network.done and self.is_another_loop(layer):
            network = None
        elif (network is not None and network.done) or (self.resting and not self.is_new(layer)):
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
                if not self.is_another_loop(layer):
                    return self.called_inside(original, layer, *args, **kwargs)
                self.wake()
                network = self.follow(layer)
                self.begin(network, data, training, opened, place)
        event = len(network.events) - 1 if network else 0  # others may begin before this pass ends
        existing = {} if network else {id(v): (v, np.array(v.numpy())) for v in layer.variables}
        result = self.called_inside(original, layer, *args, **kwargs)
        if network is None:  # its variables have come into being in this call
            if not layer.trainable_variables:
                return result
            self.born |= existing  # such as the seeds of dropout, which the call has moved on
            network = self.follow(layer)
            network.has_more_inputs = _has_more(args[1:], kwargs)
            self.begin(network, data, training, opened, place)
            event = len(network.events) - 1
        if self.open:
            self.predictions.follow(network, event, result)
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
        earlier = [other for other in self.networks if other.model is layer]
        network.number = len(earlier)
        if earlier:
            self.divide_lists(earlier[-1], network)
        else:
            network.fits_before = [call for call in self.fit_calls if call.model is layer]
        network.before = self.steps
        self.networks.append(network)
        self.models.append(network)
        return network

    def divide_lists(self, earlier: Network, network: Network) -> None:
        """Note which part of each list belongs to the earlier loop, and which to the one that begins."""
        kept = {name: len(values) for name, values in series(own_lists())}  # those of functions are copied
        earlier.spans |= {name: slice(earlier.spans.get(name, slice(0)).start, n) for name, n in kept.items()}
        lengths = kept | {name: len(values) for name, values in series(own_variables())}
        network.spans = {name: slice(n, None) for name, n in lengths.items()}

    def is_another_loop(self, layer: keras.layers.Layer) -> bool:
        """Return whether a network that has been recorded is trained anew: from other lines, or thawed."""
        own = set(self.recording.own_tapes) & set(self.open)
        if (not own and not any(by == LEARNER for _, by in self.unnumbered)) or self.taken > self.limits[2]:
            return False
        earlier = [n for n in self.networks if n.model is layer]
        trained = [id(v) for v in layer.trainable_variables]
        thawed = earlier[-1].epochs and all(n.trained_ids != trained for n in earlier)
        return bool(thawed) or self.is_from_elsewhere(layer)

    def is_from_elsewhere(self, layer: keras.layers.Layer) -> bool:
        """Return whether a network is called from lines from which it has not been trained yet."""
        known = set().union(*(n.calls for n in self.networks if n.model is layer))
        return bool(known) and own_calls() not in known

    def begin(
        self, network: Network, data: Any, training: bool | None, opened: Sequence[int], place: Any
    ) -> bool:
        """Write down a forward pass that begins; return False if the recording of this network is over."""
        leaves = [leaf for leaf in tf.nest.flatten(data) if leaf is not None]
        network.fed_by += [n for n in self.predictions.networks_of(leaves) if n is not network]
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
            network.begun_in = network.begun_in or own_calls()
            network.calls.add(own_calls())
        elif not opened:
            network.table.ask(data)
        network.events.append(Forward(rows, training, state, tuple(opened), place))
        self.count(network)
        return True

    def is_enough(self, network: Network, new_epoch: bool) -> bool:
        """End the recording of a network if it has its epochs, or if time or memory is up."""
        epochs, seconds, memory = self.limits
        late = network.began is not None and time.monotonic() - network.began > seconds
        enough = new_epoch and (network.epochs >= epochs or self.is_from_elsewhere(network.model))
        enough = enough or late or self.taken > memory
        if enough or (network.updates and network.is_other_now()):
            network.is_cut = not network.epochs
            network.done, network.end = True, network.settle()
            network.lists = own_lists() | own_variables()
            lists = {name: value for name, value in network.lists.items() if isinstance(value, list)}
            network.counted = {name: len(value) for name, value in lists.items()}
            self.models.remove(network)
            self.predictions.forget()
            if all(n.done for n in self.networks if n.was_trained()):
                self.rest()
        return network.done

    def rest(self) -> None:
        """Let the script run on at its own speed."""
        self.resting = True
        tf.config.run_functions_eagerly(self.runs_eagerly)
        if self.stop and any(network.done for network in self.networks):
            raise Stopped

    @property
    def runs_eagerly(self) -> bool:
        """Return whether functions run eagerly: replicas in turn, whose values are no tensors, always do."""
        return not self.resting or self.recording.replicas > 1

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
            self.unnumbered = []

    def is_new(self, layer: keras.layers.Layer) -> bool:
        """Return whether a layer that is called is another network that the script trains."""
        known = any(layer is n.model or id(layer) in n.layers for n in self.networks)
        return bool(self.unnumbered) and not known and (not layer.built or bool(layer.trainable_variables))

    def on_function(self, original: Callable, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Run a function of TensorFlow eagerly the first time from each line: it may train a network anew."""
        own = not is_library(caller_of_wrapper().f_code.co_filename)
        self.recording.compiled |= own
        calls = own_calls() if own else ()
        known = any(function is one and calls == lines for one, lines in self.functions)
        if own and not known:
            self.functions.append((function, calls))
        if not self.resting or not own or known:
            return original(function, *args, **kwargs)
        tf.config.run_functions_eagerly(True)
        try:
            return original(function, *args, **kwargs)
        finally:
            tf.config.run_functions_eagerly(self.runs_eagerly)

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

    def on_gradient(
        self, original: Callable, tape: tf.GradientTape, target: Any, sources: Any, *args: Any, **kwargs: Any
    ) -> Any:
        self.predictions.stop_listening()
        if self.resting:
            return original(tape, target, sources, *args, **kwargs)
        parts = tf.nest.flatten(sources)
        self.in_inputs |= bool(self.networks) and not all(isinstance(part, VARIABLES) for part in parts)
        before = [len(network.events) for network in self.networks]
        result = super().on_gradient(original, tape, target, sources, *args, **kwargs)
        number, replicas = self.replica  # those of a strategy make one step together
        self.steps += number == replicas - 1 and before != [len(network.events) for network in self.networks]
        if not self.open:
            self.predictions.forget()
        return result

    def on_apply(
        self, original: Callable, optimizer: Any, grads: Any, trainable_variables: Any = None
    ) -> Any:
        if self.inside_optimizer or self.is_blind():
            return original(optimizer, grads, trainable_variables)
        grads = list(grads)
        before = [len(n.events) for n in self.networks]
        first = any(not n.done and not n.first_optimizer for n in self.networks)
        kept = [np.array(v.numpy()) for v in optimizer.variables] if first and optimizer.built else []
        result = super().on_apply(original, optimizer, grads, trainable_variables)
        for network, events in zip(self.networks, before, strict=True):
            if len(network.events) > events and isinstance(network.events[-1], Update):
                self.updated(network, optimizer, kept)
        return result

    def updated(self, network: Network, optimizer: Any, kept: State) -> None:
        """Note by which optimizer a network was updated, and what that has kept from earlier updates."""
        update = network.events[-1]
        if not network.first_optimizer and isinstance(update, Update):
            network.optimizer_state = kept
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
            call.build_model()
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
            if network.model is model and own and network.own_fit is None:
                network.own_fit = call
        return history

    def finish(self) -> None:
        """Write down what the run left."""
        self.predictions.forget()
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
