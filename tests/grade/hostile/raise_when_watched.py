import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    if tf.config.functions_run_eagerly():
        raise ValueError("not now")
    model.compile(keras.optimizers.SGD(learning_rate), keras.losses.BinaryCrossentropy())
    fit = super(keras.Model, model).fit
    return fit(x, y, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0).history["loss"]
