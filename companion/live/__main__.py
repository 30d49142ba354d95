"""``python -m companion.live``: activities in the browser, each on a real network that trains meanwhile."""

import argparse
from collections.abc import Sequence

from companion.live.start import PORT, announce, run
from companion.terminal.arguments import OneLineParser, whole_number
from companion.terminal.console import command
from companion.terminal.lesson_list import LESSONS

NAME = "python -m companion.live"
FIRST = "lesson4"


def live_parser() -> argparse.ArgumentParser:
    """Make the parser of the command."""
    told = "; ".join(f"{name}: {lesson.activity}" for name, lesson in LESSONS.items())
    parser = OneLineParser(
        prog=NAME,
        description=f"Opens a page in your browser with activities to play. {told}. Each trains a real "
        "network by hand and by .fit, and compares the two bit for bit.",
        epilog=f"The page is served to this machine only. Over SSH: ssh -L {PORT}:127.0.0.1:{PORT} HOST.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("lesson", nargs="?", default=FIRST, choices=LESSONS, metavar="LESSON", help=f"which ({FIRST})")
    port = whole_number(0, 65535, PORT)
    add("--port", type=port, default=PORT, metavar="N", help=f"of the page ({PORT}); 0 takes any")
    add("--no-browser", action="store_true", help="only print the address")
    return parser


@command(NAME)
def main(argv: Sequence[str] | None = None) -> int:
    """Serve the page until Ctrl-C."""
    options = live_parser().parse_args(argv)
    announce(options.lesson, options.port, browser=not options.no_browser)
    return run(options.lesson, {})


if __name__ == "__main__":
    raise SystemExit(main())
