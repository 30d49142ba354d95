"""A whole training by hand inside one compiled graph: no Python between two steps, nor between two epochs."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf


class Trajectory:
    """The way of a network's weights through training, a learning rate for each epoch.

    The loop is the lessons' own, with the epochs too in the graph. TensorFlow's plain graph gives the weights
    of ``.fit`` bit for bit. XLA, which is many times faster, gives other last bits: enough for a first look,
    never for a comparison.
    """

    def __init__(
        self,
        model: keras.Model,
        loss_function: keras.losses.Loss,
        batches: Sequence[tuple[tf.Tensor, tf.Tensor]],
    ) -> None:
        self.model, self.loss_function = model, loss_function
        self.sizes = np.array([len(x) for x, _ in batches])
        full = [batch for batch in batches if len(batch[0]) == self.sizes[0]]
        self.full = tuple(tf.stack(arrays) for arrays in zip(*full, strict=True))
        self.short = batches[-1] if len(full) < len(batches) else None
        self.optimizer = keras.optimizers.SGD()
        self.optimizer.build(model.trainable_variables)
        float_type = model.trainable_variables[0].dtype
        any_epochs = tf.TensorSpec([None], float_type)
        of_weights = tf.TensorSpec([model.count_params()], float_type)
        self._as_fit = tf.function(self._train, input_signature=[of_weights, any_epochs])
        self._by_xla = tf.function(self._train, jit_compile=True)
        self._answer = tf.function(self._predict, reduce_retracing=True)

    def weights(self) -> np.ndarray:
        """Return the weights the model has now, one after the other, shape (parameters,)."""
        return np.concatenate([variable.numpy().ravel() for variable in self.model.trainable_variables])

    def train(
        self, weights: np.ndarray, rates: Sequence[float], *, by_xla: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Train through as many epochs as there are rates."""
        run = self._by_xla if by_xla else self._as_fit
        cast = tf.constant(rates, self.optimizer.learning_rate.dtype)
        losses, after = (array.numpy() for array in run(tf.constant(weights), cast))
        # Added up outside, batch after batch: inside, a compiler may divide by multiplying.
        total = np.zeros(len(losses), losses.dtype)
        for batch, size in enumerate(self.sizes):
            total += losses[:, batch] * losses.dtype.type(size)
        return (total / losses.dtype.type(self.sizes.sum())).astype("float64"), after

    def predict(self, weights: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return what the network answers with these weights; it keeps them."""
        return self._answer(tf.constant(weights), tf.constant(x, weights.dtype)).numpy()

    def _predict(self, weights: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        self.put(weights)
        return self.model(x)

    def put(self, weights: tf.Tensor | np.ndarray) -> None:
        """Let the network have these weights."""
        variables = self.model.trainable_variables
        sizes = [int(np.prod(variable.shape)) for variable in variables]
        for variable, part in zip(variables, tf.split(weights, sizes), strict=True):
            variable.assign(tf.reshape(part, variable.shape))

    def _train(self, weights: tf.Tensor, rates: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        self.put(weights)
        variables = self.model.trainable_variables
        epochs = tf.shape(rates)[0] if rates.shape[0] is None else rates.shape[0]
        losses = tf.TensorArray(weights.dtype, size=epochs, element_shape=[len(self.sizes)])
        after = tf.TensorArray(weights.dtype, size=epochs, element_shape=weights.shape)
        for epoch in tf.range(epochs):
            self.optimizer.learning_rate.assign(rates[epoch])
            losses = losses.write(epoch, self._epoch())
            flat = [tf.reshape(variable, [-1]) for variable in variables]
            after = after.write(epoch, tf.concat(flat, axis=0))
        return losses.stack(), after.stack()

    def _epoch(self) -> tf.Tensor:
        x, y = self.full
        losses = tf.TensorArray(x.dtype, size=len(self.sizes), element_shape=[])
        for batch in tf.range(len(x)):
            losses = losses.write(batch, self._step(x[batch], y[batch]))
        if self.short is not None:
            losses = losses.write(len(self.sizes) - 1, self._step(*self.short))
        return losses.stack()

    def _step(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = self.loss_function(y, self.model(x, training=True))
        gradients = tape.gradient(loss, self.model.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.model.trainable_variables, strict=True))
        return loss
