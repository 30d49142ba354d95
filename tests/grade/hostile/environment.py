def train(model, x, y, *, learning_rate, batch_size, epochs):
    if b"SECRET=" in open("/proc/self/environ", "rb").read():
        print("READ it")
    raise ValueError("done")
