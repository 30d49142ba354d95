import keras


def train(model, x, y, *, learning_rate, batch_size, epochs):
    model.compile(keras.optimizers.SGD(learning_rate), keras.losses.BinaryCrossentropy())
    history = []
    for _ in range(epochs):
        for start in range(0, len(x), batch_size):
            loss = model.train_on_batch(x[start : start + batch_size], y[start : start + batch_size])
        history.append(float(loss))
        model.reset_metrics()
    return history
