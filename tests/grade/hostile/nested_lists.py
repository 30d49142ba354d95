def train(model, x, y, *, learning_rate, batch_size, epochs):
    nested = []
    for _ in range(100_000):
        nested = [nested]
    return [nested] * epochs
