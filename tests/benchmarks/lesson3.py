"""What lesson 3 costs, in ratios measured in one run: ``python tests/benchmarks/lesson3.py``.

The ways of training take turns, so that a machine that slows down for a while slows all
of them down; the median of the rounds is printed. Whole commands likewise.
"""

import statistics
import subprocess
import sys
import time

from companion import lesson3
from companion.precision import precision

ROUNDS = 5
EPOCHS = {
    lesson3.train_with_textbook_fit: 60,
    lesson3.train_with_fit: 600,
    lesson3.train_by_hand: 600,
    lesson3.train_with_numpy: 600,
}
COMMANDS = {
    "python -m companion.lesson3": [sys.executable, "-m", "companion.lesson3"],
    'python -c "import tensorflow"': [sys.executable, "-c", "import tensorflow"],
}


def milliseconds_an_epoch(train, x, y, epochs):
    """Time the epochs alone: many of them, less a training of one, which pays for the tracing."""
    seconds = []
    for count in (1, 1 + epochs):
        model = lesson3.build_model()
        start = time.perf_counter()
        train(model, x, y, learning_rate=0.1, batch_size=len(x), epochs=count)
        seconds.append(time.perf_counter() - start)
    return (seconds[1] - seconds[0]) / epochs * 1000


def seconds_of(words):
    start = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True)
    return time.perf_counter() - start


def main():
    x, y = lesson3.load_data()
    epochs = {train: [] for train in EPOCHS}
    with precision("float64"):
        for _ in range(ROUNDS):
            for train, count in EPOCHS.items():
                epochs[train].append(milliseconds_an_epoch(train, x, y, count))
    by_hand = epochs[lesson3.train_by_hand]
    print(f"{'one epoch of lesson 3':32} {'ms':>8}   times by hand (least to most of {ROUNDS} rounds)")
    for train, times in epochs.items():
        ratios = sorted(time / hand for time, hand in zip(times, by_hand, strict=True))
        spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"{train.__name__:32} {statistics.median(times):8.3f}   {spread}")

    commands = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, words in COMMANDS.items():
            commands[name].append(seconds_of(words))
    whole, bare = commands.values()
    ratios = sorted(a / b for a, b in zip(whole, bare, strict=True))
    print()
    for name, times in commands.items():
        print(f"{name:32} {statistics.median(times):8.1f} s")
    print(f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
