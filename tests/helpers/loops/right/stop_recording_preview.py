import keras
import numpy as np
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    opt = keras.optimizers.SGD(learning_rate)
    bce = keras.losses.BinaryCrossentropy()
    hist = []
    for _ in range(epochs):
        s = 0.0
        for i in range(0, len(x), batch_size):
            xb, yb = x[i : i + batch_size], y[i : i + batch_size]
            with tf.GradientTape() as tape:
                p = model(xb, training=True)
                with tape.stop_recording():
                    acc = np.mean((model(xb, training=False).numpy() > 0.5) == yb)
                loss = bce(yb, p) + sum(model.losses)
            opt.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            s += float(loss) * len(xb)
        hist.append(s / len(x))
    return hist
