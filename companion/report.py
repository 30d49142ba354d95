"""The parts of a lesson's report that all lessons share, and its delivery."""

import argparse
import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from companion import plots
from companion.arguments import settings_text
from companion.comparison import Comparison
from companion.console import Report
from companion.curves import RULE, behavior, first_epoch_apart, first_epoch_at, steps_up
from companion.outputs import STDOUT, write
from companion.result import Printed, Result, number_word, side_by_side

NAMES = {"numpy": "NumPy", "by_hand": "by hand", "fit": ".fit"}
ROWS = 11
NUMPY_TOLERANCE = 4  # times the machine epsilon; up to 1.75 was measured where rounding does not grow
APART = 0.001  # in units of the loss: a difference that the eye begins to see in the curves


def print_side_by_side(report: Report, histories: Mapping[str, Sequence[float]]) -> None:
    """Print the losses of about ten epochs, spread over the run, in one column a training.

    Parameters
    ----------
    report : Report
        Where to.
    histories : mapping of str to sequence of float
        Keys as in `NAMES`; all of the same length.
    """
    frame = side_by_side(histories)
    spread = np.linspace(0, len(frame), ROWS).round().astype(int)
    epochs = np.unique(np.minimum(spread, len(frame) - 1))
    rows = [
        [str(epoch), *(loss_text(loss) for loss in row[:-1]), distance(row[-1])]
        for epoch, row in zip(epochs, frame.to_numpy()[epochs], strict=True)
    ]
    report.table(["epoch", *(NAMES[key] for key in histories), "largest\ndifference"], rows)


def print_verdict(report: Report, comparison: Comparison, numpy_comparison: Comparison | None = None) -> None:
    """Say whether by hand and ``.fit`` are identical, and how close NumPy is.

    Parameters
    ----------
    report : Report
        Where to.
    comparison : Comparison
        By hand against ``.fit``.
    numpy_comparison : Comparison
        NumPy against by hand, in the lessons that have a NumPy loop.
    """
    style = "bold green" if comparison.identical else "bold red"
    report.print(f"by hand and .fit: {comparison.verdict()}", style=style)
    if numpy_comparison is None:
        return
    tolerance = NUMPY_TOLERANCE * float(np.finfo(comparison.dtype).eps)
    frame = numpy_comparison.frame()
    # Where both are NaN the difference is 0; a loss of a million has room for larger roundings than one of 1.
    beyond = (frame["difference"] > 0) & ~(
        frame["difference"] <= tolerance * frame["by hand"].abs().clip(lower=1)
    )
    stated = f"{tolerance:.1e}, times the loss where that is above 1"
    apart = distance(numpy_comparison.max_abs_diff)
    if beyond.any():
        where = f"beyond it in {beyond.sum()} of {len(frame)} epochs, first at epoch {beyond.idxmax()}"
    else:
        where = "not beyond it in any epoch"
    report.print(
        f"NumPy and by hand: at most {apart} apart; NumPy is another program, which adds up in another "
        f"order, so a tolerance is allowed ({stated}): {where}"
    )


def print_accuracy(report: Report, right: Mapping[str, float], labels: Mapping[str, np.ndarray]) -> None:
    """Say how many rows are classified rightly, beside what the most frequent answer alone would get.

    Parameters
    ----------
    report : Report
        Where to.
    right : mapping of str to float
        The accuracy on each set of rows, from 0 to 1.
    labels : mapping of str to ndarray of 0 and 1
        The truth of each set of rows.
    """
    rows = []
    for name, share in right.items():
        truth = labels[name]
        count, always = len(truth), max(np.mean(truth == 0), np.mean(truth == 1))
        rows.append([name, f"{share:.3f}", f"{round(share * count)} of {count}", f"{always:.3f}"])
    report.table(["rows", "accuracy", "right", "always the most\nfrequent answer"], rows, text_columns=(0,))


def print_scan(report: Report, scan: Mapping[float, Sequence[float]]) -> None:
    """Say what each learning rate does, worked out from its curve.

    Parameters
    ----------
    report : Report
        Where to.
    scan : mapping of float to sequence of float
        The history at each learning rate, all of the same length.
    """
    finals = [history[-1] for history in scan.values() if np.isfinite(history[-1])]
    lowest = min(finals, default=np.inf)
    steps = len(next(iter(scan.values()))) - 1
    report.table(
        ["rate", "final loss", f"steps up\n(of {steps})", "what it does"],
        [[f"{rate}", short_loss(history[-1]), str(steps_up(history)), _what_it_does(history, lowest, scan)]
         for rate, history in scan.items()],
        text_columns=(3,),
    )  # fmt: skip
    report.print(f"({RULE})", style="dim")


def _what_it_does(history: Sequence[float], lowest: float, scan: Mapping[float, Sequence[float]]) -> str:
    word = behavior(history)
    if word == "crawls" and history[-1] > lowest:
        level = {
            rate: first_epoch_at(other, history[-1]) for rate, other in scan.items() if other is not history
        }
        epoch, rate = min((epoch, rate) for rate, epoch in level.items() if epoch is not None)
        word += f": ends where rate {rate} already is at epoch {epoch}"
    elif word == "bounces":
        first_up = next(k for k, (a, b) in enumerate(itertools.pairwise(history), start=1) if not b <= a)
        word += f": goes up at epoch {first_up} for the first time"
    elif word == "blows up":
        lost = next((epoch for epoch, loss in enumerate(history) if not np.isfinite(loss)), None)
        word += f": no finite loss at epoch {lost}" if lost is not None else f": up to {max(history):.3g}"
    if history[-1] == lowest and len(history) > 1:
        word += (" and still" if word.startswith("bounces") else ",") + " ends lowest"
    return word


def print_rounding(
    report: Report,
    in_both: Mapping[float, Sequence[Sequence[float]]],
    numpy_and_by_hand: Comparison,
    by_hand_and_fit: Comparison,
) -> None:
    """Set the same loop in two precisions side by side, and say what "close" is worth there.

    Parameters
    ----------
    report : Report
        Where to.
    in_both : mapping of float to pair of sequence of float
        By learning rate, the by-hand histories in float64 and float32.
    numpy_and_by_hand : Comparison
        In float32 at the last of the rates.
    by_hand_and_fit : Comparison
        Likewise.
    """
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
            f"At rate {rate} roundings of float32's size, {size}, are enough to change the path: there two "
            "programs that are both right part, 'close' proves nothing, and only 'identical' does:"
        )
    apart = distance(numpy_and_by_hand.max_abs_diff)
    report.print(f"NumPy and by hand in float32 at rate {rate}: at most {apart} apart")
    report.print(f"by hand and .fit in float32 at rate {rate}: {by_hand_and_fit.verdict()}")


def print_page(
    report: Report,
    figures: Sequence[Printed],
    settings: Mapping[str, Any],
    page_settings: Mapping[str, Any] | None = None,
) -> None:
    """Set the page's figures beside the run's, and say how many differ.

    Parameters
    ----------
    report : Report
        Where to.
    figures : sequence of Printed
        All that can be set beside this run.
    settings : mapping
        Of this run.
    page_settings : mapping, optional
        With which the page's losses and accuracies were made; if this run's are others,
        `figures` lacks those, and the report says why.
    """
    verdicts = {True: "agrees", False: "differs", None: ""}
    report.table(
        ["", "the page\nprints", "this run\ngives", ""],
        [[p.figure, shown(p.printed, p), shown(p.measured, p), verdicts[p.agrees]] for p in figures],
        text_columns=(0, 3),
    )
    stated = [p for p in figures if p.agrees is not None]
    differing = sum(not p.agrees for p in stated)
    page_settings = page_settings or {}
    needed = settings_text(page_settings)
    if not page_settings.items() <= settings.items():
        report.print(
            f"{len(stated) - differing} of {len(stated)} agree. The page's losses and accuracies are for "
            f"{needed}: only a run with these settings can be set beside them."
        )
    elif differing:
        by = f"with the page's settings ({needed})" if needed else "where the page names no settings"
        report.print(
            f"{differing} of {len(stated)} differ. This run's were measured just now {by}: where they "
            "differ, the page is not what this gives."
        )
    else:
        report.print(f"All {len(stated)} agree.")


def shown(value: float | str | None, p: Printed) -> str:
    """Format a figure with the decimals of the page; words stay words."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:.{p.decimals}f}"


def loss_text(loss: float) -> str:
    """Format a loss with as many digits as a column has room for."""
    if not np.isfinite(loss):
        return number_word(loss)
    return f"{loss:.12f}" if abs(loss) < 1000 else f"{loss:.8e}"


def short_loss(loss: float) -> str:
    """Format a loss for reading, not for comparing."""
    if not np.isfinite(loss):
        return number_word(loss)
    return f"{loss:.4f}" if abs(loss) < 1000 else f"{loss:.3g}"


def distance(value: float) -> str:
    """Format a difference: exactly zero must look different from very small."""
    if not np.isfinite(value):
        return number_word(value)
    return "0" if value == 0 else f"{value:.1e}"


def deliver(
    result: Result, options: argparse.Namespace, draw: Callable[[Result, bool], Any] = plots.draw_lesson
) -> int:
    """Write the files that were asked for, open the picture if asked, and give the verdict.

    Parameters
    ----------
    result : Result
        What was found.
    options : Namespace
        From `companion.arguments.parse_lesson`.
    draw : callable
        Makes the picture from `result`, in a window or not.

    Returns
    -------
    int
        The exit status: 0 if by hand and ``.fit`` agree bit for bit, else 1.

    Raises
    ------
    OutputError
        If the system refuses a file.
    """
    result.write(options)
    if options.plot is not None or options.show:
        figure = draw(result, options.show)
        if options.plot is not None:
            ending = "png" if options.plot == STDOUT else options.plot.rpartition(".")[2].lower()
            write(options.plot, plots.as_bytes(figure, ending))
        if options.show:
            plots.show_windows()
    if options.quiet and not result.comparison.identical:
        print(f"by hand and .fit: {result.comparison.verdict()}", file=sys.stderr)
    return 0 if result.comparison.identical else 1
