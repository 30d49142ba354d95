"""A loop as a class: index arrays, the loss by arithmetic, updates by ``assign_sub``."""

import keras
import numpy as np
import tensorflow as tf


class Trainer:
    def __init__(self, model, rate):
        self.model, self.rate = model, rate

    def penalty(self):
        return tf.add_n([tf.zeros(()), *self.model.losses])

    def train_step(self, xb, yb):
        model = self.model
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([v.value for v in model.trainable_variables])
            p = tf.clip_by_value(model(xb, training=True), 1e-7, 1 - 1e-7)
            entropy = -(yb * tf.math.log(p) + (1 - yb) * tf.math.log(1 - p))
            loss = tf.reduce_mean(entropy)
            loss = loss + self.penalty()
        variables = model.trainable_variables
        slopes = tape.gradient(loss, variables)
        for variable, slope in zip(variables, slopes):
            variable.assign_sub(self.rate * slope)
        for variable in variables:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))
        return float(loss)


def train(model, x, y, *, learning_rate, batch_size, epochs):
    trainer = Trainer(model, learning_rate)
    x, y = x.astype("float32"), y.astype("float32")
    indices = np.arange(len(x))
    history = []
    for epoch in range(epochs):
        total = count = 0
        batches = np.split(indices, range(batch_size, len(indices), batch_size))
        for batch in batches:
            loss = trainer.train_step(x[batch], y[batch])
            total += loss * len(batch)
            count += len(batch)
        history.append(total / count)
    return history
