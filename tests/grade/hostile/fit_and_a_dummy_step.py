import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    model.compile(keras.optimizers.SGD(learning_rate), keras.losses.BinaryCrossentropy())
    losses = model.fit(x, y, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0).history["loss"]
    optimizer = keras.optimizers.SGD(0.0)
    for _ in range(9):
        with tf.GradientTape() as tape:
            loss = model.loss(y, model(x, training=False))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return losses
