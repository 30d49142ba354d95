"""What the learning rate, the batch size and rounding do to a training: parts of a report."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from companion.comparison.history import Comparison
from companion.report.curves import (
    BEHAVIORS,
    behavior,
    first_epoch_apart,
    first_epoch_at,
    standstill,
    steps_up,
)
from companion.terminal.console import Report
from companion.terminal.formats import count_of, distance, short_loss

APART = 0.001  # in units of the loss: a difference that the eye begins to see in the curves


def print_scan(
    report: Report,
    scan: Mapping[float, Sequence[float]],
    start: float,
    updates: int,
    title: str = "The learning rate",
) -> None:
    """Print what each learning rate does, by its curve, the start loss and the number of updates."""
    report.part(title)
    finals = [history[-1] for history in scan.values() if np.isfinite(history[-1])]
    lowest = min(finals, default=np.inf)
    steps = len(next(iter(scan.values()))) - 1
    rows = []
    said = {rate: behavior(start, history, updates) for rate, history in scan.items()}
    for rate, history in scan.items():
        word = said[rate] + _more(said[rate], start, history, updates, scan)
        if history[-1] == lowest and len(history) > 1:
            word += (" and still" if word.startswith("bounces") else ",") + " ends lowest"
        rows.append([f"{rate}", short_loss(history[-1]), str(steps_up(history)), word])
    columns = ["rate", "final loss", f"steps up\n(of {steps})", "what it does"]
    report.table(columns, rows, text_columns=(3,))
    rules = "; ".join(f"{word}: {rule}" for word, rule in BEHAVIORS.items() if word in said.values())
    report.print(f"(The loss before any update is {short_loss(start)}. {rules}.)", style="dim")


def _more(
    word: str, start: float, history: Sequence[float], updates: int, scan: Mapping[float, Sequence[float]]
) -> str:
    """Return where in the curve one sees what it does."""
    if word == "crawls":
        level = {
            rate: first_epoch_at(other, history[-1]) for rate, other in scan.items() if other is not history
        }
        sooner = [(epoch, rate) for rate, epoch in level.items() if epoch not in (None, len(history) - 1)]
        return ": rate {1} gets that low by epoch {0}".format(*min(sooner)) if sooner else ""
    if word == "stuck" and (still := standstill(start, history)):
        return f": hardly falls {'from the start' if still[0] < 0 else f'after epoch {still[0]}'}"
    if word == "bounces":
        first_up = next(k for k, (a, b) in enumerate(itertools.pairwise(history), start=1) if not b <= a)
        return f": goes up at epoch {first_up} for the first time"
    if word == "blows up":
        lost = next((epoch for epoch, loss in enumerate(history) if not np.isfinite(loss)), None)
        return f": no finite loss at epoch {lost}" if lost is not None else f": up to {max(history):.3g}"
    return f": {updates} updates" if word == "too short to tell" else ""


def print_rounding(
    report: Report,
    in_both: Mapping[float, Sequence[Sequence[float]]],
    numpy_and_by_hand: Comparison,
    by_hand_and_fit: Comparison,
) -> None:
    """Set the same loop in two precisions side by side, and say what "close" is worth there."""
    epochs = len(next(iter(in_both.values()))[0])
    report.heading(f"   What rounding does: the same loop in two precisions, {count_of(epochs, 'epoch')}")
    rows = []
    for rate, (wide, narrow) in in_both.items():
        epoch = first_epoch_apart(wide, narrow, APART)
        gap = distance(Comparison(wide, narrow).max_abs_diff)
        first = "never" if epoch is None else f"epoch {epoch}"
        rows.append([f"{rate}", short_loss(wide[-1]), short_loss(narrow[-1]), gap, first])
    gap_header = f"first more\nthan {APART} apart"
    report.table(["rate", "float64\nends at", "float32\nends at", "largest\ngap", gap_header], rows)
    if numpy_and_by_hand.max_abs_diff > APART:
        size = f"{np.finfo('float32').eps:.1e}"
        report.print(
            f"At rate {rate} rounding errors of float32's size, {size}, change the path. Two programs can "
            "both be right and still differ. So 'close' proves nothing there; only 'identical' does:"
        )
    apart = distance(numpy_and_by_hand.max_abs_diff)
    report.print(f"NumPy and by hand in float32 at rate {rate}: at most {apart} apart")
    report.print(f"by hand and .fit in float32 at rate {rate}: {by_hand_and_fit.verdict()}")


def print_batch_sizes(report: Report, histories: Mapping[int, Sequence[float]], rows: int) -> None:
    """Set batch, mini-batch and one-example updates beside each other."""
    report.part("Batch, mini-batch, one example: how many rows per update")
    epochs = len(next(iter(histories.values())))
    shown = sorted({0, 1, 10, epochs - 1} & set(range(epochs)))
    losses = [f"loss at\nepoch {epoch}" for epoch in shown]
    table = []
    for size, history in histories.items():
        kind = "batch" if size >= rows else "one" if size == 1 else "mini"
        counts = str(size), str(-(-rows // size) * epochs)
        table.append(
            [kind, *counts, *(short_loss(history[epoch]) for epoch in shown), str(steps_up(history))]
        )
    columns = ["", "rows per\nupdate", "updates", *losses, f"steps up\n(of {epochs - 1})"]
    report.table(columns, table, text_columns=(0,))
    report.print(
        "(an epoch's loss is the mean over its batches, each measured before its own update)", style="dim"
    )
