def train(model, x, y, *, learning_rate, batch_size, epochs):
    return ["0.5", "=1+1", "<script>alert(1)</script>"]
