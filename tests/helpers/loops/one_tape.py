"""A loop with one persistent tape an epoch, and a generator of batches."""

import keras
import numpy as np
import tensorflow as tf


def batches_of(x, y, size):
    for number in range(-(-len(x) // size)):
        rows = slice(number * size, (number + 1) * size)
        yield tf.constant(x[rows], tf.float32), tf.constant(y[rows], tf.float32)


def train(model, x, y, *, learning_rate, batch_size, epochs):
    sgd = keras.optimizers.SGD(learning_rate=learning_rate)
    criterion = keras.losses.BinaryCrossentropy(reduction="none")
    losses_per_epoch = []
    for epoch in range(epochs):
        sum_of_losses = 0.0
        n_rows = 0
        with tf.GradientTape(persistent=True) as tape:
            for features, labels in batches_of(x, y, batch_size):
                outputs = model(features, training=True)
                per_row = criterion(labels, outputs)
                data_loss = tf.math.reduce_mean(per_row)
                objective = tf.math.add_n([data_loss, *model.losses])
                with tape.stop_recording():
                    grads = tape.gradient(objective, model.trainable_weights)
                    sgd.apply_gradients(list(zip(grads, model.trainable_weights)))
                    sum_of_losses += objective.numpy().item() * features.shape[0]
                    n_rows += features.shape[0]
        losses_per_epoch.append(sum_of_losses / n_rows)
    return losses_per_epoch
