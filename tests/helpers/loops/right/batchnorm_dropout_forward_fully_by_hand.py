import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    # no layer is called at all where a Dense is written out by hand
    opt = keras.optimizers.SGD(learning_rate)

    def forward(h):
        for l in model.layers:
            if isinstance(l, keras.layers.Dense):
                h = l.activation(tf.matmul(h, l.kernel) + l.bias)
            else:
                h = l(h, training=True)
        return h

    def penalty():
        return sum(
            l.kernel_regularizer(l.kernel) for l in model.layers if getattr(l, "kernel_regularizer", None)
        )

    x = tf.constant(x, tf.float32)
    y = tf.constant(y, tf.float32)
    hist = []
    for _ in range(epochs):
        s = 0.0
        for i in range(0, len(x), batch_size):
            xb, yb = x[i : i + batch_size], y[i : i + batch_size]
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(keras.losses.binary_crossentropy(yb, forward(xb))) + penalty()
            opt.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            s += float(loss) * len(xb)
        hist.append(s / len(x))
    return hist
