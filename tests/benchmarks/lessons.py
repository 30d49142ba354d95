"""What the lessons cost, in ratios measured in one run: ``python tests/benchmarks/lessons.py``.

The ways of training take turns, so that a machine that slows down for a while slows all
of them down; the median of the rounds is printed. Whole commands likewise.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

from companion import lesson1, lesson2, lesson3, lesson4, lesson5
from companion.precision import precision
from companion.report.runs import fast

ROUNDS = 5
TEXTBOOK, FAST, BY_HAND, NUMPY = "train_with_fit", "fast fit", "train_by_hand", "train_with_numpy"
# By lesson: its precision, its batch size, and how many epochs to time each of its functions for.
LESSONS = {
    lesson1: ("float64", 4, {TEXTBOOK: 60, FAST: 600, BY_HAND: 600, NUMPY: 600}),
    lesson2: ("float64", 1, {TEXTBOOK: 60, FAST: 600, BY_HAND: 600, NUMPY: 600}),
    lesson3: ("float64", 576, {TEXTBOOK: 60, FAST: 600, BY_HAND: 600, NUMPY: 600}),
    lesson4: ("float32", 32, {TEXTBOOK: 40, FAST: 200, BY_HAND: 200}),
    lesson5: ("float32", 32, {TEXTBOOK: 2, FAST: 2, BY_HAND: 2}),
}
UNBUFFERED = {"PYTHONUNBUFFERED": "1"}
IMPORT = [sys.executable, "-c", "import tensorflow"]


def milliseconds_an_epoch(lesson, train, batch_size, epochs):
    """Time the epochs alone: many of them, less a training of one, which pays for the tracing."""
    x, y = lesson.load_data()
    seconds = []
    for count in (1, 1 + epochs):
        model = lesson.build_model()
        start = time.perf_counter()
        train(model, x, y, learning_rate=0.1, batch_size=batch_size, epochs=count)
        seconds.append(time.perf_counter() - start)
    return (seconds[1] - seconds[0]) / epochs * 1000


def seconds_of(words):
    """Return how long a command takes to its first line, to the verdict, and to its end."""
    start = time.perf_counter()
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | UNBUFFERED
    )
    first = verdict = None
    for line in process.stdout:
        now = time.perf_counter() - start
        first = first or (now if line.strip() else None)
        verdict = verdict or (now if line.startswith("by hand and .fit: ") else None)
    assert process.wait() == 0, words
    return first, verdict, time.perf_counter() - start


def spread(times, others):
    """Give the median, least and largest ratio of what was measured in the same round."""
    ratios = sorted(a / b for a, b in zip(times, others, strict=True))
    return f"{statistics.median(ratios):6.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", help="a lesson, such as lesson2; all unless told")
    options = parser.parse_args()
    for lesson, (dtype, batch_size, epochs) in LESSONS.items():
        name = lesson.__name__.split(".")[1]
        if options.only not in (None, name):
            continue
        times = {train: [] for train in epochs}
        with precision(dtype):
            milliseconds_an_epoch(lesson, lesson.train_by_hand, batch_size, 1)  # what only the first one pays
            for _ in range(options.rounds):
                for train, count in epochs.items():
                    way = fast(lesson.train_with_fit) if train == FAST else getattr(lesson, train)
                    times[train].append(milliseconds_an_epoch(lesson, way, batch_size, count))
        print(
            f"{'an epoch of ' + name:30} {'ms':>8}   times by hand (least to most of {options.rounds} rounds)"
        )
        for train, measured in times.items():
            print(f"{train:30} {statistics.median(measured):8.3f}   {spread(measured, times[BY_HAND])}")

        whole, bare = [], []
        for _ in range(options.rounds):
            whole.append(seconds_of([sys.executable, "-m", lesson.__name__]))
            bare.append(seconds_of(IMPORT)[2])
        print(f"'import tensorflow' {statistics.median(bare):.1f} s; the command, in times of it:")
        for what, seconds in zip(("first line", "verdict", "end"), zip(*whole, strict=True), strict=True):
            print(f"{what:30} {statistics.median(seconds):8.2f} s {spread(seconds, bare)}")
        print()


if __name__ == "__main__":
    main()
