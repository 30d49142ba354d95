"""What an epoch by `fit_by_hand` costs beside one by ``.fit``: ``python tests/benchmarks/loop.py``.

The two take turns, so that a machine that slows down for a while slows both down; the median of
the rounds' ratios is printed.
"""

import statistics
import time

import keras

from companion import fit_by_hand, lesson3, lesson5

ROUNDS = 7
# By name: lesson, loss, batch size (None: all rows), epochs to time.
CASES = {
    "digits, 60,000 rows in batches of 32": (lesson5, "sparse_categorical_crossentropy", 32, 1),
    "diabetes, 576 rows in one batch": (lesson3, "binary_crossentropy", None, 100),
}


def fit(model, *data, **options):
    return model.fit(*data, **options)


def milliseconds_an_epoch(train, lesson, loss, batch_size, epochs):
    """Time the epochs alone: many of them, less a training of one, which pays for the tracing."""
    x, y = lesson.load_data()[:2]
    seconds = []
    for count in (1, 1 + epochs):
        model = lesson.build_model()
        model.compile(optimizer=keras.optimizers.SGD(0.1), loss=loss, metrics=["accuracy"])
        keras.utils.set_random_seed(0)
        start = time.perf_counter()
        train(model, x, y, batch_size=batch_size or len(x), epochs=count, verbose=0)
        seconds.append(time.perf_counter() - start)
    return (seconds[1] - seconds[0]) / epochs * 1000


def main():
    for name, case in CASES.items():
        rounds = [
            [milliseconds_an_epoch(train, *case) for train in (fit_by_hand, fit)] for _ in range(ROUNDS)
        ]
        by_hand, with_fit = (statistics.median(times) for times in zip(*rounds, strict=True))
        ratios = sorted(hand / other for hand, other in rounds)
        print(
            f"{name}: by hand {by_hand:.1f} ms an epoch, .fit {with_fit:.1f}; ratio "
            f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
