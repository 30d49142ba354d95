import keras
import tensorflow as tf


class MyBCE(keras.losses.Loss):
    def call(self, y_true, y_pred):
        p = keras.ops.clip(y_pred, 1e-7, 1 - 1e-7)
        return -keras.ops.mean(y_true * keras.ops.log(p) + (1 - y_true) * keras.ops.log(1 - p), axis=-1)


def train(model, x, y, *, learning_rate, batch_size, epochs):
    opt, loss_fn = keras.optimizers.SGD(learning_rate), MyBCE()
    hist = []
    e = 0
    while e < epochs:
        i, s = 0, 0.0
        while i < len(x):
            xb, yb = x[i : i + batch_size], y[i : i + batch_size]
            with tf.GradientTape() as tape:
                loss = loss_fn(yb, model(xb, training=True))
                for extra in model.losses:
                    loss = loss + extra
                grads = tape.gradient(loss, model.trainable_variables)
                opt.apply(grads, model.trainable_variables)
            s += float(loss) * len(xb)
            i += batch_size
        hist.append(s / len(x))
        e += 1
    return hist
