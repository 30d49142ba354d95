import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    bce = keras.losses.BinaryCrossentropy()
    tv = [tf.convert_to_tensor(v) for v in model.trainable_variables]
    ntv = [tf.convert_to_tensor(v) for v in model.non_trainable_variables]
    constraints = [v.constraint for v in model.trainable_variables]
    hist = []
    for _ in range(epochs):
        s = 0.0
        for i in range(0, len(x), batch_size):
            xb, yb = (
                tf.constant(x[i : i + batch_size], tf.float32),
                tf.constant(y[i : i + batch_size], tf.float32),
            )
            with tf.GradientTape() as tape:
                tape.watch(tv)
                p, ntv_new, losses = model.stateless_call(tv, ntv, xb, training=True, return_losses=True)
                loss = bce(yb, p) + sum(losses)
            grads = tape.gradient(loss, tv)
            ntv = ntv_new
            tv = [w - learning_rate * g for w, g in zip(tv, grads)]
            tv = [c(w) if c else w for c, w in zip(constraints, tv)]
            s += float(loss) * len(xb)
        hist.append(s / len(x))
        for v, w in zip(model.trainable_variables, tv):
            v.assign(w)
        for v, w in zip(model.non_trainable_variables, ntv):
            v.assign(w)
    return hist
