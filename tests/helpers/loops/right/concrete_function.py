import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    opt = keras.optimizers.SGD(learning_rate)
    opt.build(model.trainable_variables)
    bce = keras.losses.BinaryCrossentropy()

    @tf.function
    def step(xb, yb):
        with tf.GradientTape() as tape:
            loss = bce(yb, model(xb, training=True)) + sum(model.losses)
        opt.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    fast = step.get_concrete_function(
        tf.TensorSpec([None, x.shape[1]], tf.float32), tf.TensorSpec([None, y.shape[1]], tf.float32)
    )
    hist = []
    for _ in range(epochs):
        s = 0.0
        for i in range(0, len(x), batch_size):
            xb, yb = (
                tf.constant(x[i : i + batch_size], "float32"),
                tf.constant(y[i : i + batch_size], "float32"),
            )
            s += float(fast(xb, yb)) * len(xb)
        hist.append(s / len(x))
    return hist
