import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    hist = []
    for _ in range(epochs):
        s = 0.0
        for i in range(0, len(x), batch_size):
            xb, yb = x[i : i + batch_size], y[i : i + batch_size]
            with tf.GradientTape() as tape:
                loss = keras.losses.MeanSquaredError()(yb, model(xb, training=True)) + sum(model.losses)
            for v, g in zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables)):
                tf.raw_ops.ResourceApplyGradientDescent(var=v.value.handle, alpha=learning_rate, delta=g)
                if v.constraint:
                    v.assign(v.constraint(v))
            s += float(loss) * len(xb)
        hist.append(s / len(x))
    return hist
