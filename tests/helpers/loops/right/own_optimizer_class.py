import keras
import tensorflow as tf


class MySGD(keras.optimizers.Optimizer):
    def __init__(self, learning_rate=0.01, **kw):
        super().__init__(learning_rate=learning_rate, **kw)

    def update_step(self, gradient, variable, learning_rate):
        variable.assign_sub(tf.cast(learning_rate, variable.dtype) * gradient)


def train(model, x, y, *, learning_rate, batch_size, epochs):
    opt = MySGD(learning_rate)
    bce = keras.losses.BinaryCrossentropy()
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
