"""A step under a distribution strategy: on each replica, with its part of the batch.

Without a strategy, nothing here changes anything.
"""

from typing import Any

import keras
import tensorflow as tf

from companion.fit.graph import Logs, Step
from companion.fit.keras_private import build_on_batch, strategy_of
from companion.fit.pipeline import Pipeline


def on_each_replica(model: keras.Model, step: Step) -> Step:
    """Return a step that runs `step` on each replica, and the means of what the replicas report.

    Parameters
    ----------
    model : keras.Model
        Made in the strategy's scope.
    step : callable
        ``step(model, batch)``, for the part of a batch that one replica gets. In it, the optimizer
        adds up the gradients of all replicas before it updates.

    Returns
    -------
    callable
        ``step(model, batch)``, for a batch of which each replica has its part.
    """
    strategy = strategy_of(model)
    if strategy is None:
        return step

    def replicated(model: keras.Model, batch: Any) -> Logs:
        logs = strategy.run(lambda part: step(model, part), args=(batch,))
        # The replicas share metrics, so these numbers are equal; what a model's own step reports may differ.
        return keras.tree.map_structure(lambda value: _mean(strategy, value), logs)

    return replicated


def _mean(strategy: tf.distribute.Strategy, value: Any) -> Any:
    if not isinstance(value, tf.distribute.DistributedValues):
        return value
    return tf.reduce_mean(strategy.experimental_local_results(value), axis=0)


def undivided(loss: tf.Tensor) -> tf.Tensor:
    """Multiply a replica's loss by the replicas: ``compute_loss`` has divided it, and reports need the mean.

    It divides because the optimizer adds up the gradients of all replicas. The sum of
    the divided losses is the mean over the batch only if every replica has the same number of rows.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return loss * tf.cast(replicas, loss.dtype) if replicas > 1 else loss


def build_under_strategy(model: keras.Model, batches: Pipeline) -> None:
    """Build the model in its strategy's scope, from a batch that is drawn for it, as ``.fit`` does.

    Raises
    ------
    ValueError
        If the replicas get different numbers of rows of this batch.
    """
    strategy = strategy_of(model)
    if strategy is None:
        return
    *_, iterator = next(batches.epoch())
    batch = next(iterator)
    parts = keras.tree.flatten(batch)
    rows = {len(one) for one in strategy.experimental_local_results(parts[0])}
    if len(rows) > 1:
        raise ValueError(
            f"the replicas get {' and '.join(map(str, sorted(rows)))} rows of the first batch, and .fit "
            "itself fails there: in training and validation, make the first batch's rows a multiple of "
            f"{strategy.num_replicas_in_sync}"
        )
    if all(isinstance(part, tf.distribute.DistributedValues) for part in parts):
        batch = strategy.reduce("MEAN", batch, axis=None)  # only its shapes and types are needed
    with strategy.scope():
        build_on_batch(model, batch)
