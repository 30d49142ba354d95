"""What an epoch by `fit_by_hand` costs beside one by ``.fit``: ``python tests/benchmarks/loop.py``.

The two take turns, so that a machine that slows down for a while slows both down; the median of
the rounds' ratios is printed.
"""

import argparse
import statistics
import time

import keras

from companion import fit_by_hand, lesson3, lesson5

ROUNDS = 8
# By name: lesson, loss, batch size (None: all rows), epochs to time.
CASES = {
    "digits, 60,000 rows in batches of 32": (lesson5, "sparse_categorical_crossentropy", 32, 1),
    "diabetes, 576 rows in one batch": (lesson3, "binary_crossentropy", None, 100),
}


def fit(model, *data, **options):
    return model.fit(*data, **options)


class Clock(keras.callbacks.Callback):
    """Note when the first epoch has ended, which pays for the graph, and when the last one has."""

    def on_epoch_end(self, epoch, logs=None):
        self.ended = time.perf_counter()
        if epoch == 0:
            self.started = self.ended


def milliseconds_an_epoch(train, lesson, loss, batch_size, epochs):
    """Time the epochs after the first."""
    x, y = lesson.load_data()[:2]
    keras.utils.set_random_seed(0)
    model, clock = lesson.build_model(), Clock()
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss=loss, metrics=["accuracy"])
    train(model, x, y, batch_size=batch_size or len(x), epochs=1 + epochs, verbose=0, callbacks=[clock])
    return (clock.ended - clock.started) / epochs * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", default="", help="a word of the case; all unless told")
    options = parser.parse_args()
    for name, case in CASES.items():
        if options.only not in name:
            continue
        rounds = []
        for number in range(options.rounds):
            ways = (fit_by_hand, fit) if number % 2 else (fit, fit_by_hand)  # who begins, takes turns too
            times = {train: milliseconds_an_epoch(train, *case) for train in ways}
            rounds.append((times[fit_by_hand], times[fit]))
        by_hand, with_fit = (statistics.median(times) for times in zip(*rounds, strict=True))
        ratios = sorted(hand / other for hand, other in rounds)
        print(
            f"{name}: by hand {by_hand:.1f} ms an epoch, .fit {with_fit:.1f}; ratio "
            f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
