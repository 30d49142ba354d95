import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    opt = keras.optimizers.SGD(learning_rate)
    opt.build(model.trainable_variables)
    bce = keras.losses.BinaryCrossentropy()
    x = tf.constant(x, tf.float32)
    y = tf.constant(y, tf.float32)
    n = len(x)

    @tf.function
    def run(epochs):
        ta = tf.TensorArray(tf.float32, size=epochs)
        for e in tf.range(epochs):
            total = 0.0
            for i in tf.range(0, n, batch_size):
                j = tf.minimum(i + batch_size, n)
                xb, yb = x[i:j], y[i:j]
                with tf.GradientTape() as tape:
                    loss = bce(yb, model(xb, training=True)) + sum(model.losses)
                opt.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
                total += loss * tf.cast(j - i, tf.float32)
            ta = ta.write(e, total / n)
        return ta.stack()

    return run(tf.constant(epochs)).numpy().tolist()
