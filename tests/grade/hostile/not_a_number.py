def train(model, x, y, *, learning_rate, batch_size, epochs):
    return [float("nan"), float("inf"), -float("inf")]
