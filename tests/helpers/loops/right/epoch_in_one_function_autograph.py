import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    opt = keras.optimizers.SGD(learning_rate)
    opt.build(model.trainable_variables)
    bce = keras.losses.BinaryCrossentropy()
    ds = tf.data.Dataset.from_tensor_slices((x.astype("float32"), y.astype("float32"))).batch(batch_size)

    @tf.function
    def epoch():
        total = tf.constant(0.0)
        rows = tf.constant(0.0)
        for xb, yb in ds:
            with tf.GradientTape() as tape:
                loss = bce(yb, model(xb, training=True)) + sum(model.losses)
            opt.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            n = tf.cast(tf.shape(xb)[0], tf.float32)
            total += loss * n
            rows += n
        return total / rows

    return [epoch().numpy() for _ in range(epochs)]
