import mmap
import time


def train(model, x, y, *, learning_rate, batch_size, epochs):
    memory = mmap.mmap(-1, 900 << 20)
    for start in range(0, len(memory), 4096):
        memory[start] = 1
    time.sleep(3)  # so as to keep it for a while
    raise ValueError("done")
