"""``python -m companion.lesson5``: what lesson 5 reports."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from companion import lesson5
from companion.batches import batches_of_fit
from companion.comparison.history import Comparison
from companion.datasets import digits
from companion.plots import panels, plots
from companion.precision import precision
from companion.report import parts
from companion.report.landscape import (
    LandscapePoint,
    Survey,
    WeightHistory,
    look_along,
    mean_batch_length,
    print_lengths,
    print_slice,
    step_down,
)
from companion.report.options import open_report, parse_lesson, settings_of
from companion.report.rates import print_scan
from companion.report.result import Printed, Result, as_printed
from companion.report.runs import Runs, fast, histories_of
from companion.terminal.console import command
from companion.terminal.lesson_list import LESSONS
from companion.terminal.progress import progress

TITLE = LESSONS["lesson5"].title
SCANNED_RATES = (0.1, 1.0)
PAGE_SETTINGS = {"hidden": lesson5.HIDDEN}
FEW_ROWS = 1600  # 50 batches: the textbook call takes as long for all 60,000 as TensorFlow's import
DRAWN = 20  # test images


@command("python -m companion.lesson5")
def main(argv: Sequence[str] | None = None) -> int:
    """Train in two ways and report; return 0 if by hand and ``.fit`` agree bit for bit, else 1."""
    options = parse_lesson("lesson5", argv)
    if options.live:
        from companion.live.start import run_lesson  # another command, for those who ask for it

        return run_lesson("lesson5", options)
    (x, y), (x_test, y_test) = digits()
    settings = settings_of(options, lesson5.BATCH_SIZE)
    runs, rate, dtype = Runs(lesson5.build_model, x, y, settings), options.learning_rate, options.dtype
    out = open_report("lesson5", options)
    kept = WeightHistory()
    both = lesson5.train_by_hand, lesson5.train_with_fit
    of_all = {"textbook_epochs": options.epochs, "textbook_rows": FEW_ROWS, "callbacks": [kept]}
    lead = parts.print_lead(out, runs, *both, options, **of_all)
    if options.brief:
        parts.print_guesses(out, "lesson5", options, runs)
        return lead.status

    facts = what_goes_in(len(x), len(x_test), settings)
    parts.print_what_goes_in(out, facts, lesson5.train_by_hand, lesson5.train_with_fit)
    with precision(dtype):
        model, loss_function = (
            lesson5.build_model(options.seed, options.hidden),
            keras.losses.SparseCategoricalCrossentropy(),
        )
        start, survey = model.get_weights(), Survey(model, loss_function, x, y)
        one_weight = look_along(survey, start, rate)
    print_slice(out, *one_weight, rate)
    trained = {"by_hand": lead.by_hand, "fit": lead.fit}
    parts.print_trainings(out, trained, dtype)
    of_fit = lead.fit.model.history.history["accuracy"]
    accuracies = {"by_hand": list(lead.by_hand.model.accuracies), "fit": of_fit}
    same_accuracy = Comparison(accuracies["by_hand"], accuracies["fit"], dtype=dtype)
    out.heading("   The accuracy of each epoch, measured in the same way")
    parts.print_side_by_side(out, accuracies)
    parts.print_verdict(out, same_accuracy, "the accuracy by hand and by .fit")
    model = lead.by_hand.model
    right = parts.print_accuracy(out, model, {"train": (x, y), "test": (x_test, y_test)})
    by_fit = fast(lesson5.train_with_fit, kept)
    runs(by_fit)  # over already, but with --textbook-fit
    with precision(dtype):
        places = [survey.place(weights) for weights in (start, *kept.weights)]
        steps = [survey.loss(step_down(place, rate)) for place in places]
        few = batches_of_fit(x[:FEW_ROWS], y[:FEW_ROWS], lesson5.BATCH_SIZE, shuffle=False)
        batch_length = mean_batch_length(model, loss_function, few)
    print_lengths(out, places, steps, batch_length, rate, dtype)
    with progress(not options.quiet):
        by_fit = fast(lesson5.train_with_fit)  # the faster of the two
        others = {r: runs(by_fit, learning_rate=r).history for r in SCANNED_RATES if r != rate}
    scan = dict(sorted(({rate: lead.fit.history} | others).items()))
    print_scan(out, scan, places[0].loss, runs.updates())
    printed = page_figures(model, one_weight[2], places, settings)
    parts.print_page(out, "lesson5", printed, settings, PAGE_SETTINGS)
    parts.print_guesses(out, "lesson5", options, runs)

    result = Result(
        5,
        TITLE,
        settings,
        histories_of(trained),
        *lead[2:],
        right,
        scan,
        printed,
        {"accuracy": same_accuracy},
    )
    name, line, step = one_weight
    draw = [
        functools.partial(draw_some_digits, model=model, x=x_test, y=y_test),
        functools.partial(panels.draw_slice, name=name, line=line, step=step),
        functools.partial(panels.draw_accuracies, accuracies=accuracies),
    ]
    return parts.deliver(result, options, functools.partial(plots.draw_lesson, panels=draw))


def what_goes_in(rows: int, test_rows: int, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is trained on what."""
    hidden, steps = settings["hidden"], -(-rows // settings["batch_size"])
    network = f"784 inputs, {hidden} and {hidden} hidden units (ReLU), 10 outputs (softmax)"
    parameters = 785 * hidden + (hidden + 1) * hidden + (hidden + 1) * 10
    how = f"{parts.training_text(settings)} of {steps} batches of"
    return [
        ("data", f"images of digits, 28 by 28: {rows} to train on, {test_rows} others to test on"),
        ("network", f"{network}: {parameters:,} parameters"),
        (
            "training",
            f"{how} {settings['batch_size']}, shuffled, {settings['dtype']}, seed {settings['seed']}",
        ),
    ]


def draw_some_digits(axes: Any, model: keras.Model, x: np.ndarray, y: np.ndarray) -> None:
    """Draw the first test images and, below them, the first that the network gets wrong."""
    answers = model(x).numpy().argmax(axis=1)
    chosen = np.concatenate([np.arange(DRAWN), np.flatnonzero(answers != y)[:DRAWN]])
    chosen = chosen[: len(chosen) // 10 * 10]
    panels.draw_digits(axes, x[chosen].reshape(-1, 28, 28), answers[chosen], y[chosen])


def page_figures(
    model: keras.Model,
    step: Mapping[str, float],
    places: Sequence[LandscapePoint],
    settings: Mapping[str, Any],
) -> list[Printed]:
    """Set what the page says beside what this run gives."""
    if not PAGE_SETTINGS.items() <= settings.items():
        return []
    change = step["new_loss"] - step["loss"]
    share = float(np.linalg.norm(places[-1].gradient) / np.linalg.norm(places[0].gradient))
    length = f"{share:.0%} of the start" if np.isfinite(share) else "not finite"
    return [
        as_printed("inputs", "784", model.input_shape[1]),
        as_printed("answers", "10", model.output_shape[1]),
        as_printed("parameters", "13002", model.count_params()),
        as_printed("weights of the first neuron", "784", model.layers[0].kernel.shape[0]),
        Printed("a step against the slope", "lowers the cost", f"{change:+.2g}", change < 0),
        Printed("gradient when training ends", "very small", length, share < 0.01),
    ]
