"""``python -m companion.notebooks OUTPUT/``: the walkthroughs as notebooks, for Jupyter and Colab."""

import argparse
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

from companion.errors import OutputError, UserError
from companion.terminal.arguments import OneLineParser
from companion.terminal.console import Report, command
from companion.terminal.lesson_list import FIRST_TO_LAST, LESSONS, lesson_file
from companion.terminal.outputs import holds_other, write

NAME = "python -m companion.notebooks"
FIRST_CELL = """\
*Made from `lessons/{lesson}/walkthrough.py` by `python -m companion.notebooks`. Change what you like.*

This notebook needs the package `companion` where it runs. In Colab, upload its wheel
(`pip wheel . --no-deps` makes it) and run `%pip install fit_by_hand-*.whl` in a cell of its own first."""


def notebooks_parser() -> argparse.ArgumentParser:
    """Make the parser of the command."""
    parser = OneLineParser(
        prog=NAME,
        description="Makes a notebook of each lesson's walkthrough, OUTPUT/lesson1.ipynb and so on.",
        epilog="Exit status: 0 the notebooks were written; 2 nothing was written.",
        allow_abbrev=False,
    )
    parser.add_argument("output", metavar="OUTPUT", help="folder for the notebooks; created if it is missing")
    parser.add_argument(
        "lessons",
        nargs="*",
        default=[],
        metavar="LESSON",
        help=f"{FIRST_TO_LAST}; all by default",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace notebooks that exist and have been changed"
    )
    return parser


@command(NAME)
def main(argv: Sequence[str] | None = None) -> int:
    """Write the notebooks; return 0."""
    parser = notebooks_parser()
    options = parser.parse_intermixed_args(argv)
    if options.output in ("", *LESSONS):
        parser.error(f"OUTPUT is {options.output!r}: name a folder first, such as notebooks/, then lessons")
    for lesson in options.lessons:
        if lesson not in LESSONS:
            parser.error(
                f"{lesson!r} is no lesson: there are {', '.join(LESSONS)}; name some, or none for all"
            )
    folder, report = Path(options.output), Report()
    made = {folder / f"{lesson}.ipynb": notebook(lesson) for lesson in options.lessons or LESSONS}
    refuse_to_lose(made, options.overwrite)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{options.output!r} cannot be made: {error.strerror}; name another") from None
    for path, text in made.items():
        write(str(path), text.encode())
        report.print(str(path), soft_wrap=True)
    report.print("Open them in Jupyter (pip install jupyterlab; then jupyter lab), or upload them to Colab.")
    return 0


def refuse_to_lose(made: Mapping[Path, str], overwrite: bool) -> None:
    """Refuse to write where something else stands, unless that is wanted."""
    for path in made:
        if path.is_dir():
            raise OutputError(f"{str(path)!r} is a folder: name another OUTPUT")
    changed = [path for path, text in made.items() if holds_other(str(path), text.encode())]
    if changed and not overwrite:
        names = ", ".join(path.stem for path in changed)
        told = "has been changed, perhaps by running it: --overwrite replaces it; or name the other lessons"
        raise OutputError(f"{str(changed[0].parent)!r}: the notebook of {names} {told}")


def notebook(lesson: str) -> str:
    """Make the notebook of a lesson; the same walkthrough gives the same text."""
    if importlib.util.find_spec("jupytext") is None:
        raise UserError(
            "jupytext, which makes the notebooks, is missing; pip install 'fit-by-hand[notebooks]'"
        )
    import jupytext
    from nbformat.v4 import new_markdown_cell

    source = lesson_file(lesson, "walkthrough.py").read_text(encoding="utf-8")
    made = jupytext.reads(source, fmt="py:percent")
    made.cells.insert(0, new_markdown_cell(FIRST_CELL.format(lesson=lesson)))
    for number, cell in enumerate(made.cells):
        cell["id"] = f"{lesson}-{number}"  # else drawn anew each time
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made.metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return jupytext.writes(made, fmt="ipynb") + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
