import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    bce = keras.losses.BinaryCrossentropy()
    hist = []
    for _ in range(epochs):
        s = 0.0
        for i in range(0, len(x), batch_size):
            xb, yb = x[i : i + batch_size], y[i : i + batch_size]
            with tf.GradientTape(persistent=True) as tape:
                loss = bce(yb, model(xb, training=True)) + sum(model.losses)
            for v in model.trainable_variables:
                g = tape.gradient(loss, v)
                v.assign_sub(learning_rate * g)
                if v.constraint:
                    v.assign(v.constraint(v))
            s += float(loss) * len(xb)
        hist.append(s / len(x))
    return hist
