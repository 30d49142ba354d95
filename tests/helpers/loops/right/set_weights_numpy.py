import keras
import numpy as np
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    bce = keras.losses.BinaryCrossentropy()
    hist = []
    for _ in range(epochs):
        total = 0.0
        for i in range(0, len(x), batch_size):
            xb, yb = x[i : i + batch_size], y[i : i + batch_size]
            with tf.GradientTape() as tape:
                loss = bce(yb, model(xb, training=True)) + sum(model.losses)
            grads = [g.numpy() for g in tape.gradient(loss, model.trainable_variables)]
            new = {}
            for v, g in zip(model.trainable_variables, grads):
                w = v.numpy() - np.float32(learning_rate) * g
                new[v.path] = w if v.constraint is None else np.array(v.constraint(w))
            model.set_weights([new.get(w.path, w.numpy()) for w in model.weights])
            total += float(loss) * len(xb)
        hist.append(total / len(x))
    return hist
