import socket
import urllib.request


def train(model, x, y, *, learning_rate, batch_size, epochs):
    for attempt in (
        lambda: socket.create_connection(("127.0.0.1", PORT), timeout=1),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", PORT)),
        lambda: urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=1),
    ):
        try:
            attempt()
            print("CONNECTED")
        except OSError:
            pass
    raise ValueError("done")
