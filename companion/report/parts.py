"""The parts of a lesson's report that all lessons share, and its delivery."""

import argparse
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from companion.comparison.history import Comparison
from companion.plots import plots
from companion.report.predictions import Predictions
from companion.report.questions import mark, predictions_of
from companion.report.result import Printed, Result, side_by_side
from companion.report.runs import Run, Runs, Train, accuracy, compare, fast, histories_of
from companion.terminal.console import Report
from companion.terminal.formats import column, count_of, distance, settings_text
from companion.terminal.lesson_list import LESSONS
from companion.terminal.progress import progress

NAMES = {"numpy": "NumPy", "by_hand": "by hand", "fit": ".fit"}
ROWS = 11
TEXTBOOK_EPOCHS = 20  # some one second in lessons 1 to 4
NUMPY_TOLERANCE = 4  # times the machine epsilon; up to 1.75 was measured where rounding does not grow


def print_what_goes_in(
    report: Report,
    facts: Sequence[tuple[str, str]],
    by_hand: Callable[..., list[float]],
    fit: Callable[..., list[float]],
) -> None:
    """Print the data, the network, the settings, and the two functions that train."""
    report.part("What goes in")
    file = f"companion/{Path(inspect.unwrap(by_hand).__code__.co_filename).name}"
    report.facts(
        [
            *facts,
            ("by hand", f"{by_hand.__name__} in {file}, a loop around tf.GradientTape"),
            (".fit", f"{fit.__name__}, below it: model.compile(...) and model.fit(...)"),
        ]
    )


def training_text(settings: Mapping[str, Any]) -> str:
    """Return the optimizer, the learning rate and the number of epochs in words."""
    return f"SGD, learning rate {settings['learning_rate']}, {count_of(settings['epochs'], 'epoch')}"


class Lead(NamedTuple):
    """What the first lines of a report are about: both trainings, and whether they are identical."""

    by_hand: Run
    fit: Run
    comparison: Comparison
    textbook: Comparison  # by hand against the call as it stands, for some epochs or rows
    textbook_rows: int

    @property
    def status(self) -> int:
        """Return the exit status of a report that ends here."""
        return 0 if self.comparison.identical and self.textbook.identical else 1


def print_lead(
    report: Report,
    runs: Runs,
    by_hand: Train,
    with_fit: Train,
    options: argparse.Namespace,
    textbook_epochs: int = TEXTBOOK_EPOCHS,
    textbook_rows: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Lead:
    """Train both ways, and print what matters: three epochs side by side, and the verdict.

    On arrays ``.fit`` builds an input pipeline twice per epoch, which takes far longer than a small network.
    So it gets ready-made batches. For the first epochs, the report shows that this changes nothing.
    """
    dtype, epochs = options.dtype, options.epochs
    with progress(not options.quiet):
        hand, fit = runs(by_hand), runs(with_fit if options.textbook_fit else fast(with_fit, *callbacks))
    comparison = compare(hand, fit, dtype)
    shown = sorted({0, epochs // 2, epochs - 1})
    a, b, apart = comparison.frame().iloc[shown][["by hand", ".fit", "difference"]].to_numpy().T
    epochs_text, apart_text = map(str, shown), map(distance, apart)
    rows = [list(row) for row in zip(epochs_text, column(a), column(b), apart_text, strict=True)]
    report.print()
    report.table(["epoch", "by hand", ".fit", "difference"], rows)
    report.print()
    print_verdict(report, comparison)
    if options.textbook_fit:
        return Lead(hand, fit, comparison, comparison, len(runs.x))
    few, rows_fed = min(textbook_epochs, epochs), "x"
    if textbook_rows is not None:
        runs = Runs(runs.build_model, runs.x[:textbook_rows], runs.y[:textbook_rows], runs.settings)
        rows_fed = f"x[:{textbook_rows}]"
    with progress(not options.quiet):
        textbook = compare(runs(by_hand, epochs=few), runs(with_fit, epochs=few), dtype)
    print_verdict(report, textbook, f"by hand and fit({rows_fed}, ...)")
    return Lead(hand, fit, comparison, textbook, len(runs.x))


def print_trainings(report: Report, trained: Mapping[str, Run], dtype: str) -> None:
    """Set all trainings side by side, under the keys of `NAMES`; say how close NumPy comes."""
    report.part("Side by side: the loss of each epoch; a batch is measured before its update")
    print_side_by_side(report, histories_of(trained))
    if "numpy" in trained:
        pair = trained["numpy"], trained["by_hand"]
        print_closeness(report, compare(*pair, dtype, ("NumPy", "by hand")))


def print_guesses(report: Report, name: str, options: argparse.Namespace, runs: Runs) -> None:
    """Print each guess that ``--predict`` has asked for beside what the run gives."""
    if not options.predict:
        return
    report.heading("What you thought would happen, and what did")
    predictions, right = Predictions(name, runs), 0
    for number, question in enumerate(predictions_of(name), start=1):
        with progress():
            marked = mark(question, options.guesses.get(question.name), predictions.answer)
        right += marked.right
        report.print()
        report.print(f"{number}. {question.text}")
        verdict = f"; you thought {marked.given}" if marked.given else ""
        verdict = ", as you thought" if marked.right else verdict
        report.indented(f"{marked.right_answer}{verdict}", "bold green" if marked.right else "bold")
        report.indented(marked.explanation)
    report.print()
    guessed = sum(guess is not None for guess in options.guesses.values())
    report.print(f"{right} of {guessed} guesses right." if guessed else "You made no guess.")


def print_side_by_side(
    report: Report,
    histories: Mapping[str, Sequence[float]],
    epochs: Sequence[int] | None = None,
    names: Mapping[str, str] = NAMES,
) -> None:
    """Print the losses of about ten epochs, spread over the run, in one column a training."""
    frame = side_by_side(histories)
    spread = np.linspace(0, len(frame), ROWS).round().astype(int)
    shown = np.unique(np.minimum(spread, len(frame) - 1))
    numbers = range(len(frame)) if epochs is None else epochs
    *losses, apart = frame.to_numpy()[shown].T
    columns = [str(numbers[at]) for at in shown], *map(column, losses), map(distance, apart)
    rows = [list(row) for row in zip(*columns, strict=True)]
    report.table(["epoch", *(names[key] for key in histories), "largest\ndifference"], rows)


def print_verdict(report: Report, comparison: Comparison, what: str = "") -> None:
    """Print whether by hand and ``.fit`` are identical."""
    style = "bold green" if comparison.identical else "bold red"
    report.print(f"{what or 'by hand and .fit'}: {comparison.verdict()}", style=style)


def print_closeness(report: Report, comparison: Comparison) -> None:
    """Print how close NumPy comes, in the lessons that have a NumPy loop."""
    tolerance = NUMPY_TOLERANCE * float(np.finfo(comparison.dtype).eps)
    frame = comparison.frame()
    # Where both are NaN the difference is 0; a loss of a million has room for larger roundings than one of 1.
    beyond = (frame["difference"] > 0) & ~(
        frame["difference"] <= tolerance * frame["by hand"].abs().clip(lower=1)
    )
    stated = f"{tolerance:.1e}, times the loss if the loss is above 1"
    apart = distance(comparison.max_abs_diff)
    if beyond.any():
        where = f"exceeded in {beyond.sum()} of {len(frame)} epochs, first in epoch {beyond.idxmax()}"
    else:
        where = "not exceeded in any epoch"
    report.print(
        f"NumPy and by hand: at most {apart} apart. NumPy is another program and adds up in another order, "
        f"so a tolerance is allowed ({stated}). It is {where}"
    )


def print_accuracy(
    report: Report, model: keras.Model, sets: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> dict[str, float]:
    """Print how often the network is right, beside the most frequent answer alone; return the accuracies."""
    report.part("How often the network is right, after the last update")
    right, rows = {}, []
    for name, (x, y) in sets.items():
        share = right[f"{name}_accuracy"] = accuracy(model, x, y)
        always = np.unique(y, return_counts=True)[1].max() / y.size
        rows.append([name, f"{share:.3f}", f"{round(share * y.size)} of {y.size}", f"{always:.3f}"])
    report.table(["rows", "accuracy", "right", "always the most\nfrequent answer"], rows, text_columns=(0,))
    return right


def print_page(
    report: Report,
    name: str,
    figures: Sequence[Printed],
    settings: Mapping[str, Any],
    page_settings: Mapping[str, Any] | None = None,
) -> None:
    """Set the page's figures beside the run's, and say how many differ."""
    report.part("What the lesson's page prints, and what this run gives")
    report.print(f"(The page that this lesson follows is {LESSONS[name].page}.)", style="dim")
    verdicts = {True: "agrees", False: "differs", None: ""}
    rows = [[p.figure, shown(p.printed, p), shown(p.measured, p), verdicts[p.agrees]] for p in figures]
    if rows:
        report.table(["", "the page\nprints", "this run\ngives", ""], rows, text_columns=(0, 3))
    stated = [p for p in figures if p.agrees is not None]
    differing = sum(not p.agrees for p in stated)
    page_settings = page_settings or {}
    needed = settings_text(page_settings)
    if not page_settings.items() <= settings.items():
        agreeing = f"{len(stated) - differing} of {len(stated)} agree. " if rows else ""
        report.print(
            f"{agreeing}The page's losses and accuracies are for {needed}: only a run with these settings "
            "can be compared with them."
        )
    elif differing:
        by = f" with the page's settings ({needed})" if needed else ""
        report.print(
            f"{differing} of {len(stated)} differ. The figures of this run were measured just now{by}: where "
            "they differ, the page does not print what this code gives."
        )
    else:
        report.print(f"All {len(stated)} agree.")


def shown(value: float | str | None, p: Printed) -> str:
    """Format a figure with the decimals of the page; words stay words."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:.{p.decimals}f}"


def deliver(
    result: Result, options: argparse.Namespace, draw: Callable[[Result, bool], Any] = plots.draw_lesson
) -> int:
    """Write the files that were asked for, open the picture if asked, and return the verdict."""
    result.write(options)
    if options.plot is not None or options.show:
        figure = draw(result, options.show)
        if options.plot is not None:
            plots.save(figure, options.plot)
        if options.show:
            plots.show_windows()
    if options.quiet:
        for name, comparison in result.comparisons.items():
            if not comparison.identical:
                print(f"by hand and .fit, {name}: {comparison.verdict()}", file=sys.stderr)
    return 0 if result.identical else 1
