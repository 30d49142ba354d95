"""The options that all lessons take."""

import argparse
import math
from collections.abc import Mapping, Sequence
from typing import Any

from companion.terminal.arguments import (
    LARGEST_SEED,
    OneLineParser,
    add_outputs,
    add_quiet,
    parse,
    whole_number,
)
from companion.terminal.formats import settings_text

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


def lesson_parser(
    lesson: str,
    title: str,
    default_rate: float,
    default_epochs: int,
    default_hidden: int,
    default_dtype: str = "float64",
) -> argparse.ArgumentParser:
    """Make the parser of a lesson's command.

    Parameters
    ----------
    lesson : str
        The module's name, such as "lesson3".
    title : str
        What the lesson is about.
    default_rate : float
        The lesson's own learning rate.
    default_epochs : int
        The lesson's own number of epochs.
    default_hidden : int
        The lesson's own number of hidden units; 0 if it can have none.
    default_dtype : str
        The lesson's own precision.

    Returns
    -------
    ArgumentParser
        For `parse_lesson`.
    """
    parser = OneLineParser(
        prog=f"python -m companion.{lesson}",
        description=f"{title.capitalize()}: the same network trained with a hand-written loop and with "
        "model.fit, side by side.",
        epilog="FILE may be '-' for standard output; then nothing else is printed there. "
        "Exit status: 0 by hand and .fit agree bit for bit, 1 they do not, 2 bad usage.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add, off = parser.add_argument, argparse.SUPPRESS
    add("--learning-rate", type=learning_rate, default=default_rate, metavar="RATE", help="size of a step")
    add(
        "--epochs",
        type=whole_number(1, None, default_epochs),
        default=default_epochs,
        metavar="N",
        help="passes over the data",
    )
    add(
        "--hidden",
        type=whole_number(1, MOST_HIDDEN, default_hidden) if default_hidden else no_hidden_units,
        default=default_hidden,
        metavar="N",
        help="hidden units" if default_hidden else "hidden units: one neuron has none",
    )
    add(
        "--seed", type=whole_number(0, LARGEST_SEED, 0), default=0, metavar="N", help="of the initial weights"
    )
    add(
        "--dtype",
        choices=("float64", "float32"),
        default=default_dtype,
        help="precision of the whole training",
    )
    add_outputs(parser)
    told = "work out the page's exercises too (lesson 3 only)"
    add("--exercises", action="store_true", default=off, help=told)
    add(
        "--textbook-fit",
        action="store_true",
        default=off,
        help="call model.fit(x, y, ...) on the arrays: slower",
    )
    add_quiet(parser)
    return parser


def add_live(parser: argparse.ArgumentParser) -> None:
    """Add the options of the live dial, to a lesson that has one."""
    add, off = parser.add_argument, argparse.SUPPRESS
    add("--live", action="store_true", default=off, help="open the dial in a window, and no report")
    add(
        "--browser",
        action="store_true",
        default=off,
        help="open the dial in a web page (pip install 'companion[live]')",
    )


def check_live(parser: argparse.ArgumentParser, options: argparse.Namespace, rates: Sequence[float]) -> bool:
    """Say whether the live dial is asked for, and refuse what it cannot do.

    Parameters
    ----------
    parser : ArgumentParser
        With the options of `add_live`.
    options : Namespace
        As parsed.
    rates : pair of float
        The ends of the dial.

    Returns
    -------
    bool

    Raises
    ------
    SystemExit
        With status 2 beside an option that is for the report.
    """
    live = getattr(options, "live", False) or getattr(options, "browser", False)
    if not live:
        return False
    for name in ("plot", "json", "csv", "show", "quiet", "textbook_fit"):
        if getattr(options, name):
            option = f"--{name.replace('_', '-')}"
            parser.error(f"{option}: the live dial has no report; leave out {option}, or --live")
    low, high = rates
    if not low <= options.learning_rate <= high:
        told = f"{options.learning_rate:g} is not on the dial, which goes from {low:g} to {high:g}"
        parser.error(f"--learning-rate: {told}; leave out --live, or take another")
    return True


def parse_lesson(
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None,
    page_settings: Mapping[str, Any] | None = None,
) -> argparse.Namespace:
    """Read a lesson's options; refuse early what could not be carried out after the training.

    Parameters
    ----------
    parser : ArgumentParser
        From `lesson_parser`.
    argv : sequence of str or None
        The words of the command line; None for those of this process.
    page_settings : mapping of str to value, optional
        The options' values with which the page's exercises are; None where it has none.

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
        As `parse`.
    """
    options = parse(parser, argv, exercises=False, textbook_fit=False)
    if options.exercises and page_settings is None:
        parser.error("--exercises: the page of this lesson has none; leave it out")
    if options.exercises and page_settings and not page_settings.items() <= vars(options).items():
        needed = settings_text(page_settings)
        parser.error(f"--exercises: they are for {needed}; leave out the options that change these")
    return options


def settings_of(options: argparse.Namespace, batch_size: int) -> dict[str, Any]:
    """Collect what decides a training, under the names that it has in the report's JSON."""
    names = ("learning_rate", "epochs", "seed", "dtype", "hidden")
    return {name: getattr(options, name) for name in names} | {"batch_size": batch_size}
