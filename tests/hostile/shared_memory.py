import mmap


def train(model, x, y, *, learning_rate, batch_size, epochs):
    memory = mmap.mmap(-1, 900 << 20)
    for start in range(0, len(memory), 4096):
        memory[start] = 1
    raise ValueError("done")
