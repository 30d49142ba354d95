"""``python -m companion.grade lesson3 submissions/ --output grades/``: grade the loops of a class."""

import argparse
from collections.abc import Sequence
from datetime import datetime

from companion.grade.sandbox.limits import RANGES, Limits
from companion.terminal.arguments import LARGEST_SEED, OneLineParser, add_quiet, whole_number
from companion.terminal.console import Report, command
from companion.terminal.lesson_list import FIRST_TO_LAST, LESSONS
from companion.terminal.quiet_start import refuse_other_backends

NAME = "python -m companion.grade"
LIMITS = {
    "seconds": "seconds that a submission may take",
    "memory": "megabytes of memory of its own",
    "processes": "processes and threads",
    "file_size": "megabytes that it may write",
    "printed": "kilobytes that it may print",
}


def grade_parser() -> argparse.ArgumentParser:
    """Make the parser of the command."""
    parser = OneLineParser(
        prog=NAME,
        description="Runs each submitted train(model, x, y, *, learning_rate, batch_size, epochs) in a "
        "sandbox and compares it with .fit. Writes gradebook.csv, class.html, feedback/ and results/.",
        epilog="SUBMISSIONS is a folder or zip with one file or folder per student, or a bulk download "
        "from Canvas, Moodle, Gradescope, Blackboard, Brightspace, Google or GitHub Classroom. A "
        "second run grades only what has changed. Scores in overrides.csv (id,score,reason) in "
        "FOLDER always win. Exit status: 0 each student has a grade or needs your decision; 1 the "
        "grader itself failed, or something could not be filled in; 2 bad usage.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("lesson", choices=LESSONS, metavar="LESSON", help=FIRST_TO_LAST)
    add("submissions", metavar="SUBMISSIONS", nargs="?", help="folder or zip")
    add("--output", metavar="FOLDER", help="folder for the grades; it is created or updated")
    add("--roster", metavar="CSV", help="list of all students (id,name); adds those who handed in nothing")
    add("--groups", metavar="CSV", help="who hands in together (id,group; or the group export of Canvas)")
    add("--dry-run", action="store_true", help="show who has handed in what, and grade nothing")
    add("--assignment", metavar="TOML", help="use this file instead of lessons/LESSON/assignment.toml")
    add(
        "--due",
        metavar="TIME",
        type=_time,
        help="due time: later submissions are late, in downloads that say when each was handed in",
    )
    runs = parser.add_argument_group("what to grade")
    runs.add_argument("--resume", action="store_true", help="go on with a run that was interrupted")
    runs.add_argument("--only", metavar="ID", action="append", default=[], help="grade this student again")
    runs.add_argument("--force", action="store_true", help="grade all students again")
    seed = whole_number(0, LARGEST_SEED, 0)
    runs.add_argument("--seed", type=seed, metavar="N", help="repeat a run with the seed that it printed")
    out = parser.add_argument_group("course systems")
    out.add_argument("--canvas", metavar="CSV", help="Canvas gradebook; filled in as FOLDER/canvas.csv")
    out.add_argument("--column", metavar="TITLE", help="column of the Canvas gradebook, if there are several")
    out.add_argument("--moodle", metavar="CSV", help="Moodle worksheet; filled in as FOLDER/moodle.csv")
    out.add_argument("--replace", action="store_true", help="overwrite scores that stand there already")
    out.add_argument("--gradescope", action="store_true", help="grade the submission in this container")
    out.add_argument(
        "--gradescope-zip", metavar="ZIP", help="write the autograder that Gradescope takes; grade nothing"
    )
    safe = parser.add_argument_group("safety")
    needed = safe.add_mutually_exclusive_group()
    needed.add_argument("--require-sandbox", action="store_true", help="stop if any protection is missing")
    needed.add_argument(
        "--unsafe", action="store_true", help="grade even where submissions can write anywhere"
    )
    defaults = Limits()
    for name, (least, most) in RANGES.items():
        example = int(getattr(defaults, name))
        told = f"{LIMITS[name]} (default: from the assignment, or {example})"
        reader = whole_number(int(least), int(most), example)
        safe.add_argument(f"--{name.replace('_', '-')}", type=reader, metavar="N", help=told)
    speed = parser.add_argument_group("speed")
    speed.add_argument(
        "--jobs", type=whole_number(1, 256, 2), metavar="N", help="submissions at a time (one per processor)"
    )
    speed.add_argument(
        "--no-fork", action="store_true", help="one Python process per submission, as on macOS and Windows"
    )
    speed.add_argument("--scheduler", metavar="ADDRESS", help="use a Dask cluster, such as tcp://host:8786")
    add_quiet(parser)
    return parser


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        told = f"{text!r} is no time; try 2026-11-22T23:59"
        raise argparse.ArgumentTypeError(told) from None


@command(NAME)
def main(argv: Sequence[str] | None = None) -> int:
    """Grade; return 0 if all could be graded."""
    parser = grade_parser()
    options = parser.parse_args(argv, argparse.Namespace(quiet=False))
    if options.gradescope:
        return grade_in_container(parser, options)
    if options.gradescope_zip:
        return write_zip(parser, options)
    if options.submissions is None or (options.output is None and not options.dry_run):
        parser.error("SUBMISSIONS and --output are needed; try 'lesson3 submissions/ --output grades/'")
    if options.resume and (options.force or options.only or options.seed is not None):
        parser.error("--resume continues the run with its old options: leave --force, --only and --seed out")
    if options.column and not options.canvas:
        parser.error("--column belongs to --canvas: name the gradebook too")
    if options.replace and not (options.canvas or options.moodle):
        parser.error("--replace belongs to --canvas or --moodle: name the file to fill in too")
    refuse_other_backends()
    from companion.grade.class_run import grade_class

    return grade_class(options, Report(quiet=options.quiet))


def grade_in_container(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Grade the one submission of a Gradescope container; its results file is there from the beginning on."""
    from companion.grade import gradescope_container

    if options.output is not None or options.submissions is not None:
        parser.error("--gradescope knows its folders below /autograder: leave SUBMISSIONS and --output out")
    refuse_other_backends()
    return gradescope_container.grade_one(options)


def write_zip(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Write what Gradescope builds a container from."""
    from companion.grade.gradescope_zip import write_gradescope_zip

    if options.output is not None or options.submissions is not None:
        parser.error("--gradescope-zip grades nothing: leave SUBMISSIONS and --output out")
    return write_gradescope_zip(options, Report(quiet=options.quiet))


if __name__ == "__main__":
    raise SystemExit(main())
