"""Watch a loop train the network that it was given, or others like it, and write down what it does."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from companion.check.learner.lines import own_place
from companion.check.recording.events import ReadyMade, Recording
from companion.check.recording.network import Followed, joined
from companion.check.recording.recorder import Watcher, hooked, training_argument
from companion.check.recording.rows import RowNumbers


@contextlib.contextmanager
def watch(model: keras.Model, x: np.ndarray, *, into_fit: bool = False) -> Iterator[Recording]:
    """Record what is done with `model` in the ``with`` block.

    Functions of TensorFlow run eagerly there, so that each step can be seen. Watching does not
    change what an eager run computes. Afterwards all settings are as before.
    """
    watcher = LoopWatcher(model, x, into_fit)
    with hooked(watcher):
        yield watcher.recording


class LoopWatcher(Watcher):
    """Watches a network that was handed in, and others like it that the loop makes."""

    def __init__(self, model: keras.Model, x: np.ndarray, into_fit: bool) -> None:
        self.into_fit = into_fit
        self.numbers = RowNumbers(x)
        self.given = Followed(model)
        super().__init__(Recording(self.given.names, self.given.trainable, self.given.start))
        self.models.append(self.given)

    def on_call(self, original: Callable, layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        data = args[0] if args else kwargs.get("inputs", kwargs.get("x"))
        if self.inside_model or self.is_blind() or isinstance(data, keras.KerasTensor):
            return original(layer, *args, **kwargs)
        rows = self.numbers.of(data)
        if rows is not None:
            self.follow_if_like_the_given(layer)
        followed = next((f for f in self.models if layer is f.model), None)
        part_of = next((f for f in self.models if id(layer) in f.layers and rows is not None), None)
        training = training_argument(args, kwargs)
        if followed is None:
            if part_of is not None:  # called layer by layer
                part_of.called(rows, training, self.open, own_place())
            return original(layer, *args, **kwargs)
        followed.called(rows, training, self.open, own_place())
        return self.called_inside(original, layer, *args, **kwargs)

    def follow_if_like_the_given(self, layer: keras.layers.Layer) -> None:
        """Also follow another network, if it has the same form as the one that was handed in."""
        if not isinstance(layer, keras.Model) or any(layer is f.model for f in self.models):
            return
        shapes = [[tuple(v.shape) for v in model.variables] for model in (layer, self.given.model)]
        if shapes[0] == shapes[1] and not any(id(v) in self.given.own for v in layer.variables):
            self.models.append(Followed(layer))

    def on_ready_made(self, name: str, original: Callable, model: keras.Model, *args: Any, **kw: Any) -> Any:
        if self.into_fit:
            return original(model, *args, **kw)
        self.recording.compiled = True
        self.recording.fits += 1
        of = next((f for f in self.models if f.model is model), self.given)
        if not self.inside_ready_made and (of.model is model or _holds(model, of.model)):
            of.settle()
            of.events.append(ReadyMade(f"{type(model).__name__}.{name}", own_place()))
        was, self.inside_ready_made = self.inside_ready_made, True
        events, weights, tapes = len(of.events), of.last, len(self.recording.own_tapes)
        try:
            return original(model, *args, **kw)
        finally:
            self.inside_ready_made = was
            if len(self.recording.own_tapes) == tapes:  # the learner's own code made no step inside this call
                del of.events[events:]
                of.last = weights
                of.settle()  # one update stands for the whole call

    def finish(self) -> None:
        """Write down what the run left."""
        for followed in self.models:
            followed.settle()
        trained = next((followed for followed in self.models if followed.was_trained()), self.given)
        self.recording.events += joined(trained.events, trained.of_replicas)
        self.recording.other_model = trained is not self.given
        self.recording.frozen = sorted(trained.frozen)
        self.recording.end = self.given.state()


def _holds(model: keras.Model, part: keras.Model) -> bool:
    """Return whether `model` trains variables of `part`."""
    own = {id(variable) for variable in part.trainable_variables}
    return any(id(variable) in own for variable in model.trainable_variables)
