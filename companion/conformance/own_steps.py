"""Networks with a ``train_step`` of their own, in five patterns that are often published."""

from typing import Any

import keras
import tensorflow as tf
from keras import layers


class OwnMetrics(keras.Model):
    """The pattern of Keras' guide: own loss and metrics, which ``metrics`` lists."""

    def __init__(self, *parts: Any, **options: Any) -> None:
        super().__init__(*parts, **options)
        self.mean_loss = keras.metrics.Mean(name="loss")
        self.distance = keras.metrics.MeanAbsoluteError(name="mae")

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """List what is reset before each epoch."""
        return [self.mean_loss, self.distance]

    def train_step(self, data: Any) -> dict[str, Any]:
        """Make an update."""
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = keras.ops.mean(keras.losses.binary_crossentropy(y, y_pred))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        self.mean_loss.update_state(loss)
        self.distance.update_state(y, y_pred)
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, data: Any) -> dict[str, Any]:
        """Measure a batch; report one of the metrics only."""
        x, y = data
        self.distance.update_state(y, self(x, training=False))
        return {"mae": self.distance.result()}


class TwoOptimizers(keras.Model):
    """Two networks against each other, as in a GAN: each has its optimizer; they take turns."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = keras.Sequential([keras.Input((2,)), layers.Dense(6)])
        judged = [layers.Dense(5, activation="relu"), layers.Dropout(0.2), layers.Dense(1)]
        self.judge = keras.Sequential([keras.Input((6,)), *judged])
        self.judge_optimizer = keras.optimizers.Adam(0.01)
        self.seed_generator = keras.random.SeedGenerator(7)
        self.judge_loss = keras.metrics.Mean(name="judge_loss")
        self.built = True

    def call(self, x: Any, training: bool = False) -> Any:
        """Return what the judge says of `x`."""
        return self.judge(x, training=training)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Make an update of the judge, then one of the generator."""
        x = data[0] if isinstance(data, tuple) else data
        drawn = keras.random.normal((keras.ops.shape(x)[0], 2), seed=self.seed_generator)
        with tf.GradientTape() as tape:
            made, real = self(self.generator(drawn), training=True), self(x, training=True)
            loss = keras.ops.mean(keras.ops.softplus(made) + keras.ops.softplus(-real))
        gradients = tape.gradient(loss, self.judge.trainable_weights)
        self.judge_optimizer.apply(gradients, self.judge.trainable_weights)
        with tf.GradientTape() as tape:
            fooled = keras.ops.mean(keras.ops.softplus(-self(self.generator(drawn), training=True)))
        gradients = tape.gradient(fooled, self.generator.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.generator.trainable_weights, strict=True))
        self.judge_loss.update_state(loss)
        return {"judge_loss": self.judge_loss.result(), "fooled": fooled}


class Distilled(keras.Model):
    """A small network learns from a larger one. The larger one is not trained."""

    def __init__(self) -> None:
        super().__init__()
        larger = [layers.Dense(9, activation="tanh"), layers.Dense(1, activation="sigmoid")]
        self.teacher = keras.Sequential([keras.Input((6,)), *larger], trainable=False)
        self.student = keras.Sequential([keras.Input((6,)), layers.Dense(1, activation="sigmoid")])
        self.built = True

    def call(self, x: Any, training: bool = False) -> Any:
        """Return what the student says."""
        return self.student(x, training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, **options: Any
    ) -> Any:
        """Mix the compiled loss with the distance from the teacher."""
        of_teacher = keras.losses.kl_divergence(self.teacher(x, training=False), y_pred)
        return 0.3 * super().compute_loss(x, y, y_pred, sample_weight) + 0.7 * keras.ops.mean(of_teacher)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Make an update of the student."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight)
        weights = self.student.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return self.compute_metrics(x, y, y_pred, sample_weight)


class Accumulated(keras.Sequential):
    """Makes an update from the gradients of two batches, kept in plain ``tf.Variable``s."""

    def __init__(self) -> None:
        made = [keras.Input((6,)), layers.Dense(5, activation="tanh"), layers.Dense(1, activation="sigmoid")]
        super().__init__(made)
        self.seen = tf.Variable(0, trainable=False)
        self.kept = [tf.Variable(tf.zeros(weight.shape), trainable=False) for weight in self.weights]

    def train_step(self, data: Any) -> dict[str, Any]:
        """Keep the gradient of a batch; after two make an update."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x, y, y_pred, sample_weight)
        self.seen.assign_add(1)
        for kept, gradient in zip(self.kept, tape.gradient(loss, self.weights), strict=True):
            kept.assign_add(gradient / 2)
        self.optimizer.build(self.weights)
        tf.cond(tf.equal(self.seen % 2, 0), self.update, lambda: None)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def update(self) -> None:
        """Make the update, and forget the gradients."""
        self.optimizer.apply_gradients(zip(self.kept, self.weights, strict=True))
        for kept in self.kept:
            kept.assign(tf.zeros_like(kept))


class SharpnessAware(keras.Sequential):
    """Takes the gradient where the loss nearby is largest: two forward passes an update."""

    def __init__(self) -> None:
        inside = [layers.Dense(5, activation="tanh"), layers.BatchNormalization(), layers.Dropout(0.2)]
        super().__init__([keras.Input((6,)), *inside, layers.Dense(1, activation="sigmoid")])

    def train_step(self, data: Any) -> dict[str, Any]:
        """Step uphill, take the gradient there, step back, make an update with it."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x, y, y_pred, sample_weight)
        uphill = tape.gradient(loss, self.trainable_weights)
        length = tf.linalg.global_norm(uphill)
        steps = [0.05 * part / (length + 1e-12) for part in uphill]
        for weight, step in zip(self.trainable_weights, steps, strict=True):
            weight.assign_add(step)
        with tf.GradientTape() as tape:
            there = self.compute_loss(x, y, self(x, training=True), sample_weight)
        gradients = tape.gradient(there, self.trainable_weights)
        for weight, step in zip(self.trainable_weights, steps, strict=True):
            weight.assign_sub(step)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        return self.compute_metrics(x, y, y_pred, sample_weight)


def own_metrics() -> keras.Model:
    """Make a network of the first kind, with dropout."""
    inputs = keras.Input((6,))
    hidden = layers.Dropout(0.2)(layers.Dense(7, activation="tanh")(inputs))
    return OwnMetrics(inputs, layers.Dense(1, activation="sigmoid")(hidden))
