import keras


def train(model, x, y, *, learning_rate, batch_size, epochs):
    model.compile(keras.optimizers.SGD(learning_rate), keras.losses.BinaryCrossentropy())
    history = model.fit(x, y, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0)
    return history.history["loss"]
