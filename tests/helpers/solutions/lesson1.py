"""Lesson 1's exercise, solved without compiling, slices of arrays and ``optimizer.apply``."""

import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    optimizer = keras.optimizers.SGD(learning_rate)
    loss_function = keras.losses.BinaryCrossentropy()
    x, y = x.astype(keras.config.floatx()), y.astype(keras.config.floatx())
    history = []
    for _ in range(epochs):
        total = 0.0
        for start in range(0, len(x), batch_size):
            xb, yb = x[start : start + batch_size], y[start : start + batch_size]
            with tf.GradientTape() as tape:
                loss = loss_function(yb, model(xb, training=True))
                for penalty in model.losses:
                    loss += penalty
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            total += float(loss) * len(xb)
        history.append(total / len(x))
    return history
