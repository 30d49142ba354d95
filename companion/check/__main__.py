"""``python -m companion.check lesson3 my_loop.py``: is a hand-written loop ``.fit``, and if not, why?"""

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from companion.errors import UserError
from companion.terminal.arguments import (
    LARGEST_SEED,
    OneLineParser,
    add_quiet,
    check_outputs,
    did_you_mean,
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
    from companion.check.verdict import ProblemVerdict

NAME = "python -m companion.check"
STATUS = {
    "identical": 0,
    "close": 0,
    "differs": 1,
    "not done yet": 1,
    "nothing to compare": 1,
    "error": MISUSE,
}
OF_LESSONS = ("problem", "seed")  # options that a script has no use for
OF_SCRIPTS = (
    "loss",
    "batch_size",
    "x",
    "y",
    "stop",
    "seconds",
    "memory",
)  # and those that a lesson has none for


def check_parser() -> argparse.ArgumentParser:
    """Make the parser of the command."""
    parser = OneLineParser(
        prog=NAME,
        usage=f"{NAME} [options] FILE [-- ARGUMENTS]\n       {NAME} [options] LESSON FILE",
        description="Says whether a hand-written loop does what .fit does. If not, it names the mistake, its "
        "line and the fix. FILE alone is a script or a notebook as it stands: it is run as 'python FILE "
        "ARGUMENTS' would run it, and watched. With a lesson, FILE defines train(model, x, y, *, "
        "learning_rate, batch_size, epochs), which trains the model in place and returns one loss per epoch. "
        "It runs on the lesson's data and on a small problem in which every mistake shows.",
        epilog="An output may be '-' for standard output; then nothing else is printed there. Exit status: 0 "
        "the loop is identical, or equal within float noise, and the exercises in FILE are right; 1 the loop "
        "differs, or something is wrong or not done yet, or there is nothing to compare; 2 the loop could "
        "not run.",
        allow_abbrev=False,
    )
    add, off = parser.add_argument, argparse.SUPPRESS
    add("words", nargs="+", metavar="FILE", help=argparse.SUPPRESS)
    add(
        "--epochs",
        type=whole_number(1, None, 3),
        metavar="N",
        help="passes over the data that are watched (3)",
    )
    add(
        "--plot",
        metavar="PICTURE",
        default=off,
        help=f"draw both curves and mark the first difference; PICTURE ends in {picture_endings()}",
    )
    add("--json", metavar="RESULT", default=off, help="write verdict, mistakes, first difference and losses")
    add_quiet(parser)
    lesson = parser.add_argument_group(f"with a lesson ({FIRST_TO_LAST})")
    add = lesson.add_argument
    add("--problem", choices=("lesson", "revealing"), help="run train on one of the two problems only")
    seeds = whole_number(0, LARGEST_SEED, 0)
    add("--seed", type=seeds, metavar="N", help="seed of the initial weights and the row order (0)")
    script = parser.add_argument_group("with a script or a notebook")
    add = script.add_argument
    add("--loss", metavar="NAME", help="the loss of .fit, such as mse, if it could not be seen")
    add("--batch-size", type=whole_number(1, None, 32), metavar="N", help="the batch size of .fit")
    add("--x", metavar="NAME", help="the variable of the file that holds all rows")
    add("--y", metavar="NAME", help="the variable of the file that holds all labels")
    add("--stop", action="store_true", help="end the script when its loops have been watched")
    add(
        "--seconds", type=whole_number(1, None, 20), metavar="N", help="watch a loop no longer than this (20)"
    )
    add("--memory", type=whole_number(1, None, 1000), metavar="MB", help="and with no more memory (1000)")
    return parser


@command(NAME)
def main(argv: Sequence[str] | None = None) -> int:
    """Print the report; return 0 if the loop is ``.fit``, 1 if it differs, 2 if it could not be run."""
    parser = check_parser()
    options = argparse.Namespace(plot=None, json=None, quiet=False)
    words = list(sys.argv[1:] if argv is None else argv)
    at = words.index("--") if "--" in words else len(words)
    parser.parse_args(words[:at], options)
    options.arguments = words[at + 1 :]
    read_words(parser, options)
    to_stdout = check_outputs(parser, options, ("plot", "json"), read=[options.file])
    report = Report(quiet=options.quiet or to_stdout)
    # What the loop prints must not get into a result on standard output.
    with contextlib.redirect_stdout(sys.stderr) if to_stdout else contextlib.nullcontext():
        found = check_lesson(options, report) if options.lesson else check_as_it_stands(options, report)
    if options.json is not None:
        write(options.json, (json.dumps(found.result, indent=2, allow_nan=False) + "\n").encode())
    if options.plot is not None and found.problems:
        from companion.check.result import draw

        draw(found.problems, options.plot, f"{Path(options.file).name}: {found.verdict}")
    return found.status


class Found(NamedTuple):
    """What came out: the exit status, the result for JSON, the verdict, and what is drawn."""

    status: int
    result: dict[str, Any]
    verdict: str
    problems: "Sequence[ProblemVerdict]"


def read_words(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Take the words of the command as a file, or as a lesson and a file; refuse what goes with neither."""
    *lessons, options.file = options.words
    options.lesson = lessons[0] if lessons else None
    if len(options.words) > 2:
        parser.error(f"too many words ({' '.join(options.words)}): give a lesson and a file, or a file alone")
    if options.file in LESSONS and options.lesson is not None:
        parser.error(f"the lesson comes first: {NAME} {options.file} {options.lesson}")
    if options.file in LESSONS:
        parser.error(f"the file is missing: {NAME} {options.file} my_loop.py")
    if options.lesson is not None and options.lesson not in LESSONS:
        meant = did_you_mean(options.lesson, LESSONS) or f"one of {', '.join(LESSONS)}"
        parser.error(
            f"{options.lesson!r} is no lesson ({meant.strip()}); arguments of a script come after --: "
            f"{NAME} {options.lesson} -- {options.file}"
            if options.lesson.endswith((".py", ".ipynb"))
            else f"{options.lesson!r} is no lesson: {meant.strip()}"
        )
    for name in OF_SCRIPTS if options.lesson else OF_LESSONS:
        if getattr(options, name) not in (None, False):
            kind = "a script as it stands" if options.lesson else "a lesson"
            parser.error(f"--{name.replace('_', '-')} goes with {kind} only")
    if options.lesson and options.arguments:
        parser.error("arguments after -- go with a script as it stands only")


def check_lesson(options: argparse.Namespace, report: Report) -> Found:
    """Check the ``train`` of a file on a lesson's problems, and the exercises."""
    check, module = check_train(options)
    tell(check, report, options)
    exercises = check_exercises(module, report, options) if module else []
    status = max([STATUS[check.verdict], *(one.status != "right" for one in exercises)])
    result = check.as_dict() | {"exercises": [asdict(one) for one in exercises]}
    return Found(status, result, check.verdict, check.problems)


def check_as_it_stands(options: argparse.Namespace, report: Report) -> Found:
    """Run a script or a notebook, watch it, and report on what it trains."""
    from companion.check.learner.file import parts_of

    parts_of(options.file)  # a wrong file need not wait for TensorFlow
    from companion.check.script.check_script import check_script
    from companion.check.script.result import print_script

    chosen = {name: getattr(options, name) for name in ("epochs", *OF_SCRIPTS)}
    check = check_script(options.file, options.arguments, **chosen)
    print_script(report, check)
    if check.error is not None:
        print(check.error.shown, end="", file=sys.stderr)
        print(f"{NAME}: error: {check.error}", file=sys.stderr)
    elif options.quiet and check.verdict == "differs":
        names = [mistake.name for one in check.trainings for mistake in one.mistakes]
        print(f"{options.file}: differs: {', '.join(names) or 'the reason is not known'}", file=sys.stderr)
    problems = [one.verdict for one in check.trainings]
    return Found(STATUS[check.verdict], check.as_dict(), check.verdict, problems)


def check_train(options: argparse.Namespace) -> "tuple[LoopCheck, ModuleType | None]":
    """Read the file and check its loop."""
    from companion.check.learner.file import find_train, read_module, refuse_without_train

    alone = f", or leave the lesson out to check the file as it stands: {NAME} {options.file}"
    refuse_without_train(options.file, alone)  # a wrong file need not wait for TensorFlow
    from companion.check.check_loop import check_loop
    from companion.check.learner.lines import line_of_thread
    from companion.check.result import LoopCheck

    module = None
    try:
        module = read_module(options.file)
        train = find_train(module, options.file, alone)
    except UserError as error:
        return LoopCheck(options.file, error=error), module
    chosen = {"problem": options.problem, "seed": options.seed or 0, "epochs": options.epochs}
    with busy("running your loop beside .fit", line_of_thread(options.file)):
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
