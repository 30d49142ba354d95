"""``python -m companion.lesson3``: what lesson 3 reports."""

from collections.abc import Sequence

import keras
import numpy as np

from companion import lesson3
from companion.comparison.history import Comparison
from companion.datasets import diabetes
from companion.report import parts
from companion.report.options import open_report, parse_lesson, settings_of
from companion.report.rates import print_rounding, print_scan
from companion.report.result import Printed, Result, as_printed
from companion.report.runs import Runs, accuracy, compare, fast, histories_of
from companion.terminal.console import command
from companion.terminal.lesson_list import LESSONS
from companion.terminal.progress import progress

TITLE = LESSONS["lesson3"].title
SCANNED_RATES = (0.01, 0.1, 1.0)
ROUNDING_EPOCHS = 600  # at rate 1.0 float32 leaves the path of float64 before that
PAGE_SETTINGS = {"epochs": lesson3.EPOCHS, "hidden": lesson3.HIDDEN, "seed": 0, "dtype": "float64"}


@command("python -m companion.lesson3")
def main(argv: Sequence[str] | None = None) -> int:
    """Train in three ways and report; return 0 if by hand and ``.fit`` agree bit for bit, else 1."""
    options = parse_lesson("lesson3", argv)
    if options.live:
        from companion.live.start import run_lesson  # another command, for those who ask for it

        return run_lesson("lesson3", options)
    (x, y), (x_test, y_test) = diabetes()
    settings = settings_of(options, batch_size=len(x))
    runs = Runs(lesson3.build_model, x, y, settings)
    out = open_report("lesson3", options)
    lead = parts.print_lead(out, runs, lesson3.train_by_hand, lesson3.train_with_fit, options)
    if options.brief:
        parts.print_guesses(out, "lesson3", options, runs)
        return lead.status

    facts = what_goes_in(y, y_test, settings)
    parts.print_what_goes_in(out, facts, lesson3.train_by_hand, lesson3.train_with_fit)
    with progress(not options.quiet):
        trained = {"numpy": runs(lesson3.train_with_numpy), "by_hand": lead.by_hand, "fit": lead.fit}
    parts.print_trainings(out, trained, options.dtype)
    right = parts.print_accuracy(out, lead.by_hand.model, {"train": (x, y), "test": (x_test, y_test)})
    with progress(not options.quiet):
        scan = runs.at_rates(lesson3.train_by_hand, SCANNED_RATES)
        few = min(ROUNDING_EPOCHS, options.epochs)
        slow, too_fast = ({"learning_rate": rate, "dtype": "float32"} for rate in SCANNED_RATES[1:])
        in_numpy, by_hand = (runs(t, **too_fast) for t in (lesson3.train_with_numpy, lesson3.train_by_hand))
        with_fit = runs(fast(lesson3.train_with_fit), epochs=few, **too_fast).history
        in_float32 = [
            compare(in_numpy, by_hand, "float32"),
            Comparison(by_hand.history[:few], with_fit, dtype="float32"),
        ]
        narrow = runs(lesson3.train_by_hand, epochs=few, **slow).history, by_hand.history[:few]
        wide = [
            runs(lesson3.train_by_hand, learning_rate=rate, dtype="float64").history[:few]
            for rate in SCANNED_RATES[1:]
        ]
        in_both = dict(zip(SCANNED_RATES[1:], zip(wide, narrow, strict=True), strict=True))
        printed = page_figures(runs, x_test, y_test, options.exercises)
    print_scan(out, scan, runs.start_loss(lesson3.train_by_hand), runs.updates())
    print_rounding(out, in_both, *in_float32)
    parts.print_page(out, "lesson3", printed, settings, PAGE_SETTINGS)
    parts.print_guesses(out, "lesson3", options, runs)

    return parts.deliver(
        Result(3, TITLE, settings, histories_of(trained), *lead[2:], right, scan, printed),
        options,
    )


def what_goes_in(y: np.ndarray, y_test: np.ndarray, settings: dict) -> list[tuple[str, str]]:
    """Return what is trained on what."""
    rows, ill, hidden = len(y) + len(y_test), int(y.sum() + y_test.sum()), settings["hidden"]
    shares = f"{y.mean():.1%}", f"{y_test.mean():.1%}"
    how = f"{parts.training_text(settings)} of one batch of all "
    network = f"8 inputs, {hidden} hidden units (ReLU), 1 output (sigmoid)"
    return [
        ("data", f"{rows} patients, 8 measurements of each; {rows - ill} without diabetes, {ill} with it"),
        ("split", f"{len(y)} to train on ({shares[0]} with it), {len(y_test)} to test on ({shares[1]})"),
        ("network", f"{network}: {(8 + 1) * hidden + (hidden + 1)} parameters"),
        ("training", f"{how}{len(y)} rows, {settings['dtype']}, seed {settings['seed']}"),
    ]


def page_figures(runs: Runs, x_test: np.ndarray, y_test: np.ndarray, exercises: bool) -> list[Printed]:
    """Set what the lesson's page prints beside what this run gives.

    Losses and accuracies only where the run has the page's settings: a figure for 5
    epochs says nothing about one for 2000. "A little" and "barely" mean within 0.01.
    """
    y, loss = np.concatenate([runs.y, y_test]), keras.losses.BinaryCrossentropy()
    printed = [
        as_printed("patients", "768", len(y)),
        as_printed("patients without diabetes", "500", int(np.sum(y == 0))),
        as_printed("patients with diabetes", "268", int(np.sum(y == 1))),
        as_printed("patients to train on", "576", len(runs.y)),
        as_printed("patients to test on", "192", len(y_test)),
        as_printed("loss of 0.99 where 1 is true", "0.0101", float(loss([[1.0]], [[0.99]]))),
        as_printed("loss of 0.01 where 1 is true", "4.6052", float(loss([[1.0]], [[0.01]]))),
    ]
    if not PAGE_SETTINGS.items() <= runs.settings.items():
        return printed
    at = {rate: runs(lesson3.train_by_hand, learning_rate=rate) for rate in SCANNED_RATES}
    for rate, figure in zip(SCANNED_RATES, ("0.5793", "0.4323", "0.6014"), strict=True):
        printed.append(as_printed(f"final loss at rate {rate}", figure, at[rate].history[-1]))
    best = min(SCANNED_RATES, key=lambda rate: at[rate].history[-1])
    test_accuracy = accuracy(at[0.1].model, x_test, y_test)
    printed += [
        as_printed("rate with the lowest final loss", "0.1", best),
        as_printed("train accuracy at rate 0.1", "0.807", accuracy(at[0.1].model, runs.x, runs.y)),
        as_printed("test accuracy at rate 0.1", "0.750", test_accuracy),
    ]
    if exercises:
        printed.append(
            as_printed("exercise 1: loss of 0.2 where 0 is true", "0.2231", float(loss([[0.0]], [[0.2]])))
        )
        for rate in (0.05, 0.1, 0.3):
            final = runs(lesson3.train_by_hand, learning_rate=rate).history[-1]
            printed.append(Printed(f"exercise 2: final loss at rate {rate}", None, final))
        longer = runs(lesson3.train_by_hand, learning_rate=0.1, epochs=5000)
        final, accurate = longer.history[-1], accuracy(longer.model, x_test, y_test)
        little, barely = 0 < 0.4323 - final < 0.01, abs(accurate - test_accuracy) < 0.01
        printed.append(Printed("exercise 3: loss after 5000 epochs", "a little below 0.4323", final, little))
        printed.append(Printed("exercise 3: test accuracy then", "barely moves", accurate, barely))
    return printed
