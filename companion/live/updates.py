"""Single updates of a network, by hand, from whatever weights they begin with."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from companion.batches import Batches

Weights = list[np.ndarray]


class Update(NamedTuple):
    """What an update has computed: the loss before it, the gradients, and the weights after it."""

    loss: float
    gradients: Weights
    weights: Weights


class Updates:
    """The lessons' own step, compiled once; a training keeps its weights, so many can share it.

    Parameters
    ----------
    model : keras.Model
        The network; its weights are those of the last update.
    loss_function : keras.losses.Loss
        The loss of a batch.
    batches : Batches
        Of an epoch.
    """

    def __init__(self, model: keras.Model, loss_function: keras.losses.Loss, batches: Batches) -> None:
        self.model, self.batches = model, list(batches)
        self.start: Weights = model.get_weights()
        self.rows = sum(len(x) for x, _ in self.batches)
        self.optimizer = keras.optimizers.SGD()
        self.optimizer.build(model.trainable_variables)

        @batches.compiled
        def step(xb: tf.Tensor, yb: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
            with tf.GradientTape() as tape:
                loss = loss_function(yb, model(xb, training=True))
            gradients = tape.gradient(loss, model.trainable_variables)
            self.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return loss, gradients

        self._step = step

    def update(self, weights: Weights, batch: int, rate: float) -> Update:
        """Make one update from `weights`, with a batch of the epoch."""
        self.model.set_weights(weights)
        self.optimizer.learning_rate = rate
        loss, gradients = self._step(*self.batches[batch])
        return Update(float(loss), [slope.numpy() for slope in gradients], self.model.get_weights())

    def loss_of_epoch(self, losses: Sequence[float]) -> float:
        """Return what ``.fit`` reports for an epoch whose batches had these losses."""
        total = 0
        for loss, (x, _) in zip(losses, self.batches, strict=True):
            total += self.start[0].dtype.type(loss) * len(x)
        return float(total / self.rows)
