import time


def train(model, x, y, *, learning_rate, batch_size, epochs):
    time.sleep(10**6)
