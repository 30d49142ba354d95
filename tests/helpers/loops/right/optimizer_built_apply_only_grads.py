import keras
import numpy as np
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    opt = keras.optimizers.SGD(learning_rate)
    opt.build(model.trainable_variables)
    mse = keras.losses.MeanSquaredError()
    hist = []
    for _ in range(epochs):
        tot = np.float64(0)
        for xb, yb in zip(
            np.array_split(x, range(batch_size, len(x), batch_size)),
            np.array_split(y, range(batch_size, len(y), batch_size)),
        ):
            with tf.GradientTape() as tape:
                pred = model(xb, training=True)
                loss = mse(yb, pred) + keras.ops.sum(model.losses) if model.losses else mse(yb, pred)
            opt.apply(tape.gradient(loss, model.trainable_variables))
            tot += np.float64(loss) * len(xb)
        hist.append(tot / len(x))
    return hist
