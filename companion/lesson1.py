"""Lesson 1: one neuron, pass or fail.

A neuron of three numbers learns from four students whether hours of study and sleep lead
to a pass. Its chapter prints a loop in NumPy, then a call of ``model.fit``, and says that the
one happens inside the other. It does, but not as printed: six things differ. Here each is
written as the other, with the same losses bit for bit, one change at a time.

"The page" is a chapter on gradient descent and backpropagation, whose neuron and calls these are.

Run it with ``python -m companion.lesson1``; ``--help`` lists the options.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from companion.batches import batches_of_fit
from companion.comparison.history import Comparison
from companion.comparison.ulp import abs_difference
from companion.plots import plots
from companion.plots.curves import steps_up
from companion.report import parts
from companion.report.gap import NOTE, change_one_by_one, print_gap, train_as
from companion.report.options import parse_lesson, settings_of
from companion.report.rates import print_batch_sizes, print_scan
from companion.report.result import Printed, Result
from companion.report.runs import Run, Runs, compare, histories_of
from companion.terminal.console import Report, command
from companion.terminal.formats import distance
from companion.terminal.progress import FitProgress, progress, track

TITLE = "one neuron, pass or fail"
LEARNING_RATE = 0.1
EPOCHS = 2000
HIDDEN = 0  # a single neuron
SCANNED_RATES = (0.1, 1.0)
IN_THE_LOG = 1e-9  # what the chapter adds, against log(0)
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
PAGE_SETTINGS = {"learning_rate": LEARNING_RATE, "epochs": EPOCHS, "seed": 0}


def load_data() -> tuple[np.ndarray, np.ndarray]:
    """Give the four students the neuron is trained on.

    Returns
    -------
    x : ndarray of shape (4, 2), float64
        Hours of study and hours of sleep.
    y : ndarray of shape (4, 1), float64
        1 for a pass, 0 for a fail.
    """
    return np.array([[5.0, 7], [3, 4], [8, 6], [2, 3]]), np.array([[1.0], [0], [1], [0]])


def build_model(seed: int = 0, hidden: int = HIDDEN) -> keras.Model:
    """Build the neuron with its initial weights, not yet compiled; sets the global seed.

    Parameters
    ----------
    seed : int
        0 for the chapter's own weights, others are drawn by ``default_rng(seed)``.
    hidden : int
        0, as one neuron has none: it is here because the other lessons have it.

    Returns
    -------
    keras.Model
        2 inputs, 1 sigmoid output, in Keras' current float type.
    """
    if hidden != HIDDEN:
        raise ValueError(f"hidden is {hidden}: one neuron has no hidden units, it must be 0")
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])
    rng = np.random.RandomState(42) if seed == 0 else np.random.default_rng(seed)
    model.set_weights([rng.standard_normal((2, 1)), np.zeros(1)])
    return model


def chapter_loss(y: tf.Tensor, probability: tf.Tensor) -> tf.Tensor:
    """Report the loss of each row as the chapter does, with 1e-9 inside the logarithms."""
    # The maximum changes nothing, but keeps TensorFlow from computing (1 + 1e-9) - p, which loses the 1e-9.
    passed, failed = probability + IN_THE_LOG, tf.maximum(1 - probability, 0) + IN_THE_LOG
    return -tf.reduce_mean(y * tf.math.log(passed) + (1 - y) * tf.math.log(failed), axis=-1)


@np.errstate(over="ignore", invalid="ignore")  # a rate far too large ends in infinity and NaN, and shows them
def train_with_numpy(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with the chapter's own arithmetic in NumPy.

    Parameters
    ----------
    model : keras.Model
        Is changed in place; it need not be compiled.
    x, y : ndarray of shape (n, 2) and (n, 1)
        The rows, fed in this order; cast to ``keras.config.floatx()``.
    learning_rate : float
        Size of a step.
    batch_size : int
        Rows an update. The chapter's loop takes all 4.
    epochs : int
        Passes over the data.

    Returns
    -------
    list of float
        For each epoch the mean of `chapter_loss`, each row's measured before its update.
        The two functions below also leave Keras' loss, as "loss" in ``model.history.history``.
    """
    weights, bias = model.get_weights()
    x, y, rate = x.astype(weights.dtype), y.astype(weights.dtype), weights.dtype.type(learning_rate)
    tiny = weights.dtype.type(IN_THE_LOG)
    history = []
    for _ in range(epochs):
        total = 0
        for start in range(0, len(x), batch_size):
            xb, yb = x[start : start + batch_size], y[start : start + batch_size]
            probability = 1 / (1 + np.exp(-(xb @ weights + bias)))
            total -= np.sum(yb * np.log(probability + tiny) + (1 - yb) * np.log(1 - probability + tiny))
            error = probability - yb  # the gradient of the plain cross-entropy: no 1e-9 in it
            weights -= rate * (xb.T @ error / len(xb))
            bias -= rate * error.mean(axis=0)
        history.append(float(total / len(x)))
    model.set_weights([weights, bias])
    return history


def train_by_hand(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with a loop around ``tf.GradientTape``; takes and gives what `train_with_numpy` does."""
    optimizer = keras.optimizers.SGD(learning_rate)  # [1] the optimizer
    loss_function = keras.losses.BinaryCrossentropy()  # [2] the loss
    batches = batches_of_fit(x, y, batch_size, shuffle=False)  # [3] the batches

    @tf.function(input_signature=batches.element_spec)  # [4] compiled, for batches of these shapes
    def step(xb: tf.Tensor, yb: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            probability = model(xb, training=True)
            loss = loss_function(yb, probability)  # [5] forward
        gradients = tape.gradient(loss, model.trainable_variables)  # [6] gradient
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))  # [7] update
        return loss, tf.reduce_sum(chapter_loss(yb, probability))  # both as before the update

    prepared, compiled_step = list(batches), step.get_concrete_function()  # made once, used in every epoch
    record = keras.callbacks.History()  # what .fit leaves as model.history
    record.set_model(model)
    record.on_train_begin()
    for epoch in track(range(epochs), f"by hand, learning rate {learning_rate:g}"):  # [8] the epochs
        keras_total = chapter_total = 0
        for xb, yb in prepared:
            loss, reported = compiled_step(xb, yb)
            keras_total += loss.numpy() * len(xb)  # a batch's loss is a mean over its rows
            chapter_total += reported.numpy()
        losses = {"loss": float(keras_total / len(x)), "chapter_loss": float(chapter_total / len(x))}
        record.on_epoch_end(epoch, losses)  # [9] record
    return record.history["chapter_loss"]


def train_with_fit(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with ``model.fit``; takes and gives the same."""
    optimizer = keras.optimizers.SGD(learning_rate)  # [1]
    model.compile(optimizer, loss=keras.losses.BinaryCrossentropy(), metrics=[chapter_loss])  # [2]
    batches = batches_of_fit(x, y, batch_size, shuffle=False)  # [3]
    history = model.fit(  # [4] [5] [6] [7] in here, unseen
        batches.repeat(),  # faster than model.fit(x, y, batch_size=...), which is train_with_textbook_fit
        steps_per_epoch=len(batches),
        shuffle=False,
        epochs=epochs,  # [8]
        callbacks=[FitProgress(f".fit, learning rate {learning_rate:g}")],
        verbose=0,
    )
    return history.history["chapter_loss"]  # [9]


def train_with_textbook_fit(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Do the same with the arrays themselves: slower, as Keras builds an input pipeline twice an epoch."""
    optimizer, loss = keras.optimizers.SGD(learning_rate), keras.losses.BinaryCrossentropy()
    model.compile(optimizer, loss, metrics=[chapter_loss])
    bar = FitProgress(f"textbook .fit, learning rate {learning_rate:g}")
    model.fit(x, y, batch_size=batch_size, epochs=epochs, shuffle=False, callbacks=[bar], verbose=0)
    return model.history.history["chapter_loss"]


def train_as_the_page(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Call ``.fit`` as the page does, which reports Keras' loss alone, but on prepared batches."""
    batches, optimizer = batches_of_fit(x, y, batch_size, shuffle=False), keras.optimizers.SGD(learning_rate)
    # The page's 'sgd' is SGD(0.01). To hand TensorFlow all steps of an epoch at once is faster, no more.
    model.compile(optimizer, "binary_crossentropy", steps_per_execution=len(batches))
    how = {"steps_per_epoch": len(batches), "epochs": epochs, "shuffle": False, "verbose": 0}
    return model.fit(batches.repeat(), callbacks=[FitProgress("the page's .fit")], **how).history["loss"]


@command("python -m companion.lesson1")
def main(argv: Sequence[str] | None = None) -> int:
    """Train in three ways and report; give 0 if by hand and ``.fit`` agree bit for bit, else 1."""
    options = parse_lesson("lesson1", argv)
    x, y = load_data()
    settings = settings_of(options, batch_size=len(x))
    runs = Runs(build_model, x, y, settings)
    fit = train_with_textbook_fit if options.textbook_fit else train_with_fit
    out = Report(quiet=options.quiet or options.to_stdout)

    parts.print_what_goes_in(out, f"Lesson 1: {TITLE}", what_goes_in(settings), train_by_hand, fit)
    with progress(not options.quiet):
        trained = {"numpy": runs(train_with_numpy), "by_hand": runs(train_by_hand), "fit": runs(fit)}
    comparison = parts.print_trainings(out, trained, options.dtype)
    right = parts.print_accuracy(out, trained["by_hand"].model, {"train": (x, y)})

    loop_call = {
        "initial weights": "the page's" if options.seed == 0 else "NumPy's",
        "learning rate": options.learning_rate,
        "order": "as given",
        "batch size": len(x),
        "precision": options.dtype,
        "clipping": "1e-9 in log",
    }
    by_hand, few = trained["by_hand"], min(options.epochs, FEW_EPOCHS)
    with progress(not options.quiet):
        train = functools.partial(train_as, build_model=build_model, rows=(x, y), seed=options.seed)
        page_fit = train(FIT_CALL, train_as_the_page, epochs=options.epochs)
        page_loop = train(FIT_CALL, train_by_hand, epochs=options.epochs)
        ends = (page_fit.model, trained["fit"].model), (by_hand.model, page_loop.model)
        fit_few = functools.partial(train, train=train_as_the_page, epochs=few)
        loop_few = functools.partial(train, train=train_by_hand, epochs=few)
        to_loop = change_one_by_one(fit_few, FIT_CALL, loop_call, ends[0])
        to_fit = change_one_by_one(loop_few, loop_call, FIT_CALL, ends[1])
        kinds = {size: runs(train_by_hand, batch_size=size, epochs=few).history for size in BATCH_SIZES}
        scan = runs.at_rates(train_by_hand, SCANNED_RATES)
    as_loop = compare(page_loop, page_fit, "float32")
    out.part("The page's .fit call, changed step by step into its loop")
    targets = {"from the tape loop": by_hand.history, "from that\nin NumPy": trained["numpy"].history}
    print_gap(out, FIT_CALL, loop_call, to_loop, targets, few)
    out.print(f"(first {few} epochs. {NOTE})", style="dim")
    parts.print_verdict(out, comparison, "the page's loop as a .fit call, all epochs")
    out.part("The page's loop, changed step by step into its .fit call")
    print_gap(out, loop_call, FIT_CALL, to_fit, {"from .fit": page_fit.history}, few)
    parts.print_verdict(out, as_loop, "the page's .fit call as a loop, all epochs")
    print_batch_sizes(out, kinds, len(x))
    print_scan(out, scan)
    printed = page_figures(by_hand, page_fit, settings)
    parts.print_page(out, printed, settings, PAGE_SETTINGS)

    result = Result(
        1, TITLE, settings, histories_of(trained), comparison, right, scan, printed, {"page_fit": as_loop}
    )
    curves = {f"batch size {size}": history for size, history in kinds.items()}
    first = functools.partial(plots.draw_curves, curves=curves, title="Batch, mini-batch, one example")
    return parts.deliver(result, options, functools.partial(plots.draw_lesson, panels=[first]))


def what_goes_in(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say what is trained on what."""
    how = f"SGD, learning rate {settings['learning_rate']}, {settings['epochs']} epochs of one batch of all "
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
    z, (_, y) = tf.Variable(np.linspace(-3, 3, 4)[:, None]), load_data()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=z))
    error = float(abs_difference(tape.gradient(loss, z), tf.sigmoid(z) - y).max())
    return [
        Printed("the loop's loss", "falls", f"{ups} steps up" if ups else "falls", ups == 0),
        Printed("its .fit call, as printed", "the same", f"{distance(apart)} apart", apart == 0),
        Printed("pred - y, and the slope by tape", "the same", f"{distance(error)} apart", error < 1e-15),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
