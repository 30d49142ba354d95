"""What the predictions of networks meet on their way to the gradient: labels, losses and weights of rows."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_callbacks  # the only way to see the operations of an eager run

from companion.check.learner.lines import own_place
from companion.check.recording.events import Forward
from companion.check.recording.script_network import Labels, Network

# An operation that only changes the form of labels; behind it stand the labels as the script has them.
RESHAPING = ("Cast", "Reshape", "ExpandDims", "Squeeze", "StridedSlice", "Identity", "OneHot", "Sub", "Neg")


@dataclass
class _Prediction:
    """A tensor that comes from a prediction: whose, and by which forward pass."""

    network: Network
    event: int
    outputs: frozenset[int]
    tensor: Any  # kept, so that no other gets its id


class Predictions:
    """Follows what is made of predictions, and writes down what they are compared with.

    Parameters
    ----------
    is_inside : callable
        Returns whether a network is being called: what it computes is no loss.
    """

    def __init__(self, is_inside: Callable[[], bool]) -> None:
        self.is_inside = is_inside
        self.derived: dict[int, _Prediction] = {}
        self.behind: dict[int, tuple[Any, Any]] = {}  # labels by what was made of them
        self.inside_loss = False
        self.thread = threading.local()  # whether operations are followed in this thread

    def networks_of(self, tensors: Sequence[Any]) -> list[Network]:
        """Return the networks of whose predictions these tensors are made."""
        return [self.derived[id(one)].network for one in tensors if id(one) in self.derived]

    def follow(self, network: Network, event: int, result: Any) -> None:
        """Follow what is made of the prediction of a forward pass, up to the gradient."""
        for number, output in enumerate(tf.nest.flatten(result)):
            # Keras' losses go back to the logits, which a sigmoid or a softmax leaves on its output.
            for tensor in (output, getattr(output, "_keras_logits", None)):
                if isinstance(tensor, tf.Tensor):
                    self.derived[id(tensor)] = _Prediction(network, event, frozenset([number]), tensor)
        if not self.is_listening():
            op_callbacks.add_op_callback(self.on_operation)
            self.thread.listens = True

    def is_listening(self) -> bool:
        """Return whether the operations of this thread are followed."""
        return getattr(self.thread, "listens", False)

    def stop_listening(self) -> None:
        """Pass over the operations that follow, such as those of a gradient."""
        if self.is_listening():
            op_callbacks.remove_op_callback(self.on_operation)
            self.thread.listens = False

    def forget(self) -> None:
        """Follow predictions no longer."""
        self.stop_listening()
        self.derived.clear()
        self.behind.clear()

    def on_operation(
        self, kind: Any, inputs: Any, attrs: Any, outputs: Any, op_name: Any = None, graph: Any = None
    ) -> None:
        """Find what a prediction meets first, and follow what comes out."""
        if graph is not None or self.is_inside():
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
