"""How a step is run: as a graph, through XLA or line by line; how many steps between two callbacks."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from companion.fit.keras_private import kept_with
from companion.fit.pipeline import parts_of

Logs = dict[str, Any]
Step = Callable[[keras.Model, Any, Any, Any], Logs]
Steps = Callable[[Any], Logs]


def compiled(model: keras.Model, step: Step, like: str) -> Steps:
    """Make the function that takes the next batch from an iterator and runs `step` on it.

    It is made at its first call, and kept by the model as long as that of ``.fit`` would be.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    step : callable
        ``step(model, x, y, sample_weight)``, which returns the logs.
    like : {"train_function", "test_function"}
        The function of ``.fit`` with the same job.

    Returns
    -------
    callable
        It takes a ``tf.data.Iterator`` and returns the logs, those of the last step if it takes
        several. It raises ``OutOfRangeError`` or ``StopIteration`` if there is no batch left.
    """
    return lambda iterator: kept_with(model, like, lambda: _compiled(model, step))(iterator)


def _compiled(model: keras.Model, step: Step) -> Steps:
    """Make the function of `compiled` now.

    As in ``.fit``, it is one TensorFlow graph, made at the first call. This makes it fast. The
    graph also decides the order in which numbers are added up, and so the last bits: if the same
    lines run eagerly, they come close to ``.fit``, but are not equal.
    """
    steps = model.steps_per_execution

    def on_batch(x: Any, y: Any, sample_weight: Any) -> Logs:
        logs = step(model, x, y, sample_weight)
        if not logs or not isinstance(logs, dict):
            raise ValueError(f"compute_metrics gave {logs!r}: .fit needs a dict with at least one metric")
        # As from a graph, numbers become tensors: in the history 0.1 is then the float32 next to it.
        return tf.experimental.Optional.from_value(logs).get_value() if model.run_eagerly else logs

    def graph(function: Callable, jit_compile: bool = False) -> Callable:
        if model.run_eagerly:
            return function
        # Without autograph, as in .fit: where a model's `call` needs it for an `if` on a tensor, both fail.
        return tf.function(function, jit_compile=jit_compile, reduce_retracing=True, autograph=False)

    # One function in another, since XLA can compile the step but not the fetching of a batch. Inside, the
    # batch has the shape that the Dataset promises, with an unknown number of rows if the last is short.
    run = graph(on_batch, model.jit_compile)
    if steps == 1:
        return graph(lambda iterator: run(*parts_of(iterator.get_next())))

    # Here .fit asks whether there is a batch, and takes a step only then: the last group may be smaller.
    run_if_any = graph(lambda batch: run(*parts_of(batch.get_value())))

    def several_steps(iterator: Any) -> Logs:
        logs = None
        for _ in range(steps):
            batch = iterator.get_next_as_optional()
            if not batch.has_value():
                break
            logs = run_if_any(batch)
        if logs is None:
            raise StopIteration
        return logs

    return several_steps
