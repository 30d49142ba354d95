"""``python -m companion``: the list of all commands; it also starts each of them."""

import importlib
import sys
from collections.abc import Sequence

import companion
from companion.errors import UserError
from companion.terminal.arguments import did_you_mean
from companion.terminal.console import Report, command
from companion.terminal.lesson_list import LESSONS
from companion.terminal.quiet_start import begin

TOOLS = {
    "check": "your own loop: is it .fit, and if not, why and in which line?",
    "live": "play in the browser: a ball on the loss, the inside of .fit, a dial to break things",
    "quiz": "questions on each lesson, some answered by running it; a score",
    "mistakes": "break a right loop on purpose, and see what happens",
    "notebooks": "each lesson's walkthrough as a notebook",
    "grade": "a class's loops, each in a sandbox: scores, mistakes, feedback",
    "compare": "your own network in a file, by hand and by .fit, side by side",
    "eject": "your own network's loop, as a file that needs nothing of ours",
    "conformance": "hundreds of small networks, by hand and by .fit: do any differ?",
}
USAGE = "python -m companion.NAME [OPTIONS]   or   companion NAME [OPTIONS]"


def index() -> str:
    """List the lessons and the tools, one per line."""
    lines = [
        f"companion {companion.__version__}: what .fit() does, written by hand, equal bit for bit",
        "",
        f"usage: {USAGE}",
        "",
        "lessons",
        *(f"  {name}  {lesson.title}: {lesson.shows}" for name, lesson in LESSONS.items()),
        "",
        "for your code (import check_loop, compare_with_fit, fit_by_hand, watching)",
        *(f"  {name:<11}  {title}" for name, title in TOOLS.items()),
        "",
        "'companion NAME --help' lists the options of each.",
    ]
    return "\n".join(lines)


@command("companion")
def main(argv: Sequence[str] | None = None) -> int:
    """Print the index, or hand the words after a name to that lesson or tool."""
    if argv is None:  # as the script "companion": with -m, the package has begun already
        begin("companion")
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        Report().print(index())
        return 0
    if words[0] == "--version":
        Report().print(f"companion {companion.__version__}")
        return 0
    known = [*LESSONS, *TOOLS]
    if words[0] not in known:
        meant = did_you_mean(words[0], known) or "try 'companion lesson3'"
        raise UserError(f"{words[0]!r} is not one of {', '.join(known)}; {meant.rstrip()}")
    if words[0] in LESSONS:
        from companion.report.options import begin_report, parse_lesson

        # --help, usage errors and the title need not wait for TensorFlow
        begin_report(words[0], parse_lesson(words[0], words[1:]))
    return importlib.import_module(home_of(words[0])).main(words[1:])


def home_of(name: str) -> str:
    """Return the module in which a command's ``main`` stands."""
    if name in LESSONS:
        return f"companion.report.{name}"
    return f"companion.{name}" if name == "notebooks" else f"companion.{name}.__main__"


if __name__ == "__main__":
    raise SystemExit(main())
