import math

import keras
import tensorflow as tf


class Trainer:
    def __init__(self, model, lr):
        self.model = model
        self.optimizer = keras.optimizers.SGD(lr)
        self.loss_fn = keras.losses.BinaryCrossentropy()
        self.metric = keras.metrics.Mean(name="loss")

    @tf.function
    def step(self, xb, yb):
        with tf.GradientTape() as tape:
            p = self.model(xb, training=True)
            loss = self.loss_fn(yb, p)
            if self.model.losses:
                loss += tf.math.add_n(self.model.losses)
        grads = tape.gradient(loss, self.model.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.model.trainable_variables))
        self.metric.update_state(loss, sample_weight=tf.shape(xb)[0])

    def run(self, ds, epochs):
        for e in range(epochs):
            self.metric.reset_state()
            for xb, yb in ds:
                self.step(xb, yb)
            print(f"epoch {e}: {self.metric.result():.4f}")
            yield float(self.metric.result())


def train(model, x, y, *, learning_rate, batch_size, epochs):
    ds = (
        tf.data.Dataset.from_tensor_slices((x.astype("float32"), y.astype("float32")))
        .batch(batch_size)
        .cache()
        .prefetch(tf.data.AUTOTUNE)
    )
    return list(Trainer(model, learning_rate).run(ds, epochs))
