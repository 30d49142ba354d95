"""The options that all lessons take, and what is refused about them."""

import argparse
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from companion.errors import OutputError
from companion.formats import settings_text
from companion.outputs import STDOUT, check_writable

MOST_HIDDEN = 10_000  # more would ask for gigabytes without teaching more
LARGEST_SEED = 2**32 - 1  # as keras.utils.set_random_seed
PLOT_ENDINGS = (".png", ".svg", ".pdf")


class OneLineParser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        """Print `message` on standard error and end with status 2."""
        message = message.removeprefix("argument ")
        if ";" not in message:
            message += f"; '{self.prog} --help' lists what is allowed"
        self.exit(2, f"{self.prog}: error: {message}\n")


def learning_rate(text: str) -> float:
    """Read a learning rate: a finite number above 0."""
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not (math.isfinite(rate) and rate > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number greater than 0; try 0.1")
    return rate


def whole_number(least: int, most: int | None, example: int) -> Callable[[str], int]:
    """Make the reader of a whole number from `least` to `most` (None: no limit)."""
    allowed = f"from {least} to {most}" if most is not None else f"of {least} or more"

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {allowed}; try {example}")
        return number

    return read


def no_hidden_units(text: str) -> int:
    """Read the only number of hidden units that a single neuron has."""
    if text != "0":
        raise argparse.ArgumentTypeError(f"{text!r} is not 0: one neuron has no hidden units; leave it out")
    return 0


def join_negative_numbers(words: Sequence[str]) -> list[str]:
    """Join ``--option -1e-3`` to ``--option=-1e-3``: argparse takes -1 as a value, but -1e-3 not."""
    joined: list[str] = []
    for word in words:
        if word.startswith("-") and _is_number(word) and joined and joined[-1].startswith("--"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


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
    add(
        "--plot",
        metavar="FILE",
        default=off,
        help=f"draw the curves; FILE ends in {_endings()}; '-' gives PNG",
    )
    add("--show", action="store_true", default=off, help="open the picture in a window")
    add(
        "--json",
        metavar="FILE",
        default=off,
        help="write settings, histories, comparison and figures, in full precision",
    )
    add("--csv", metavar="FILE", default=off, help="write the histories, a row an epoch")
    add("--exercises", action="store_true", default=off, help="work out the page's exercises too")
    add(
        "--textbook-fit",
        action="store_true",
        default=off,
        help="call model.fit(x, y, ...) on the arrays: slower",
    )
    add("--quiet", action="store_true", default=off, help="print no report: the exit status is the verdict")
    return parser


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
        If a window was asked for and none can be opened.
    """
    nothing = dict(
        plot=None, show=False, json=None, csv=None, exercises=False, textbook_fit=False, quiet=False
    )
    options = argparse.Namespace(
        **(nothing | vars(parser.parse_args(join_negative_numbers(sys.argv[1:] if argv is None else argv))))
    )
    if options.exercises and page_settings is None:
        parser.error("--exercises: the page of this lesson has none; leave it out")
    if options.exercises and page_settings and not page_settings.items() <= vars(options).items():
        needed = settings_text(page_settings)
        parser.error(f"--exercises: they are for {needed}; leave out the options that change these")
    files = {
        f"--{name}": path for name in ("plot", "json", "csv") if (path := getattr(options, name)) is not None
    }
    writer_of: dict[Path | str, str] = {}
    for option, path in files.items():
        try:
            check_writable(path)
        except OutputError as error:
            parser.error(f"{option}: {error}")
        target = path if path == STDOUT else Path(path).resolve()
        other = writer_of.setdefault(target, option)
        if other != option:
            parser.error(f"{other} and {option} both write to {path!r}; name two files")
    if options.plot not in (None, STDOUT) and not options.plot.lower().endswith(PLOT_ENDINGS):
        parser.error(f"--plot: {options.plot!r} does not end in {_endings()}; try {options.plot + '.png'!r}")
    if options.plot == STDOUT and sys.stdout.isatty():
        parser.error("--plot: '-' would print a PNG on the terminal; name a file, or add '> curves.png'")
    if options.show:
        from companion.plots import check_display  # a usage error need not wait for matplotlib

        check_display()
    options.to_stdout = STDOUT in files.values()
    return options


def settings_of(options: argparse.Namespace, batch_size: int) -> dict[str, Any]:
    """Collect what decides a training, under the names that it has in the report's JSON."""
    names = ("learning_rate", "epochs", "seed", "dtype", "hidden")
    return {name: getattr(options, name) for name in names} | {"batch_size": batch_size}


def _endings() -> str:
    return ", ".join(PLOT_ENDINGS[:-1]) + f" or {PLOT_ENDINGS[-1]}"
