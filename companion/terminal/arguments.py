"""The options that several commands take, and what is refused about them."""

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from companion.errors import OutputError
from companion.terminal.outputs import STDOUT, check_writable

LARGEST_SEED = 2**32 - 1  # as keras.utils.set_random_seed
PLOT_ENDINGS = (".png", ".svg", ".pdf")


class OneLineParser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        """Print `message` on standard error and end with status 2."""
        message = message.removeprefix("argument ")
        if ";" not in message:
            message += f"; {self._meant(message)}'{self.prog} --help' lists what is allowed"
        self.exit(2, f"{self.prog}: error: {message}\n")

    def _meant(self, message: str) -> str:
        """Ask about the option or the choice that is nearest to a misspelt one; "" if none is near."""
        if option := re.match(r"unrecognized arguments: .*?(-[\w-]+)", message):
            return did_you_mean(option[1], self._option_string_actions)
        if choice := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            return did_you_mean(choice[1], re.findall(r"[\w.-]+", choice[2]))
        return ""


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Return a question about what is allowed and nearest to a word, and a space; "" if nothing is near."""
    known, plain = list(allowed), word.strip("-")
    if re.fullmatch(r"lesson\d?", word):  # it is as near to any lesson
        return ""
    # First what has the word as a part, as "rate" is one of "--learning-rate".
    near = [name for name in known if plain and plain in re.split(r"[-\s]+", name)]
    near = near or difflib.get_close_matches(word, known, 1, cutoff=0.65)
    return f"did you mean {near[0]}? " if near else ""


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


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Add the options that name files and windows for the results."""
    add, off = parser.add_argument, argparse.SUPPRESS
    add(
        "--plot",
        metavar="FILE",
        default=off,
        help=f"draw the curves; FILE ends in {picture_endings()}; '-' gives PNG",
    )
    add("--show", action="store_true", default=off, help="open the picture in a window")
    add(
        "--json",
        metavar="FILE",
        default=off,
        help="write settings, histories, comparison and figures, in full precision",
    )
    add("--csv", metavar="FILE", default=off, help="write the histories, one row per epoch")


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add the option that silences the report."""
    parser.add_argument(
        "--quiet",
        action="store_true",
        default=argparse.SUPPRESS,
        help="print no report: the exit status is the verdict",
    )


def parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None, **others: Any) -> argparse.Namespace:
    """Read the options of a command that has those of `add_outputs` and `add_quiet`."""
    nothing = dict(plot=None, show=False, json=None, csv=None, quiet=False) | others
    words = join_negative_numbers(sys.argv[1:] if argv is None else argv)
    options = argparse.Namespace(**(nothing | vars(parser.parse_args(words))))
    options.to_stdout = check_outputs(parser, options, ("plot", "json", "csv"))
    return options


def check_outputs(
    parser: argparse.ArgumentParser,
    options: argparse.Namespace,
    names: Sequence[str],
    read: Sequence[str | None] = (),
) -> bool:
    """Refuse files that could not be written once the work is done."""
    files = {
        f"--{name.replace('_', '-')}": path for name in names if (path := getattr(options, name)) is not None
    }
    writer_of: dict[Path | str, str] = {}
    for option, path in files.items():
        try:
            check_writable(path)
        except OutputError as error:
            parser.error(f"{option}: {error}")
        target = path if path == STDOUT else Path(path).resolve()
        if target in [Path(one).resolve() for one in read if one is not None]:
            parser.error(f"{option}: {path!r} is the file that is read; name another")
        other = writer_of.setdefault(target, option)
        if other != option:
            parser.error(f"{other} and {option} both write to {path!r}; name two files")
    plot = files.get("--plot")
    if plot not in (None, STDOUT) and not plot.lower().endswith(PLOT_ENDINGS):
        parser.error(f"--plot: {plot!r} does not end in {picture_endings()}; try {plot + '.png'!r}")
    if plot == STDOUT and sys.stdout.isatty():
        parser.error("--plot: '-' would print a PNG on the terminal; name a file, or add '> curves.png'")
    return STDOUT in files.values()


def picture_endings() -> str:
    """Return how a picture's file may end."""
    return ", ".join(PLOT_ENDINGS[:-1]) + f" or {PLOT_ENDINGS[-1]}"
