import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    from companion.batches import order_of_fit

    order = order_of_fit(len(x))
    x, y = x[order], y[order]
    opt = keras.optimizers.SGD(learning_rate)
    opt.build(model.trainable_variables)
    scce = keras.losses.SparseCategoricalCrossentropy()

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, x.shape[1]], tf.float32),
            tf.TensorSpec([None, *y.shape[1:]], tf.int32),
        ]
    )
    def step(xb, yb):
        with tf.GradientTape() as tape:
            loss = scce(yb, model(xb, training=True))
            loss += sum(model.losses)
        opt.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    xt, yt = tf.constant(x, tf.float32), tf.constant(y.astype("int32"))
    hist = []
    for e in range(epochs):
        s = 0.0
        for i in range(0, len(x), batch_size):
            n = min(batch_size, len(x) - i)
            s += float(step(xt[i : i + n], yt[i : i + n])) * n
        hist.append(s / len(x))
    return hist
