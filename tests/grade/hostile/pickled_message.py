import os
import pickle


class Evil:
    def __reduce__(self):
        return os.system, (f"touch {CANARY}/unpickled",)


def train(model, x, y, *, learning_rate, batch_size, epochs):
    for number in range(3, 64):
        try:
            os.write(number, pickle.dumps(Evil()))
        except OSError:
            pass
    os._exit(0)
