import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    bce = keras.losses.BinaryCrossentropy(reduction="none")
    hist = []
    for _ in range(epochs):
        s = 0.0
        for i in range(0, len(x), batch_size):
            xb, yb = x[i : i + batch_size], y[i : i + batch_size]
            n = len(xb)
            with tf.GradientTape() as tape:
                each = bce(yb, model(xb, training=True)) + sum(model.losses)
            grads = tape.gradient(
                each, model.trainable_variables, output_gradients=tf.fill([n], -learning_rate / n)
            )
            for v, g in zip(model.trainable_variables, grads):
                v.assign_add(g)
                if v.constraint:
                    v.assign(v.constraint(v))
            s += float(tf.reduce_sum(each))
        hist.append(s / len(x))
    return hist
