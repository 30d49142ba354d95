"""``python -m companion.lesson2``: what lesson 2 reports."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from companion import lesson2
from companion.plots import panels, plots
from companion.precision import precision
from companion.report import parts, trace
from companion.report.landscape import flat, names_of
from companion.report.options import open_report, parse_lesson, settings_of
from companion.report.rates import print_scan
from companion.report.result import Printed, Result, as_printed
from companion.report.runs import Runs, accuracy, compare, fast, histories_of
from companion.terminal.console import command
from companion.terminal.lesson_list import LESSONS
from companion.terminal.progress import progress

TITLE = LESSONS["lesson2"].title
SCANNED_RATES = (0.001, 0.1, 1.0, 10.0)
PAGE_SETTINGS = {"epochs": lesson2.EPOCHS, "hidden": lesson2.HIDDEN, "seed": 0}
PREDICTION = "0.1", "-0.1", "-0.05", "-0.25"


@command("python -m companion.lesson2")
def main(argv: Sequence[str] | None = None) -> int:
    """Train in three ways and report; return 0 if by hand and ``.fit`` agree bit for bit, else 1."""
    options = parse_lesson("lesson2", argv)
    if options.live:
        from companion.live.start import run_lesson  # another command, for those who ask for it

        return run_lesson("lesson2", options)
    (x, y), (all_x, all_y) = lesson2.load_data(), lesson2.load_all_images()
    settings = settings_of(options, batch_size=len(x))
    runs, all_runs = (
        Runs(lesson2.build_model, x, y, settings),
        Runs(lesson2.build_model, all_x, all_y, settings | {"batch_size": 16}),
    )
    out = open_report("lesson2", options)
    lead = parts.print_lead(out, runs, lesson2.train_by_hand, lesson2.train_with_fit, options)
    if options.brief:
        parts.print_guesses(out, "lesson2", options, runs)
        return lead.status

    parts.print_what_goes_in(out, what_goes_in(settings), lesson2.train_by_hand, lesson2.train_with_fit)
    with precision(options.dtype):
        start = lesson2.build_model(options.seed, options.hidden)
        weights = start.get_weights()
        trace.print_forward(out, weights, x, y)
        gradients = trace.print_gradients(out, start, x, y)
        updated = runs(lesson2.train_by_hand, epochs=1).model.get_weights()
        trace.print_update(out, weights, gradients, updated, x, y, options.learning_rate)
    with progress(not options.quiet):
        trained = {"numpy": runs(lesson2.train_with_numpy), "by_hand": lead.by_hand, "fit": lead.fit}
        fit = lesson2.train_with_fit if options.textbook_fit else fast(lesson2.train_with_fit)
        on_all = {"by_hand": all_runs(lesson2.train_by_hand), "fit": all_runs(fit)}
        scan = runs.at_rates(lesson2.train_by_hand, SCANNED_RATES)
    parts.print_trainings(out, trained, options.dtype)
    model, others = lead.by_hand.model, (all_x != x).any(axis=1)
    sets = {"train": (x, y), "test": (all_x[others], all_y[others])}
    right = parts.print_accuracy(out, model, sets)
    out.part("All 16 images, in one batch")
    all_comparison = compare(on_all["by_hand"], on_all["fit"], options.dtype)
    parts.print_side_by_side(out, histories_of(on_all))
    parts.print_verdict(out, all_comparison)
    all_model = on_all["by_hand"].model
    right["all_images_accuracy"] = accuracy(all_model, all_x, all_y)
    out.print(f"right on {right['all_images_accuracy']:.1%} of all pixels")
    states = {"at the\nstart": weights, "after this\nimage": model.get_weights()}
    trace.print_units(out, states | {"after\nall 16": all_model.get_weights()}, x, all_x)
    with precision(options.dtype):
        trace.print_corner(out, start, x, y)
    print_scan(out, scan, runs.start_loss(lesson2.train_by_hand), runs.updates())
    printed = page_figures(weights, runs)
    parts.print_page(out, "lesson2", printed, settings, PAGE_SETTINGS)
    parts.print_guesses(out, "lesson2", options, runs)

    both = {"all_images": all_comparison}
    result = Result(2, TITLE, settings, histories_of(trained), *lead[2:], right, scan, printed, both)
    names, slopes = names_of(weights), flat(gradients)
    first = functools.partial(panels.draw_gradient, names=names, slopes=slopes)
    return parts.deliver(result, options, functools.partial(plots.draw_lesson, panels=[first]))


def what_goes_in(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is trained on what."""
    hidden, weights = settings["hidden"], "drawn by NumPy"
    if (settings["seed"], hidden) == (0, lesson2.HIDDEN):
        weights = "the page's; the first two rows of W2, which it does not determine, were chosen here"
    how = f"{parts.training_text(settings)} of one batch, the image"
    return [
        ("data", "an image of 4 pixels, to be flipped along its diagonal; then all 16"),
        ("weights", weights),
        ("network", f"4 inputs, {hidden} hidden units (ReLU), 4 linear outputs: {9 * hidden + 4} parameters"),
        ("training", f"{how}, {settings['dtype']}, seed {settings['seed']}; mean squared error"),
    ]


def page_figures(weights: Sequence[np.ndarray], runs: Runs) -> list[Printed]:
    """Set what the page prints beside what this run gives, and its words beside what the curves do."""
    if not PAGE_SETTINGS.items() <= runs.settings.items():
        return []
    x, y = runs.x, runs.y
    output, gradients = lesson2.forward(weights, x)[2][0], lesson2.by_chain_rule(weights, x, y)
    does = {rate: runs.behavior(lesson2.train_by_hand, learning_rate=rate) for rate in SCANNED_RATES}
    words = "very slow progress", "steady progress", "fast but unstable", "explodes"
    agree = "crawls", "learns", "bounces or blows up", "blows up"
    return [
        as_printed("parameters", "31", sum(array.size for array in weights)),
        *(as_printed(f"prediction, pixel {k}", PREDICTION[k], float(output[k])) for k in range(4)),
        as_printed("loss", "0.896", float(lesson2.mean_squared_error(weights, x, y))),
        as_printed("a gradient above 0 (W1[0,2])", "0.44", float(gradients[0][0, 2])),
        as_printed("one below 0 (b2[1])", "-0.55", float(gradients[3][1])),
        as_printed("one that is 0 (W1[0,1])", "0.0", float(gradients[0][0, 1])),
        as_printed("forward passes to wiggle all", "62", 2 * sum(array.size for array in weights)),
        *(
            Printed(f"rate {rate}", word, does[rate], does[rate] in same)
            for rate, word, same in zip(SCANNED_RATES, words, agree, strict=True)
        ),
    ]
