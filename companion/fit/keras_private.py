"""What the loop needs of Keras and Keras does not export: all of it stands here, checked on import."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras

from companion.errors import refuse_backend

refuse_backend(keras.config.backend())

TRIED = "3.8 to 3.15"

try:
    from keras.src.backend.common import global_state as _global_state
    from keras.src.backend.tensorflow.trainer import TensorFlowTrainer as _TensorFlowTrainer
    from keras.src.optimizers.base_optimizer import BaseOptimizer as _BaseOptimizer
    from keras.src.trainers.data_adapters import get_data_adapter as get_data_adapter
    from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter as ArrayDataAdapter
    from keras.src.trainers.data_adapters.array_slicing import (
        train_validation_split as train_validation_split,
    )
    from keras.src.trainers.trainer import Trainer as _Trainer
    from keras.src.utils.python_utils import pythonify_logs as pythonify_logs
except ImportError as error:
    raise ImportError(
        f"companion uses parts of Keras that Keras does not export, and does not find them in Keras "
        f"{keras.__version__} ({error}); it was tried with Keras {TRIED}: install one of these"
    ) from None

_NEEDED = (
    ("Model", _Trainer, "_loss_tracker"),
    ("Model", _Trainer, "_initial_epoch"),
    ("Model", _TensorFlowTrainer, "_distribute_strategy"),
    ("Optimizer", _BaseOptimizer, "_trainable_variables"),
)
for _of, _kind, _name in _NEEDED:
    if _name not in _kind.__init__.__code__.co_names:  # set in __init__; a test object would use up a name
        raise ImportError(
            f"companion needs {_of}.{_name}, which Keras {keras.__version__} does not have; it was tried "
            f"with Keras {TRIED}: install one of these"
        )

_VERSION = tuple(int(part) for part in keras.__version__.split(".")[:2])


def loss_tracker(model: keras.Model) -> keras.metrics.Mean:
    """Return the running mean of the losses: the history's "loss", which ``model.compile`` makes.

    ``model.metrics[0]`` is the same, but not in a model that overrides ``metrics``.
    """
    return model._loss_tracker


def strategy_of(model: keras.Model) -> Any:
    """Return the ``tf.distribute.Strategy`` in whose scope a model was made; None without one."""
    return model._distribute_strategy


def build_on_batch(model: keras.Model, batch: Any) -> None:
    """Build what is not built yet: layers, optimizer, and what is compiled."""
    model._symbolic_build(data_batch=batch)


def trained_by(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Return the variables that an optimizer was built for; none before that."""
    return getattr(optimizer, "_trainable_variables", [])


def rate_of(optimizer: keras.optimizers.Optimizer) -> Any:
    """Return the learning rate as it was given: a variable, or a schedule."""
    return getattr(optimizer, "_learning_rate", None)


@contextmanager
def plain_rate(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Give an optimizer a learning rate that its configuration can name, in the ``with`` block."""
    given = optimizer._learning_rate
    optimizer._learning_rate = keras.Variable(0.0)
    try:
        yield
    finally:
        optimizer._learning_rate = given


def arguments_of(loss: keras.losses.Loss) -> dict[str, Any]:
    """Return the arguments of a loss, also those that its configuration leaves out."""
    return getattr(loss, "_fn_kwargs", {})


def loss_weights_of(model: keras.Model) -> Any:
    """Return the weights of the losses, as they were compiled."""
    return getattr(getattr(model, "_compile_loss", None), "_user_loss_weights", None)


def is_of_keras(model: keras.Model, name: str) -> bool:
    """Return whether a model has this method from `keras.Model`, and not its own."""
    return getattr(getattr(model, name), "__func__", None) is getattr(keras.Model, name)


def was_frozen_after_fit(model: keras.Model) -> bool:
    """Return whether layers were frozen or unfrozen after ``.fit`` made the graph that it keeps.

    The optimizer remembers what it was built for, when that graph was made.
    """
    if model.train_function is None or model.run_eagerly or not getattr(model.optimizer, "built", False):
        return False
    built_for = getattr(model.optimizer, "_trainable_variables", model.trainable_variables)
    return [id(variable) for variable in built_for] != [
        id(variable) for variable in model.trainable_variables
    ]


def first_epoch(model: keras.Model, initial_epoch: int) -> int:
    """Return the epoch to begin with, which `BackupAndRestore` may have moved while training began."""
    return model._initial_epoch or initial_epoch


def last_step(first_step: int, steps_per_execution: int) -> int:
    """Return the number under which ``.fit`` reports that a group of steps has ended.

    Up to Keras 3.10 it was that of the group's first step.
    """
    return first_step + steps_per_execution - 1 if _VERSION >= (3, 11) else first_step


def excluded_from_decay(optimizer: keras.optimizers.Optimizer) -> tuple[list[str], bool]:
    """Return the names that an optimizer leaves out of weight decay, and whether it leaves out variables."""
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    text = pattern.pattern if pattern is not None else ""
    names = [text] if "(" in text else sorted(text.split("|")) if text else []
    return names, bool(getattr(optimizer, "_exclude_from_weight_decay", None))


def watches_for_more(callback: Any) -> bool | None:
    """Return whether a callback takes a larger number as better; None if it cannot tell yet."""
    try:
        if hasattr(callback, "_set_monitor_op"):  # not in older versions of Keras
            callback._set_monitor_op()
    except ValueError:
        return None
    return bool(callback.monitor_op(2.0, 1.0))


def has_further_metrics(model: keras.Model) -> bool:
    """Return whether a model has metrics that were not compiled, such as attributes of layers."""
    known = (getattr(model, "_loss_tracker", None), getattr(model, "_compile_metrics", None))
    of_losses = getattr(getattr(model, "_compile_loss", None), "metrics", [])
    return any(not any(one is other for other in (*known, *of_losses)) for one in model.metrics)


@dataclass(frozen=True)
class CompiledMetric:
    """A metric of a compiled model: its name in the history, its output, whether weights count.

    The output is a key of what the model returns: its name in a dict, its place in a list.
    """

    metric: keras.metrics.Metric
    name: str
    output: str | int
    weighted: bool


def parts_of_compile(model: keras.Model) -> tuple[list[Any], list[CompiledMetric]]:
    """Return the losses and metrics that Keras has made of what was compiled, once a batch has passed.

    Returns
    -------
    losses : list
        Of one per output; each has ``path``, ``loss``, ``loss_weights`` and ``name``.
    metrics : list of CompiledMetric
        In the order of the history.
    """
    losses = getattr(getattr(model, "_compile_loss", None), "_flat_losses", None) or []
    by_name = any(isinstance(key, str) for loss in losses for key in loss.path)
    compiled, found = getattr(model, "_compile_metrics", None), list[CompiledMetric]()
    for weighted in (False, True):
        lists = getattr(compiled, "_flat_weighted_metrics" if weighted else "_flat_metrics", None) or []
        for number, of_output in enumerate(lists):
            output = of_output.output_name if by_name and of_output else number
            for metric in of_output.metrics if of_output else ():
                name = f"{of_output.output_name}_{metric.name}" if of_output.output_name else metric.name
                found.append(CompiledMetric(metric, name, output, weighted))
    return losses, found


@contextmanager
def same_names(anew: bool = False) -> Iterator[None]:
    """Keep layers made in the ``with`` block from changing the names of layers made after it.

    Keras numbers layers as they are made: the second network of the same kind is
    "sequential_1", with outputs and history keys named after its layers. Two networks
    made each in such a block have the same names.

    Parameters
    ----------
    anew : bool
        Whether numbers begin anew in the block, so that the names do not depend on what was made before.
    """
    counters: Any = copy.copy(_global_state.get_global_attribute("object_name_uids"))
    if anew and counters is not None:
        fresh = copy.copy(counters)
        fresh.clear()
        _global_state.set_global_attribute("object_name_uids", fresh)
    try:
        yield
    finally:
        _global_state.set_global_attribute("object_name_uids", counters)


@contextmanager
def global_seed() -> Iterator[None]:
    """Put back Keras' global seed and its global generator after the ``with`` block."""
    names = "global_random_seed", "global_seed_generator"
    kept = [_global_state.get_global_attribute(name) for name in names]
    try:
        yield
    finally:
        for name, value in zip(names, kept, strict=True):
            _global_state.set_global_attribute(name, value)
