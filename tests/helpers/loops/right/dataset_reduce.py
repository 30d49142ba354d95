import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    opt = keras.optimizers.SGD(learning_rate)
    opt.build(model.trainable_variables)
    bce = keras.losses.BinaryCrossentropy()
    ds = tf.data.Dataset.from_tensor_slices((x.astype("float32"), y.astype("float32"))).batch(batch_size)

    def step(total, batch):
        xb, yb = batch
        with tf.GradientTape() as tape:
            loss = bce(yb, model(xb, training=True)) + sum(model.losses)
        opt.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return total + loss * tf.cast(tf.shape(xb)[0], tf.float32)

    return [float(ds.reduce(0.0, step)) / len(x) for _ in range(epochs)]
