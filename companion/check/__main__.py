"""``python -m companion.check lesson3 my_loop.py``: is a hand-written loop ``.fit``, and if not, why?"""

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from companion.errors import UserError
from companion.terminal.arguments import (
    LARGEST_SEED,
    OneLineParser,
    add_quiet,
    check_outputs,
    picture_endings,
    whole_number,
)
from companion.terminal.console import MISUSE, Report, command
from companion.terminal.lesson_list import FIRST_TO_LAST, LESSONS
from companion.terminal.outputs import busy, write

if TYPE_CHECKING:
    from types import ModuleType

    from companion.check.catalogue import ExerciseResult
    from companion.check.result import LoopCheck

NAME = "python -m companion.check"
STATUS = {"identical": 0, "close": 0, "differs": 1, "not done yet": 1, "error": MISUSE}


def check_parser() -> argparse.ArgumentParser:
    """Make the parser of the command."""
    parser = OneLineParser(
        prog=NAME,
        description="Runs the loop in FILE, train(model, x, y, *, learning_rate, batch_size, epochs), beside "
        ".fit and says whether they are the same. If not, it names the mistake, its line and the fix.",
        epilog="FILE is a Python file or a notebook. train trains the model in place and returns a list of "
        "losses, one per epoch. It runs on the lesson's data and on a small problem in which every mistake "
        "shows. An output may be '-' for standard output; then nothing else is printed there. Exit status: 0 "
        "the loop is identical, or equal within float noise, and the exercises in FILE are right; 1 the loop "
        "differs, or something is wrong or not done yet; 2 the loop could not run.",
        allow_abbrev=False,
    )
    add, off = parser.add_argument, argparse.SUPPRESS
    add(
        "lesson",
        choices=LESSONS,
        metavar="LESSON",
        help=f"{FIRST_TO_LAST}: use the data, network and loss of this lesson",
    )
    add("file", metavar="FILE", help="your file, which defines train; ends in .py or .ipynb")
    add("--problem", choices=("lesson", "revealing"), help="run train on one of the two problems only")
    add(
        "--seed",
        type=whole_number(0, LARGEST_SEED, 0),
        default=0,
        metavar="N",
        help="seed of the initial weights and the row order (0)",
    )
    add("--epochs", type=whole_number(1, None, 3), metavar="N", help="passes over the data (3)")
    add(
        "--plot",
        metavar="PICTURE",
        default=off,
        help=f"draw both curves and mark the first difference; PICTURE ends in {picture_endings()}",
    )
    add("--json", metavar="RESULT", default=off, help="write verdict, mistakes, first difference and losses")
    add_quiet(parser)
    return parser


@command(NAME)
def main(argv: Sequence[str] | None = None) -> int:
    """Print the report; return 0 if the loop is ``.fit``, 1 if it differs, 2 if it could not be run."""
    parser = check_parser()
    options = argparse.Namespace(plot=None, json=None, quiet=False)
    parser.parse_args(argv, options)
    to_stdout = check_outputs(parser, options, ("plot", "json"), read=options.file)
    report = Report(quiet=options.quiet or to_stdout)
    # What the loop prints must not get into a result on standard output.
    with contextlib.redirect_stdout(sys.stderr) if to_stdout else contextlib.nullcontext():
        check, module = check_train(options)
        tell(check, report, options)
        exercises = check_exercises(module, report, options) if module else []
    if options.json is not None:
        result = check.as_dict() | {"exercises": [asdict(one) for one in exercises]}
        write(options.json, (json.dumps(result, indent=2, allow_nan=False) + "\n").encode())
    if options.plot is not None and check.problems:
        from companion.check.result import draw

        draw(check, options.plot, f"{Path(check.name).name}: {check.verdict}")
    return max([STATUS[check.verdict], *(one.status != "right" for one in exercises)])


def check_train(options: argparse.Namespace) -> "tuple[LoopCheck, ModuleType | None]":
    """Read the file and check its loop."""
    from companion.check.learner.file import check_file, find_train, read_module

    check_file(options.file)  # a wrong name need not wait for TensorFlow
    from companion.check.check_loop import check_loop
    from companion.check.result import LoopCheck

    module = None
    try:
        module = read_module(options.file)
        train = find_train(module, options.file)
    except UserError as error:
        return LoopCheck(options.file, error=error), module
    chosen = {"problem": options.problem, "seed": options.seed, "epochs": options.epochs}
    with busy("running your loop beside .fit"):
        return check_loop(train, options.lesson, name=options.file, **chosen), module


def check_exercises(
    module: "ModuleType", report: Report, options: argparse.Namespace
) -> "list[ExerciseResult]":
    """Check those of the lesson's exercises that a file defines, telling of each when it is done."""
    from companion.check.exercises import check_exercise, exercises_of

    exercises = exercises_of(int(options.lesson.removeprefix("lesson")))
    defined = {one.name: getattr(module, one.name, None) for one in exercises}
    if not any(callable(function) for function in defined.values()):
        return []
    report.part("The exercises of the lesson's page")
    done, width = [], max(map(len, defined))
    for one in exercises:
        done.append(check_exercise(defined[one.name], one))
        told = f"{done[-1].status}{': ' if done[-1].told else ''}{done[-1].told}"
        report.facts([(f"{one.name:<{width}}", told)])
    right = sum(one.status == "right" for one in done)
    if options.quiet and right < len(done):
        print(f"{options.file}: {right} of {len(done)} exercises are right", file=sys.stderr)
    return done


def tell(check: "LoopCheck", report: Report, options: argparse.Namespace) -> None:
    """Print the report, and on standard error what went wrong."""
    from companion.check.learner.traceback import LoopError
    from companion.check.result import NOT_DONE, print_check, verdict_text

    if check.problems or check.verdict == NOT_DONE:
        print_check(report, check, with_traceback=False)
    if check.verdict == NOT_DONE:
        return
    if isinstance(check.error, LoopError):
        print(check.error.shown, end="", file=sys.stderr)
    if check.error is not None:
        print(f"{NAME}: error: {check.error}", file=sys.stderr)
    elif options.quiet and check.verdict == "differs":
        print(f"{options.file}: {verdict_text(check)}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
