import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    opt = keras.optimizers.SGD(learning_rate)
    bce = keras.losses.BinaryCrossentropy()
    baseline = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Dense(1, activation="sigmoid")])
    adam = keras.optimizers.Adam(1e-2)
    hist = []
    for _ in range(epochs):
        s = 0.0
        for i in range(0, len(x), batch_size):
            xb, yb = x[i : i + batch_size], y[i : i + batch_size]
            with tf.GradientTape() as tape:
                loss = bce(yb, model(xb, training=True)) + sum(model.losses)
            opt.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            with tf.GradientTape() as t2:
                other = bce(yb, baseline(xb, training=True))
            adam.apply(t2.gradient(other, baseline.trainable_variables), baseline.trainable_variables)
            s += float(loss) * len(xb)
        hist.append(s / len(x))
        print("baseline", float(other))
    return hist
