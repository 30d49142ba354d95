"""The options that all lessons take."""

import argparse
import functools
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
from companion.terminal.formats import count_of, settings_text
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
    """Make the parser of a lesson's command."""
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
        help="hidden units" if lesson.hidden else off,
    )
    add(
        "--seed",
        type=whole_number(0, LARGEST_SEED, 0),
        default=0,
        metavar="N",
        help="seed of the initial weights",
    )
    add(
        "--dtype",
        choices=("float64", "float32"),
        default=lesson.dtype,
        help="precision of the whole training",
    )
    add_outputs(parser)
    flag = functools.partial(add, action="store_true", default=off)
    flag("--predict", help="first ask you what will happen; then print each guess beside the result")
    flag("--brief", help="print only the first lines, which end with the verdict, and stop")
    told = "also solve the exercises of the page" if lesson.exercises_at else off
    flag("--exercises", help=told)
    flag("--textbook-fit", help="call model.fit(x, y, ...) on the arrays for all epochs (slower)")
    add_quiet(parser)
    flag("--live", help=f"play instead: {lesson.activity}, in your browser")
    return parser


def parse_lesson(name: str, argv: Sequence[str] | None) -> argparse.Namespace:
    """Read a lesson's options; refuse early what could not be carried out after the training."""
    parser, lesson = lesson_parser(name), LESSONS[name]
    flags = ("predict", "brief", "exercises", "textbook_fit", "live")
    options = parse(parser, argv, **dict.fromkeys(flags, False))
    if options.predict and (options.quiet or options.to_stdout):
        other = "--quiet" if options.quiet else "a result on standard output ('-')"
        parser.error(f"--predict asks questions and prints the results; leave out --predict or {other}")
    for written in ("plot", "show", "json", "csv", "exercises"):
        if options.brief and getattr(options, written):
            parser.error(f"--brief: --{written} needs the whole run; leave one of them out")
    if options.exercises and lesson.exercises_at is None:
        parser.error("--exercises: the page of this lesson has none; leave it out")
    if options.exercises and lesson.exercises_at and not lesson.exercises_at.items() <= vars(options).items():
        needed = settings_text(lesson.exercises_at)
        parser.error(f"--exercises: they are for {needed}; leave out the options that change these")
    if options.live:
        _check_live(parser, name, options)
    if options.show:
        from companion.plots.plots import check_display  # a usage error need not wait for matplotlib

        check_display()
    return options


def open_report(name: str, options: argparse.Namespace) -> Report:
    """Return the report of a lesson, with its first lines, and put the user's guesses into `options`.

    If the lesson runs as a command, `begin_report` has already printed them and asked, before TensorFlow was
    imported, so that the user sees something at once.
    """
    begun = _begun.pop(name) if name in _begun else _open(name, options)
    report, options.guesses = begun
    return report


def begin_report(name: str, options: argparse.Namespace) -> None:
    """Print the first lines of a lesson's report, and ask what ``--predict`` asks; `open_report` goes on."""
    if options.live:
        from companion.live.start import announce  # its address, too, is printed at once

        announce(name)
    else:
        _begun[name] = _open(name, options)


Guesses = dict[str, float | None]  # by the question's name; None where it was left out
_begun: dict[str, tuple[Report, Guesses]] = {}


def _open(name: str, options: argparse.Namespace) -> tuple[Report, Guesses]:
    report, lesson = Report(quiet=options.quiet or options.to_stdout), LESSONS[name]
    report.heading(f"Lesson {name[-1]}: {lesson.title}")
    report.print(
        f"{lesson.rows}, {count_of(options.epochs, 'epoch')}, learning rate {options.learning_rate:g}, "
        f"{options.dtype}"
    )
    guesses: Guesses = {}
    if options.predict:
        from companion.report.questions import ask, predictions_of

        report.heading("What do you think will happen?")
        for number, question in enumerate(predictions_of(name), start=1):
            report.print()
            try:
                guesses[question.name] = ask(report, number, question)
            except EOFError:  # the other questions are left out
                report.print()
                break
    return report, guesses


def _check_live(parser: argparse.ArgumentParser, name: str, options: argparse.Namespace) -> None:
    """Refuse what an activity cannot do: options of the report, other rates, other settings."""
    lesson = LESSONS[name]
    for written in ("plot", "json", "csv", "show", "quiet", "exercises", "textbook_fit", "predict", "brief"):
        if getattr(options, written):
            option = f"--{written.replace('_', '-')}"
            parser.error(f"{option}: the activity has no report; leave out {option}, or --live")
    low, high = lesson.dial
    if not low <= options.learning_rate <= high:
        told = f"{options.learning_rate:g} is not on the dial, which goes from {low:g} to {high:g}"
        parser.error(f"--learning-rate: {told}; leave out --live, or take another rate")
    for setting in ("epochs", "hidden", "dtype", "seed") if name != "lesson4" else ():
        if getattr(options, setting) != getattr(lesson, setting, 0):
            parser.error(f"--{setting}: this activity has its own; leave out --{setting}, or --live")


def settings_of(options: argparse.Namespace, batch_size: int) -> dict[str, Any]:
    """Collect what decides a training, under the names that it has in the report's JSON."""
    names = ("learning_rate", "epochs", "seed", "dtype", "hidden")
    return {name: getattr(options, name) for name in names} | {"batch_size": batch_size}
