"""The options that all lessons take."""

import argparse
import math
from collections.abc import Sequence
from typing import Any

from companion.terminal.arguments import (
    LARGEST_SEED,
    OneLineParser,
    add_outputs,
    add_quiet,
    parse,
    whole_number,
)
from companion.terminal.console import Report
from companion.terminal.formats import settings_text
from companion.terminal.lesson_list import LESSONS

MOST_HIDDEN = 10_000  # more would ask for gigabytes without teaching more


def learning_rate(text: str) -> float:
    """Read a learning rate: a finite number above 0."""
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not (math.isfinite(rate) and rate > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number greater than 0; try 0.1")
    return rate


def no_hidden_units(text: str) -> int:
    """Read the only number of hidden units that a single neuron has."""
    if text != "0":
        raise argparse.ArgumentTypeError(f"{text!r} is not 0: one neuron has no hidden units; leave it out")
    return 0


def lesson_parser(name: str) -> argparse.ArgumentParser:
    """Make the parser of a lesson's command.

    Parameters
    ----------
    name : str
        The lesson's, such as "lesson3".

    Returns
    -------
    ArgumentParser
        For `parse_lesson`.
    """
    lesson = LESSONS[name]
    parser = OneLineParser(
        prog=f"python -m companion.{name}",
        description=f"{lesson.title.capitalize()}: the same network trained with a hand-written loop and "
        "with model.fit, side by side.",
        epilog="FILE may be '-' for standard output; then nothing else is printed there. "
        "Exit status: 0 by hand and .fit agree bit for bit, 1 they do not, 2 bad usage.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add, off = parser.add_argument, argparse.SUPPRESS
    add(
        "--learning-rate",
        type=learning_rate,
        default=lesson.learning_rate,
        metavar="RATE",
        help="size of a step",
    )
    add(
        "--epochs",
        type=whole_number(1, None, lesson.epochs),
        default=lesson.epochs,
        metavar="N",
        help="passes over the data",
    )
    add(
        "--hidden",
        type=whole_number(1, MOST_HIDDEN, lesson.hidden) if lesson.hidden else no_hidden_units,
        default=lesson.hidden,
        metavar="N",
        help="hidden units" if lesson.hidden else "hidden units: one neuron has none",
    )
    add(
        "--seed", type=whole_number(0, LARGEST_SEED, 0), default=0, metavar="N", help="of the initial weights"
    )
    add(
        "--dtype",
        choices=("float64", "float32"),
        default=lesson.dtype,
        help="precision of the whole training",
    )
    add_outputs(parser)
    told = "work out the page's exercises too (lesson 3 only)"
    add("--exercises", action="store_true", default=off, help=told)
    add(
        "--textbook-fit",
        action="store_true",
        default=off,
        help="call model.fit(x, y, ...) on the arrays in all epochs: slower",
    )
    add_quiet(parser)
    if lesson.dial is not None:
        add("--live", action="store_true", default=off, help="open the dial in a window, and no report")
        told = "open the dial in a web page (pip install 'companion[live]')"
        add("--browser", action="store_true", default=off, help=told)
    return parser


def parse_lesson(name: str, argv: Sequence[str] | None) -> argparse.Namespace:
    """Read a lesson's options; refuse early what could not be carried out after the training.

    Parameters
    ----------
    name : str
        The lesson's, such as "lesson3".
    argv : sequence of str or None
        The words of the command line; None for those of this process.

    Returns
    -------
    Namespace
        One attribute an option; those not given are None or False. ``to_stdout`` says
        whether a result goes to standard output, which the report must then leave alone.

    Raises
    ------
    SystemExit
        With status 2 on a bad option, 0 after ``--help``.
    OutputError
        If a window was asked for and none can be opened.
    """
    parser, lesson = lesson_parser(name), LESSONS[name]
    options = parse(parser, argv, exercises=False, textbook_fit=False, live=False, browser=False)
    if options.exercises and lesson.exercises_at is None:
        parser.error("--exercises: the page of this lesson has none; leave it out")
    if options.exercises and lesson.exercises_at and not lesson.exercises_at.items() <= vars(options).items():
        needed = settings_text(lesson.exercises_at)
        parser.error(f"--exercises: they are for {needed}; leave out the options that change these")
    if lesson.dial is not None and (options.live or options.browser):
        _check_dial(parser, options, *lesson.dial)
    if options.show:
        from companion.plots.plots import check_display  # a usage error need not wait for matplotlib

        check_display()
    return options


def open_report(name: str, options: argparse.Namespace) -> Report:
    """Return the report of a lesson, with its title: it is printed once, before TensorFlow is imported.

    Whoever reads it sees at once that something happens.
    """
    live = options.live or options.browser
    report = Report(quiet=options.quiet or options.to_stdout or live)
    if name in _titled:
        _titled.remove(name)
    else:
        report.heading(f"Lesson {name[-1]}: {LESSONS[name].title}")
    return report


def begin_report(name: str, options: argparse.Namespace) -> None:
    """Print the title of a lesson's report; who opens the report afterwards does not print it again."""
    open_report(name, options)
    _titled.append(name)


_titled: list[str] = []


def _check_dial(
    parser: argparse.ArgumentParser, options: argparse.Namespace, low: float, high: float
) -> None:
    """Refuse what the live dial cannot do: its options beside those of the report, and other rates."""
    dial = "--live" if options.live else "--browser"
    for name in ("plot", "json", "csv", "show", "quiet", "textbook_fit"):
        if getattr(options, name):
            option = f"--{name.replace('_', '-')}"
            parser.error(f"{option}: the live dial has no report; leave out {option}, or {dial}")
    if not low <= options.learning_rate <= high:
        told = f"{options.learning_rate:g} is not on the dial, which goes from {low:g} to {high:g}"
        parser.error(f"--learning-rate: {told}; leave out {dial}, or take another")


def settings_of(options: argparse.Namespace, batch_size: int) -> dict[str, Any]:
    """Collect what decides a training, under the names that it has in the report's JSON."""
    names = ("learning_rate", "epochs", "seed", "dtype", "hidden")
    return {name: getattr(options, name) for name in names} | {"batch_size": batch_size}
