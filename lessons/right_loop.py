"""A right loop, not compiled, easy to follow: `python -m companion.mistakes` breaks it on purpose."""

import keras
import numpy as np
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    """Train `model` as ``.fit`` does; give the loss of each epoch."""
    optimizer = keras.optimizers.SGD(learning_rate)
    x, y = np.asarray(x, "float32"), np.asarray(y, "float32")
    n = len(x)

    def loss_of(xb, yb):
        y_pred = model(xb, training=True)
        rows = keras.losses.binary_crossentropy(yb, y_pred)
        loss = tf.reduce_mean(rows)
        return loss + tf.add_n([tf.zeros(()), *model.losses])

    def update(xb, yb):
        with tf.GradientTape() as tape:
            loss = loss_of(xb, yb)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss.numpy()

    history = []
    for _epoch in range(epochs):
        losses, counts = [], []
        for start in range(0, n, batch_size):
            xb, yb = x[start : start + batch_size], y[start : start + batch_size]
            losses.append(update(xb, yb))
            counts.append(len(xb))
        history.append(float(np.average(losses, weights=counts)))
    return history
