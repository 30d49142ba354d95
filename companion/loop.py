"""What ``model.fit`` does, written by hand: read it from top to bottom, or call it in place of ``.fit``.

`fit_by_hand` is the whole of ``.fit``: epochs, batches, steps, validation; `train_step` is one update.
Their results equal the results of ``.fit``, bit for bit: ``python -m companion.conformance``
trains hundreds of networks both ways and compares them. Work that is not training is in ``fit/``:
``pipeline.py`` turns `x` into batches; ``graph.py`` turns a step into a graph, on which the last
bits depend; ``replicas.py`` runs a step under a strategy; ``unsupported.py`` refuses what this page
does not do. ``lessons/what-fit-does.md`` explains each surprise, with a proof.
"""

import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from companion.fit.graph import Logs, compiled, own_step
from companion.fit.keras_private import (
    first_epoch,
    loss_tracker,
    pythonify_logs,
    strategy_of,
    train_validation_split,
)
from companion.fit.pipeline import Pipeline
from companion.fit.replicas import build_under_strategy, on_each_replica, undivided
from companion.fit.unsupported import most_epochs, refuse_what_cannot_be_equal


def fit_by_hand(
    model: keras.Model,
    x: Any = None,
    y: Any = None,
    batch_size: int | None = None,
    epochs: int = 1,
    verbose: str | int = "auto",
    callbacks: Any = None,
    validation_split: float = 0.0,
    validation_data: Any = None,
    shuffle: bool | str = True,
    class_weight: Mapping[int, float] | None = None,
    sample_weight: Any = None,
    initial_epoch: int = 0,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    validation_batch_size: int | None = None,
    validation_freq: int | list[int] = 1,
) -> keras.callbacks.History:
    """Train a compiled model exactly as ``model.fit`` does; all arguments are those of ``Model.fit``.

    Parameters
    ----------
    model : keras.Model
        A compiled model. It is trained in place, as ``.fit`` does.
    x : array, DataFrame, tensor, list or dict of these, Dataset, PyDataset or generator
        The inputs; of a Dataset, PyDataset or generator also targets and sample weights.
    y : array, DataFrame, tensor, list or dict of these, optional
        The targets, row for row.
    batch_size : int, optional
        Rows per batch, for arrays; the default is 32. The last batch has the rows that are left.
    epochs : int
        Training stops before the epoch with this number. Without `initial_epoch`, it is the
        number of epochs.
    verbose : {"auto", 0, 1, 2}
        What is shown: nothing, a progress bar, or one line per epoch.
    callbacks : list of keras.callbacks.Callback, or CallbackList
        What is called on the way.
    validation_split, validation_data, validation_steps, validation_batch_size, validation_freq
        The data on which the model is measured after an epoch, their batches, and after which
        epochs.
    shuffle : bool or "batch"
        Whether arrays are fed in a random order.
    class_weight, sample_weight
        How much rows count in the loss.
    initial_epoch, steps_per_epoch : int
        The number of the first epoch; the number of batches in an epoch.

    Returns
    -------
    keras.callbacks.History
        Its ``history`` has a list for each key, with one number per epoch. The same object is
        ``model.history``.

    Raises
    ------
    ValueError, TypeError
        If ``.fit`` would train this model by other steps (`companion.fit.unsupported`).
        Also for data and arguments that ``.fit`` refuses, as ``.fit`` does.
    """
    refuse_what_cannot_be_equal(model)
    epochs = most_epochs(epochs)

    if validation_split and validation_data is None:
        # The last rows, taken before anything is shuffled: sorted data give a validation set unlike the rest.
        (x, y, sample_weight), validation_data = train_validation_split(
            (x, y, sample_weight), validation_split=validation_split
        )
    validation_rows = (None, None, None)
    if validation_data is not None:
        validation_rows = keras.utils.unpack_x_y_sample_weight(validation_data)
    batches = Pipeline(
        x,
        y,
        sample_weight,
        batch_size=batch_size,
        steps_per_epoch=steps_per_epoch,
        shuffle=shuffle,
        class_weight=class_weight,
        steps_per_execution=model.steps_per_execution,
        strategy=strategy_of(model),
    )
    validation: Pipeline | None = None  # its data are not touched before an epoch has ended

    if not isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = keras.callbacks.CallbackList(
            callbacks,
            add_history=True,
            add_progbar=verbose != 0,
            verbose=verbose,
            epochs=epochs,
            steps=batches.steps,
            model=model,
        )
    build_under_strategy(model, batches)  # without a strategy, the first step builds the model
    batches.reset()
    model.stop_training = False
    # `update` takes the next batch from an iterator and runs the step on it: `train_step` below, or
    # the model's own. Like .fit, it makes a graph of the step once after compile(...). If a layer
    # is frozen later, without compiling again, it is still trained.
    step = on_each_replica(model, own_step(model, "train_step") or train_step)
    update = compiled(model, step, "train_function")
    callbacks.on_train_begin()
    logs: Logs = {}
    epoch_logs: Logs | None = None

    # BackupAndRestore, called just now, may have found where an interrupted training stopped.
    for epoch in range(first_epoch(model, initial_epoch), epochs):
        # An epoch reports running means over its batches. They start anew here; the optimizer goes on.
        model.reset_metrics()
        callbacks.on_epoch_begin(epoch)
        with batches.until_data_end():  # the epoch ends when there is no next batch
            # One round is one step, or steps_per_execution of them, numbered from first_step to last_step.
            for first_step, last_step, iterator in batches.epoch():
                callbacks.on_train_batch_begin(first_step)
                logs = update(iterator)
                callbacks.on_train_batch_end(last_step, logs)
                if model.stop_training:  # a callback may end the training in the middle of an epoch
                    break
        epoch_logs = _results(model, logs)

        if validation_data is not None and _is_due(epoch, validation_freq):
            if validation is None:
                validation = Pipeline(
                    *validation_rows,
                    batch_size=validation_batch_size or batch_size,
                    steps_per_epoch=validation_steps,
                    steps_per_execution=model.steps_per_execution,
                    strategy=strategy_of(model),
                )
            val_logs = validate(model, validation, callbacks)
            epoch_logs |= {f"val_{name}": value for name, value in val_logs.items()}

        callbacks.on_epoch_end(epoch, epoch_logs)  # here History writes down what the epoch reports
        if model.stop_training:
            break

    if isinstance(model.optimizer, keras.optimizers.Optimizer) and epochs > 0:
        # This does something only with use_ema: it replaces the trained weights by their moving
        # average. So what the last epoch reported was measured with other weights than the model
        # has from here on.
        model.optimizer.finalize_variable_values(model.trainable_weights)
    callbacks.on_train_end(epoch_logs)
    return model.history  # the History that CallbackList added


def train_step(model: keras.Model, batch: Any) -> Logs:
    """Make one update from one batch; return the epoch's running means so far.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    batch : tensor, or tuple of up to three
        Inputs, targets, sample weights: each a tensor, or a list, tuple or dict of tensors.

    Returns
    -------
    dict of str to tensor
        The history's keys.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)  # None for what is not there
    with tf.GradientTape() as tape:
        # training=True: dropout drops, noise is added, BatchNormalization takes the batch's own mean.
        y_pred = model(x, **_training(type(model).call, True))
        # compute_loss returns the compiled loss plus every penalty (regularizers, add_loss). It
        # aligns the ranks of y and y_pred, so (n,) against (n, 1) does not become (n, n). By
        # default, it divides a weighted sum by the number of losses, not by the sum of their
        # weights.
        loss = model.compute_loss(x, y, y_pred, sample_weight, **_training(type(model).compute_loss, True))
        # This is the loss with the weights before this update. In the epoch's mean, a batch
        # counts by its number of rows, even if sample weights say otherwise. So the short last
        # batch counts less.
        loss_tracker(model).update_state(undivided(loss), sample_weight=_rows(x))
        # With mixed_float16, or a loss_scale_factor, a multiple of the loss is differentiated:
        # otherwise small gradients would round to 0. Then the optimizer divides by the factor. In
        # all other cases, `scaled` is the loss itself.
        scaled = loss if model.optimizer is None else model.optimizer.scale_loss(loss)

    if model.trainable_weights:
        gradients = tape.gradient(scaled, model.trainable_weights)
        # Clip, decay weights, update, move the weights' average, apply constraints, count the iteration.
        model.optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
    else:
        warnings.warn("The model does not have any trainable weights.", stacklevel=2)

    # The metrics see the predictions made before the update: like the loss, they lag behind the weights.
    return model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)


def validate(model: keras.Model, batches: Pipeline, callbacks: keras.callbacks.CallbackList) -> Logs:
    """Measure the model on other data; this resets the metrics, so training values are lost.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    batches : Pipeline
        The validation data.
    callbacks : CallbackList
        Their ``on_test_...`` methods are called.

    Returns
    -------
    dict of str to float
        The history's keys, without "val_".
    """
    build_under_strategy(model, batches)
    batches.reset()
    step = on_each_replica(model, own_step(model, "test_step") or test_step)
    measure = compiled(model, step, "test_function")
    model.stop_evaluating = False
    callbacks.on_test_begin()
    logs: Logs = {}
    model.reset_metrics()
    with batches.until_data_end():
        for first_step, last_step, iterator in batches.epoch():
            callbacks.on_test_batch_begin(first_step)
            logs = measure(iterator)
            callbacks.on_test_batch_end(last_step, logs)
            if model.stop_evaluating:
                break
    logs = pythonify_logs(_results(model, logs))
    callbacks.on_test_end(logs)
    return logs


def test_step(model: keras.Model, batch: Any) -> Logs:
    """Measure one batch: as `train_step`, without dropout, noise, batch statistics and update.

    The penalties are in the loss here too, and sample weights count; class weights do not.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    y_pred = model(x, **_training(type(model).call, False))
    loss = model.compute_loss(x, y, y_pred, sample_weight, **_training(type(model).compute_loss, False))
    loss_tracker(model).update_state(undivided(loss), sample_weight=_rows(x))
    return model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)


def _rows(x: Any) -> tf.Tensor:
    """Count the rows of a batch, by the first input that is there."""
    return tf.shape(next(part for part in keras.tree.flatten(x) if part is not None))[0]


def _training(function: Callable, training: bool) -> dict[str, bool]:
    """Return the argument `training`, if `function` takes it: a model's own `call` need not."""
    return {"training": training} if "training" in inspect.signature(function).parameters else {}


def _results(model: keras.Model, logs: Logs) -> Logs:
    """Read the running means of all metrics, unless the step, the model's own perhaps, returned others."""
    results = model.get_metrics_result()
    return dict(results if results.keys() == logs.keys() else logs)


def _is_due(epoch: int, validation_freq: int | list[int]) -> bool:
    """Return whether to validate after `epoch`; `validation_freq` counts from 1, everything else from 0."""
    if isinstance(validation_freq, int) and validation_freq != 0:
        return (epoch + 1) % validation_freq == 0
    if isinstance(validation_freq, list):
        return epoch + 1 in validation_freq
    raise ValueError(
        f"validation_freq is {validation_freq!r}: it must be an int (every so many epochs, not 0) or a list"
    )
