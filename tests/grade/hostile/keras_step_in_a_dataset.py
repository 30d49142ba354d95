import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    model.compile(keras.optimizers.SGD(learning_rate), keras.losses.BinaryCrossentropy())
    model.optimizer.build(model.trainable_variables)
    model._symbolic_build(data_batch=(x[:batch_size], y[:batch_size]))
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size)
    data = data.map(lambda a, b: model.train_step((a, b))["loss"])
    losses = []
    for _ in range(epochs):
        model.reset_metrics()
        losses.append(float(list(data)[-1]))
    return losses
