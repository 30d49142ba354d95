"""``python -m companion.lesson1``: what lesson 1 reports."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from companion import lesson1, lesson3
from companion.comparison.history import Comparison
from companion.comparison.ulp import abs_difference
from companion.plots import panels, plots
from companion.precision import precision
from companion.report import parts
from companion.report.curves import steps_up
from companion.report.gap import NOTE, Ways, change_one_by_one, print_gap, train_as
from companion.report.options import open_report, parse_lesson, settings_of
from companion.report.rates import print_batch_sizes, print_scan
from companion.report.result import Printed, Result
from companion.report.runs import Run, Runs, compare, fast, histories_of
from companion.terminal.console import command
from companion.terminal.formats import count_of, distance
from companion.terminal.lesson_list import LESSONS
from companion.terminal.progress import progress

TITLE = LESSONS["lesson1"].title
SCANNED_RATES = (0.1, 1.0)
PAGE_FIT_EPOCHS = 300  # of the page's 2000: .fit takes its time, and how the two part shows at once
GAP_EPOCHS = 50
FEW_EPOCHS = 100  # where many trainings stand beside each other
# The page's model.fit(X, y, epochs=2000, batch_size=2), compiled with 'sgd', and what it leaves to Keras.
FIT_CALL: dict[str, Any] = {
    "initial weights": "Keras'",
    "learning rate": 0.01,
    "batch size": 2,
    "order": "shuffled",
    "precision": "float32",
    "clipping": "none (logits)",
}
BATCH_SIZES = (4, 2, 1)
PAGE_SETTINGS = {"learning_rate": lesson1.LEARNING_RATE, "epochs": lesson1.EPOCHS, "seed": 0}


def train_as_the_page(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Call ``.fit`` as the page does, which reports Keras' loss alone."""
    model.compile(keras.optimizers.SGD(learning_rate), "binary_crossentropy")  # 'sgd' is SGD(0.01)
    how: dict[str, Any] = {"batch_size": batch_size, "shuffle": False, "epochs": epochs, "verbose": 0}
    return model.fit(x, y, **how).history["loss"]


# The same loops, reporting Keras' own loss or the chapter's.
BY_HAND = Ways(lesson3.train_by_hand, lesson1.train_by_hand)
BY_FIT = Ways(fast(train_as_the_page), fast(lesson1.train_with_fit))


@command("python -m companion.lesson1")
def main(argv: Sequence[str] | None = None) -> int:
    """Train in three ways and report; return 0 if by hand and ``.fit`` agree bit for bit, else 1."""
    options = parse_lesson("lesson1", argv)
    if options.live:
        from companion.live.start import run_lesson  # another command, for those who ask for it

        return run_lesson("lesson1", options)
    x, y = lesson1.load_data()
    settings = settings_of(options, batch_size=len(x))
    runs = Runs(lesson1.build_model, x, y, settings)
    out = open_report("lesson1", options)
    lead = parts.print_lead(out, runs, lesson1.train_by_hand, lesson1.train_with_fit, options)
    if options.brief:
        parts.print_guesses(out, "lesson1", options, runs)
        return lead.status

    parts.print_what_goes_in(out, what_goes_in(settings), lesson1.train_by_hand, lesson1.train_with_fit)
    with progress(not options.quiet):
        trained = {"numpy": runs(lesson1.train_with_numpy), "by_hand": lead.by_hand, "fit": lead.fit}
    parts.print_trainings(out, trained, options.dtype)
    right = parts.print_accuracy(out, lead.by_hand.model, {"train": (x, y)})

    loop_call = {
        "initial weights": "the page's" if options.seed == 0 else "NumPy's",
        "learning rate": options.learning_rate,
        "order": "as given",
        "batch size": len(x),
        "precision": options.dtype,
        "clipping": "1e-9 in log",
    }
    by_hand, few, fewer = lead.by_hand, min(options.epochs, FEW_EPOCHS), min(options.epochs, GAP_EPOCHS)
    with progress(not options.quiet):
        train = functools.partial(train_as, build_model=lesson1.build_model, rows=(x, y), seed=options.seed)
        page_fit = train(FIT_CALL, BY_FIT, epochs=min(options.epochs, PAGE_FIT_EPOCHS))
        page_loop = train(FIT_CALL, BY_HAND, epochs=min(options.epochs, PAGE_FIT_EPOCHS))
        fit_few = functools.partial(train, ways=BY_FIT, epochs=fewer)
        loop_few = functools.partial(train, ways=BY_HAND, epochs=fewer)
        to_loop = change_one_by_one(fit_few, FIT_CALL, loop_call, (page_fit, trained["fit"]))
        to_fit = change_one_by_one(loop_few, loop_call, FIT_CALL, (by_hand, page_loop))
        kinds = {
            size: runs(lesson1.train_by_hand, batch_size=size, epochs=few).history for size in BATCH_SIZES
        }
        scan = runs.at_rates(lesson1.train_by_hand, SCANNED_RATES)
    as_loop = compare(page_loop, page_fit, "float32")
    out.part("The page's .fit call, changed step by step into its loop")
    targets = {"from the tape loop": by_hand.history, "from that\nin NumPy": trained["numpy"].history}
    print_gap(out, FIT_CALL, loop_call, to_loop, targets, fewer)
    out.print(f"(first {count_of(fewer, 'epoch')}. {NOTE})", style="dim")
    parts.print_verdict(out, lead.comparison, "the page's loop as a .fit call")
    out.part("The page's loop, changed step by step into its .fit call")
    print_gap(out, loop_call, FIT_CALL, to_fit, {"from .fit": page_fit.history}, fewer)
    parts.print_verdict(out, as_loop, "the page's .fit call as a loop")
    print_batch_sizes(out, kinds, len(x))
    print_scan(out, scan, runs.start_loss(lesson1.train_by_hand), runs.updates())
    printed = page_figures(by_hand, page_fit, settings)
    parts.print_page(out, "lesson1", printed, settings, PAGE_SETTINGS)
    parts.print_guesses(out, "lesson1", options, runs)

    others = {"page_fit": as_loop}
    result = Result(1, TITLE, settings, histories_of(trained), *lead[2:], right, scan, printed, others)
    curves = {f"batch size {size}": history for size, history in kinds.items()}
    sizes = functools.partial(plots.draw_curves, curves=curves, title="Batch, mini-batch, one example")
    with precision(options.dtype):
        before = functools.partial(draw_answers, model=lesson1.build_model(options.seed), x=x, y=y, epochs=0)
    after = functools.partial(draw_answers, model=by_hand.model, x=x, y=y, epochs=options.epochs)
    draw = functools.partial(plots.draw_lesson, panels=[before, after, sizes])
    return parts.deliver(result, options, draw)


def draw_answers(axes: Any, model: keras.Model, x: np.ndarray, y: np.ndarray, epochs: int) -> None:
    """Draw what the neuron answers after some epochs, and the line on which it answers one half."""
    title = f"After {count_of(epochs, 'epoch')} (1: passed)" if epochs else "Before the training (1: passed)"
    panels.draw_boundary(axes, lambda points: model(points).numpy(), x, y, title)
    axes.set(xlabel="hours of study", ylabel="hours of sleep")


def what_goes_in(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is trained on what."""
    how = f"{parts.training_text(settings)} of one batch of all "
    return [
        ("data", "4 students: hours of study, hours of sleep; 2 passed, 2 failed"),
        ("network", "one neuron: 2 inputs, 1 output (sigmoid): 3 parameters"),
        ("training", f"{how}4 rows, {settings['dtype']}, seed {settings['seed']}"),
        ("loss", "as the page reports it, with 1e-9 inside the logarithms"),
    ]


def page_figures(by_hand: Run, page_fit: Run, settings: Mapping[str, Any]) -> list[Printed]:
    """Set what the chapter says beside what this run gives; it prints no figure."""
    if not PAGE_SETTINGS.items() <= settings.items():
        return []
    apart, ups = Comparison(by_hand.history, page_fit.history).max_abs_diff, steps_up(by_hand.history)
    z, (_, y) = tf.Variable(np.linspace(-3, 3, 4)[:, None]), lesson1.load_data()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=z))
    error = float(abs_difference(tape.gradient(loss, z), tf.sigmoid(z) - y).max())
    return [
        Printed("the loop's loss", "falls", f"{ups} steps up" if ups else "falls", ups == 0),
        Printed("its .fit call, as printed", "the same", f"{distance(apart)} apart", apart == 0),
        Printed("pred - y, and the slope by tape", "the same", f"{distance(error)} apart", error < 1e-15),
    ]
