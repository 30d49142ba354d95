"""A loop in the style of Keras' guide: a compiled step, a Dataset, objects of Keras' classes."""

import keras
import numpy as np
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    optimizer = keras.optimizers.SGD(learning_rate)
    loss_function = keras.losses.BinaryCrossentropy()
    mean = keras.metrics.Mean()
    data = tf.data.Dataset.from_tensor_slices((x, y))
    data = data.batch(batch_size)

    @tf.function(reduce_retracing=True)
    def step(xb, yb):
        with tf.GradientTape() as tape:
            y_pred = model(xb, training=True)
            loss = loss_function(yb, y_pred)
            total = loss + sum(model.losses)
        variables = model.trainable_variables
        gradients = tape.gradient(total, variables)
        optimizer.apply_gradients(zip(gradients, variables))
        mean.update_state(total, sample_weight=tf.shape(xb)[0])

    history = []
    for _epoch in range(epochs):
        mean.reset_state()
        for xb, yb in data:
            step(xb, yb)
        history.append(float(mean.result()))
    return history
