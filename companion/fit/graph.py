"""How a step is run: as a graph, through XLA or line by line; how many steps between two callbacks."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from companion.fit.keras_private import is_of_keras

Logs = dict[str, Any]
Step = Callable[[keras.Model, Any], Logs]
Steps = Callable[[Any], Logs]


def own_step(model: keras.Model, name: str) -> Step | None:
    """Return the model's own ``train_step`` or ``test_step``; None if it has that of Keras.

    Parameters
    ----------
    model : keras.Model
        The model.
    name : {"train_step", "test_step"}
        The method.

    Returns
    -------
    callable or None
        It takes the model and a batch, as the iterator gives it, and returns the logs.
    """
    return None if is_of_keras(model, name) else lambda model, batch: getattr(model, name)(batch)


def compiled(model: keras.Model, step: Step, name: str) -> Steps:
    """Make the function that takes the next batch from an iterator and runs `step` on it.

    It is made at its first call. The model keeps it where ``.fit`` keeps its own, so ``.fit`` goes on
    with the same graph, and ``compile`` or ``quantize`` makes both forget it.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    step : callable
        ``step(model, batch)``, which returns the logs.
    name : {"train_function", "test_function"}
        The attribute of the model that keeps the function.

    Returns
    -------
    callable
        It takes a ``tf.data.Iterator`` and returns the logs, those of the last step if it takes
        several. It raises ``OutOfRangeError`` or ``StopIteration`` if there is no batch left, and
        ``TypeError``, as ``.fit`` does, if the model was compiled while it was trained.
    """
    if not is_by_hand(getattr(model, name)):
        setattr(model, name, _compiled(model, step))

    def run(iterator: Any) -> Logs:
        kept = getattr(model, name)
        if kept is None:
            told = f"model {model.name!r} has no {name} any more: it was compiled while it was trained"
            raise TypeError(told)
        if not is_by_hand(kept):  # a callback has called make_train_function: a new graph is wanted
            kept = _compiled(model, step)
            setattr(model, name, kept)
        return kept(iterator)

    return run


def is_by_hand(function: Any) -> bool:
    """Return whether a model's ``train_function`` or ``test_function`` was made by `compiled`."""
    return getattr(function, "__module__", None) == __name__


def _compiled(model: keras.Model, step: Step) -> Steps:
    """Make the function of `compiled` at its first call: a callback may change the model before that."""
    made: list[Steps] = []

    def run(iterator: Any) -> Logs:
        if not made:
            made.append(_compiled_now(model, step))
        return made[0](iterator)

    return run


def _compiled_now(model: keras.Model, step: Step) -> Steps:
    """Make the function of `compiled`.

    As in ``.fit``, it is one TensorFlow graph, made at the first call. This makes it fast. The
    graph also decides the order in which numbers are added up, and so the last bits: if the same
    lines run eagerly, they come close to ``.fit``, but are not equal.
    """
    steps = model.steps_per_execution

    def on_batch(batch: Any) -> Logs:
        logs = step(model, batch)
        if not isinstance(logs, dict) or not logs:
            told = f"the model's step returned {logs!r}: .fit needs a dict with at least one metric"
            raise ValueError(told)
        # As from a graph, numbers become tensors: in the history 0.1 is then the float32 next to it.
        return tf.experimental.Optional.from_value(logs).get_value() if model.run_eagerly else logs

    def graph(function: Callable, jit_compile: bool = False) -> Any:
        if model.run_eagerly:
            return function
        # Without autograph, as in .fit: where a model's `call` needs it for an `if` on a tensor, both fail.
        return tf.function(function, jit_compile=jit_compile, reduce_retracing=True, autograph=False)

    # One function in another, since XLA can compile the step but not the fetching of a batch. Inside, the
    # batch has the shape that the Dataset promises, with an unknown number of rows if the last is short.
    run = graph(on_batch, model.jit_compile)

    if steps == 1:
        whole = graph(lambda iterator: run(_without_optionals(iterator.get_next())))
        return lambda iterator: whole(iterator)

    def several_steps(iterator: Any) -> tuple[Any, Logs]:
        # Only one place may run the step: random operations of TensorFlow count on where they stand.
        def is_left(step: Any, batch: Any, _: Logs) -> Any:
            return (step < steps) & batch.has_value()

        def one_step(step: Any, batch: Any, _: Logs) -> tuple[Any, Any, Logs]:
            logs = run(_without_optionals(batch.get_value()))
            more = tf.cond(step + 1 < steps, iterator.get_next_as_optional, lambda: batch)
            return step + 1, more, logs

        logs = {}
        if not model.run_eagerly:  # a loop in a graph must know beforehand what it returns
            traced = run.get_concrete_function(_without_optionals(iterator.element_spec))
            logs = tf.nest.map_structure(
                lambda one: tf.zeros(one.shape, one.dtype), traced.structured_outputs
            )
        count, batch = tf.constant(0), iterator.get_next_as_optional()
        if not model.run_eagerly:
            count, _, logs = tf.while_loop(is_left, one_step, (count, batch, logs))
        while model.run_eagerly and is_left(count, batch, logs):
            count, batch, logs = one_step(count, batch, logs)
        return count, logs

    group = graph(several_steps)

    def run_group(iterator: Any) -> Logs:
        count, logs = group(iterator)
        if count == 0:
            raise StopIteration
        return logs

    return run_group


def _without_optionals(batch: Any) -> Any:
    """Put None where Keras has put an empty Optional: a generator gave None, which a Dataset cannot hold."""
    empty = tf.experimental.Optional | tf.OptionalSpec
    return keras.tree.map_structure(lambda part: None if isinstance(part, empty) else part, batch)
