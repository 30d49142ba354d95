import keras
import numpy as np
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    from companion.batches import batches_of_fit

    opt = keras.optimizers.get({"class_name": "SGD", "config": {"learning_rate": learning_rate}})
    cce = keras.losses.SparseCategoricalCrossentropy(reduction="none")
    hist = []
    for _ in range(epochs):
        rows = []
        for xb, yb in batches_of_fit(x, y, batch_size, shuffle=True).as_numpy_iterator():
            with tf.GradientTape() as tape:
                each = cce(yb, model(xb, training=True))
                penalty = sum(model.losses)
                loss = tf.reduce_mean(each) + penalty
            opt.apply_gradients(
                zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            )
            rows.extend((each + penalty).numpy())
        hist.append(float(np.mean(rows)))
    return hist
