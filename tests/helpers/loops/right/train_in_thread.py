from concurrent.futures import ThreadPoolExecutor

import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    opt = keras.optimizers.SGD(learning_rate)
    bce = keras.losses.BinaryCrossentropy()

    def work():
        hist = []
        for _ in range(epochs):
            s = 0.0
            for i in range(0, len(x), batch_size):
                xb, yb = x[i : i + batch_size], y[i : i + batch_size]
                with tf.GradientTape() as tape:
                    loss = bce(yb, model(xb, training=True)) + sum(model.losses)
                opt.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
                s += float(loss) * len(xb)
            hist.append(s / len(x))
        return hist

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()
