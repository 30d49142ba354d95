import os
import time


def train(model, x, y, *, learning_rate, batch_size, epochs):
    kept = []
    for number in range(60):
        kept.append(open(f"file{number}", "wb", buffering=0))
        os.remove(f"file{number}")
        kept[-1].write(bytes(3 << 20))
    time.sleep(3)  # so as to keep them for a while
    print("DONE")
    raise ValueError("done")
