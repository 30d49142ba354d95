import keras
import numpy as np
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    model.compile(loss="binary_crossentropy", metrics=["accuracy"])
    opt = keras.optimizers.SGD(learning_rate)
    bce = keras.losses.BinaryCrossentropy()
    hist, accs = [], []
    print("before", model.evaluate(x, y, verbose=0))
    for _ in range(epochs):
        s = 0.0
        for i in range(0, len(x), batch_size):
            xb, yb = x[i : i + batch_size], y[i : i + batch_size]
            with tf.GradientTape() as tape:
                p = model(xb, training=True)
                loss = bce(yb, p) + sum(model.losses)
            opt.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            s += float(loss) * len(xb)
            accs.append(np.mean((model(xb, training=False).numpy() > 0.5) == (yb > 0.5)))
        hist.append(s / len(x))
        print("evaluate", model.evaluate(x, y, verbose=0), "predict", model.predict(x, verbose=0)[:2])
    return hist
