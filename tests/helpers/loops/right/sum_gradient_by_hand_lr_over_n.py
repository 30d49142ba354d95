import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    hist = []
    for _ in range(epochs):
        total = 0.0
        for i in range(0, len(x), batch_size):
            xb, yb = x[i : i + batch_size], y[i : i + batch_size].astype("float32")
            n = len(xb)
            with tf.GradientTape() as tape:
                per_row = keras.losses.binary_crossentropy(yb, model(xb, training=True))
                loss_sum = tf.reduce_sum(per_row) + n * sum(model.losses)
            for v, g in zip(model.trainable_variables, tape.gradient(loss_sum, model.trainable_variables)):
                new = v - learning_rate / n * g
                v.assign(v.constraint(new) if v.constraint else new)
            total += float(loss_sum)
        hist.append(total / len(x))
    return hist
