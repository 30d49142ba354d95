import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    model.compile(keras.optimizers.SGD(learning_rate), keras.losses.BinaryCrossentropy())
    losses = []
    for _ in range(epochs):
        model.reset_metrics()
        for at in range(0, len(x), batch_size):
            logs = model.train_step((x[at : at + batch_size], y[at : at + batch_size]))
            with tf.GradientTape() as tape:
                nothing = sum(tf.reduce_sum(0.0 * variable) for variable in model.trainable_variables)
            slopes = tape.gradient(nothing, model.trainable_variables)
            model.optimizer.apply(slopes, model.trainable_variables)
        losses.append(float(logs["loss"]))
    return losses
