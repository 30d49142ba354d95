"""``python -m companion.mistakes``: breaks a right loop on purpose, and shows what comes of it."""

import argparse
import difflib
import linecache
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from companion.check.catalogue import MISTAKES
from companion.errors import UserError
from companion.mistakes.broken_loops import ALSO_NEEDED, broken_loop, right_loop
from companion.terminal.arguments import OneLineParser, check_outputs, did_you_mean, whole_number
from companion.terminal.console import Report, command
from companion.terminal.outputs import STDOUT, busy, holds_other, write

if TYPE_CHECKING:
    from companion.check.result import LoopCheck

NAME = "python -m companion.mistakes"
EPOCHS = 10
AROUND = 2  # lines of the loop that a diff shows before and after
STYLES = {"-": "red", "+": "green"}


def mistakes_parser() -> argparse.ArgumentParser:
    """Make the parser of the command."""
    parser = OneLineParser(
        prog=NAME,
        description="Without MISTAKE: lists the known mistakes. With MISTAKE: runs a loop with this mistake "
        "beside .fit, and shows its changed lines, the losses, and the verdict of 'check'.",
        epilog="Exit status: 0 done; 2 there is no such mistake, or bad usage.",
        allow_abbrev=False,
    )
    add, off = parser.add_argument, argparse.SUPPRESS
    add("mistake", nargs="?", metavar="MISTAKE", help="a name from the list, such as sum-instead-of-mean")
    add("--plot", metavar="PICTURE", default=off, help="draw both curves, mark the first difference")
    add("--save", metavar="FILE", default=off, help="write the broken loop, for you to fix and check")
    add(
        "--epochs",
        type=whole_number(1, 1000, EPOCHS),
        default=EPOCHS,
        metavar="N",
        help=f"passes over the data ({EPOCHS})",
    )
    return parser


@command(NAME)
def main(argv: Sequence[str] | None = None) -> int:
    """List the mistakes, or break the loop; return 0."""
    parser = mistakes_parser()
    options = argparse.Namespace(plot=None, save=None)
    parser.parse_args(argv, options)
    to_stdout = check_outputs(parser, options, ("plot", "save"))
    report = Report(quiet=to_stdout)
    if options.mistake is None:
        if options.plot or options.save:
            parser.error("--plot, --save: name a mistake too, or leave them out")
        print_list(report)
        return 0
    if options.mistake not in MISTAKES:
        word = options.mistake.lower()
        within = next((name for name in MISTAKES if word in name), None)
        meant = f"did you mean {within}? " if within else did_you_mean(word, MISTAKES)
        raise UserError(f"{options.mistake!r} is no mistake known here: {meant}'{NAME}' lists them")
    text = broken_loop(options.mistake)
    labeled = _labeled(text, options.mistake).encode()
    if options.save is not None and holds_other(options.save, labeled):
        parser.error(f"--save: {options.save!r} exists, and would be lost; name another file")
    print_diff(report, options.mistake, text)
    if options.save is not None:
        write(options.save, labeled)
        report.print(f"\nwritten: {options.save}", soft_wrap=True)
    name = f"{options.mistake}.py" if options.save in (None, STDOUT) else options.save
    check = run(options.mistake, text, name, options.epochs)
    from companion.check.result import draw, print_check

    print_check(report, check)
    if options.plot is not None:
        if not check.problems:
            told = f"a loop with {options.mistake} ends in an exception: there is no curve; leave --plot out"
            raise UserError(f"--plot: {told}")
        draw(check.problems, options.plot, f"{MISTAKES[options.mistake].title} ({options.mistake})")
    return 0


def print_list(report: Report) -> None:
    """Print a line for each mistake."""
    report.print("Break a loop on purpose: the mistakes that 'check' knows by name")
    report.print()
    report.facts([(name, known.title) for name, known in MISTAKES.items()])
    report.print()
    report.print(f"'{NAME} sum-instead-of-mean' makes this mistake, and shows what happens.")


def print_diff(report: Report, mistake: str, text: str) -> None:
    """Print the changed lines, between those around them."""
    known = MISTAKES[mistake]
    report.heading(f"{known.title}  ({mistake})")
    right = "lessons/right_loop.py"
    if mistake in ALSO_NEEDED:
        right += ", with the additions that .fit needs here"
    report.part(f"The changed lines, from the right loop ({right}) to the broken one")
    lines = difflib.unified_diff(right_loop(mistake).splitlines(), text.splitlines(), lineterm="", n=AROUND)
    for line in list(lines)[2:]:
        if line.startswith("@@"):
            report.print(f"   line {line.split()[1].lstrip('-').split(',')[0]} and below", style="dim")
        else:
            report.print(line, style=STYLES.get(line[:1]), soft_wrap=True)


def _labeled(text: str, mistake: str) -> str:
    """Put a first line on a broken loop: its mistake, and where the mistake shows."""
    lesson = "lesson4" if mistake == "not-shuffled" else "lesson3"
    where = f"python -m companion.check {lesson} FILE"
    if mistake in ALSO_NEEDED and mistake != "not-shuffled":
        where = "shows only where .fit has class weights, clipping or a schedule"
    _, _, rest = text.partition("\n")
    return f'"""A loop with one mistake, {mistake}: {where}."""\n{rest}'


def run(mistake: str, text: str, name: str, epochs: int) -> "LoopCheck":
    """Run the broken loop, as a file of this name, beside ``.fit`` where the mistake shows."""
    from companion.check.check_loop import check_loop
    from companion.check.problems import telling_problem

    with busy("running the broken loop beside .fit"):
        return check_loop(_train_of(text, name), problem=telling_problem(mistake, epochs), name=mistake)


def _train_of(text: str, name: str) -> Callable[..., Any]:
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)  # for tracebacks
    space: dict[str, Any] = {"__name__": name}
    exec(compile(text, name, "exec"), space)
    return space["train"]


if __name__ == "__main__":
    raise SystemExit(main())
