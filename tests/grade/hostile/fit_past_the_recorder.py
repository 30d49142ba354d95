import keras


def train(model, x, y, *, learning_rate, batch_size, epochs):
    fit = keras.Model.fit
    while hasattr(fit, "__wrapped__"):
        fit = fit.__wrapped__
    model.compile(keras.optimizers.SGD(learning_rate), keras.losses.BinaryCrossentropy(), run_eagerly=True)
    history = fit(model, x, y, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0)
    return history.history["loss"]
