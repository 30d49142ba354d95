import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    opt = keras.optimizers.SGD(learning_rate)
    hist = []
    vs = model.trainable_variables
    for _ in range(epochs):
        s = 0.0
        for i in range(0, len(x), batch_size):
            xb, yb = (
                tf.constant(x[i : i + batch_size], tf.float32),
                tf.constant(y[i : i + batch_size], tf.float32),
            )
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                for v in vs:
                    tape.watch(v.value)
                loss = tf.reduce_mean(tf.square(yb - model(xb, training=True))) + sum(model.losses)
            opt.apply(tape.gradient(loss, [v.value for v in vs]), vs)
            s += float(loss) * len(xb)
        hist.append(s / len(x))
    return hist
