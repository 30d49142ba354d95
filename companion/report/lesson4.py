"""``python -m companion.lesson4``: what lesson 4 reports."""

import functools
from collections.abc import Sequence
from typing import Any

import keras

from companion import lesson4
from companion.batches import order_of_fit
from companion.datasets import moons
from companion.plots import panels, plots
from companion.report import parts
from companion.report.options import open_report, parse_lesson, settings_of
from companion.report.rates import print_scan
from companion.report.result import Printed, Result
from companion.report.runs import Runs, histories_of
from companion.terminal.console import command
from companion.terminal.formats import count_of
from companion.terminal.lesson_list import LESSONS
from companion.terminal.progress import progress

TITLE = LESSONS["lesson4"].title
PAGE_SETTINGS = {"epochs": lesson4.EPOCHS}
SEEN_AT = (0.05, 0.3, 0.6, 1)  # of all epochs: what the picture shows of the network
SCANNED_RATES = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)


@command("python -m companion.lesson4")
def main(argv: Sequence[str] | None = None) -> int:
    """Train in two ways and report; return 0 if by hand and ``.fit`` agree bit for bit, else 1."""
    options = parse_lesson("lesson4", argv)
    if options.live:
        from companion.live.start import run_lesson  # another command, for those who ask for it

        return run_lesson("lesson4", options)
    (x, y), (x_test, y_test) = moons()
    settings = settings_of(options, lesson4.BATCH_SIZE)
    runs = Runs(lesson4.build_model, x, y, settings)
    out = open_report("lesson4", options)
    lead = parts.print_lead(out, runs, lesson4.train_by_hand, lesson4.train_with_fit, options)
    if options.brief:
        parts.print_guesses(out, "lesson4", options, runs)
        return lead.status

    facts = what_goes_in(len(x), len(x_test), settings)
    parts.print_what_goes_in(out, facts, lesson4.train_by_hand, lesson4.train_with_fit)
    trained, model = {"by_hand": lead.by_hand, "fit": lead.fit}, lead.by_hand.model
    parts.print_trainings(out, trained, options.dtype)
    right = parts.print_accuracy(out, model, {"train": (x, y), "test": (x_test, y_test)})
    with progress(not options.quiet):
        scan = runs.at_rates(lesson4.train_by_hand, SCANNED_RATES)
        start = runs.start_loss(lesson4.train_by_hand)
    print_scan(out, scan, start, runs.updates(), "The dial")
    printed = page_figures(runs)
    parts.print_page(out, "lesson4", printed, settings, PAGE_SETTINGS)
    parts.print_guesses(out, "lesson4", options, runs)

    result = Result(4, TITLE, settings, histories_of(trained), *lead[2:], right, scan, printed)
    seen = sorted({max(1, round(share * options.epochs)) for share in SEEN_AT})
    draw = [functools.partial(draw_answers, runs=runs, epochs=epochs) for epochs in seen]
    return parts.deliver(result, options, functools.partial(plots.draw_lesson, panels=draw))


def draw_answers(axes: Any, runs: Runs, epochs: int) -> None:
    """Draw what the network answers after some epochs by hand, everywhere around the points."""
    run = runs(lesson4.train_by_hand, epochs=epochs)
    title = f"After {count_of(epochs, 'epoch')}: loss {run.history[-1]:.3f}"
    panels.draw_boundary(axes, run.model.predict_on_batch, runs.x, runs.y, title)


def what_goes_in(rows: int, test_rows: int, settings: dict) -> list[tuple[str, str]]:
    """Return what is trained on what, in which order."""
    hidden, steps = settings["hidden"], -(-rows // settings["batch_size"])
    short = rows - (steps - 1) * settings["batch_size"]
    keras.utils.set_random_seed(settings["seed"])
    # Each new pipeline is an epoch to .fit: three of them show whether the order repeats.
    orders = [order_of_fit(rows) for _ in range(3)]
    again = "the same" if all((order == orders[0]).all() for order in orders) else "another"
    begins = ", ".join(str(row) for row in orders[0][:8])
    network = f"2 inputs, {hidden} hidden units (tanh), 1 output (sigmoid)"
    how = f"{parts.training_text(settings)} of {steps} batches"
    return [
        ("data", f"two half moons: {rows} points to train on, {test_rows} others to test on"),
        ("network", f"{network}: {4 * hidden + 1} parameters"),
        ("training", f"{how}, the last of {short} rows, {settings['dtype']}, seed {settings['seed']}"),
        ("order", f"shuffled: rows {begins}, ...; {again} in every epoch, under this seed"),
    ]


def page_figures(runs: Runs) -> list[Printed]:
    """Set what the lesson's page says of the dial, in words only, beside what this run gives."""
    if not PAGE_SETTINGS.items() <= runs.settings.items():
        return []
    ends = SCANNED_RATES[0], SCANNED_RATES[-1]
    slow, fast = (runs.behavior(lesson4.train_by_hand, learning_rate=rate) for rate in ends)
    return [
        Printed(f"too small a rate ({SCANNED_RATES[0]})", "crawls", slow, slow == "crawls"),
        Printed(f"too large a rate ({SCANNED_RATES[-1]})", "explodes", fast, fast == "blows up"),
    ]
