import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    opt = keras.optimizers.SGD(learning_rate)
    mse = keras.losses.mean_squared_error

    def go(rest_x, rest_y):
        if len(rest_x) == 0:
            return 0.0
        xb, yb = rest_x[:batch_size], rest_y[:batch_size]
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(mse(tf.cast(yb, tf.float32), model(xb, training=True))) + sum(model.losses)
        opt.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return float(loss) * len(xb) + go(rest_x[batch_size:], rest_y[batch_size:])

    def epochs_left(n):
        return [] if n == 0 else [go(x, y) / len(x)] + epochs_left(n - 1)

    return epochs_left(epochs)
