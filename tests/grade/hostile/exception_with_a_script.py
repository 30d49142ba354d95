class Wrong(Exception):
    def __str__(self):
        return "</pre><script>alert(1)</script>\x00\u202e\ud800 =cmd|' /C calc'!A0"


def train(model, x, y, *, learning_rate, batch_size, epochs):
    raise Wrong
