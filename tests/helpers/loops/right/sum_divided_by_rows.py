import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    opt = keras.optimizers.SGD(learning_rate)
    bce = keras.losses.BinaryCrossentropy(reduction="sum")
    hist = []
    for _ in range(epochs):
        total = 0.0
        for i in range(0, len(x), batch_size):
            xb, yb = x[i : i + batch_size], y[i : i + batch_size]
            n = len(xb)
            with tf.GradientTape() as tape:
                loss_sum = bce(yb, model(xb, training=True)) + n * sum(model.losses)
            grads = [g / n for g in tape.gradient(loss_sum, model.trainable_variables)]
            opt.apply_gradients(zip(grads, model.trainable_variables))
            total += float(loss_sum)
        hist.append(total / len(x))
    return hist
