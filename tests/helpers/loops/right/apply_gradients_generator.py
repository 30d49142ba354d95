import math

import keras
import tensorflow as tf


def batches(n, b):
    i = 0
    while i < n:
        yield slice(i, min(i + b, n))
        i += b


def train(model, x, y, *, learning_rate, batch_size, epochs):
    opt = keras.optimizers.SGD(learning_rate=learning_rate)
    fn = keras.losses.binary_crossentropy
    history = []
    for epoch in range(epochs):
        parts = []
        for s in batches(len(x), batch_size):
            with tf.GradientTape() as t:
                per_row = fn(tf.cast(y[s], tf.float32), model(x[s], training=True))
                loss = tf.reduce_mean(per_row) + tf.add_n(model.losses or [tf.constant(0.0)])
            g = t.gradient(loss, model.trainable_weights)
            opt.apply_gradients((gi, vi) for gi, vi in zip(g, model.trainable_weights))
            parts.append(loss.numpy() * (s.stop - s.start))
        history.append(math.fsum(parts) / len(x))
    return history
