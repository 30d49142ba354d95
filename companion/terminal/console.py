"""What people see in a terminal: the report on standard output, errors on standard error."""

import functools
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console, JustifyMethod
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from companion.errors import UserError
from companion.terminal.outputs import leave_stdout, stdout_refused
from companion.terminal.quiet_start import INTERRUPTED, end_of_start

MISUSE = 2
BETWEEN_COLUMNS = 3  # of a table
LONGEST_WORD = 24  # that a column of texts keeps whole: the path of a variable is longer
PAGE = 100  # columns of a report that is not printed


class Report(Console):
    """The report's paper: plain text, no markup, and no complaint when the reader closes the pipe."""

    def __init__(self, quiet: bool = False, **options: Any) -> None:
        # In a notebook, rich would make an output of its own of each line.
        options.setdefault("force_jupyter", False)
        # Numbers and file names are printed as they are: "[1]" is no color and 0.1 no link.
        super().__init__(quiet=quiet, markup=False, highlight=False, emoji=False, **options)
        self.parts = 0

    def on_broken_pipe(self) -> None:
        """Go on silently: files that were asked for are still to be written."""
        self.quiet = True
        leave_stdout()

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does."""
        try:
            super().print(*objects, **options)
        except OSError as error:
            raise stdout_refused(error) from None

    def heading(self, text: str) -> None:
        """Print a title."""
        self.print()
        self.print(text, style="bold")

    def part(self, title: str) -> None:
        """Open the next part of the report, numbered from 1."""
        self.parts += 1
        self.heading(f"{self.parts}. {title}")

    def indented(self, text: str, style: str | None = None) -> None:
        """Print a text with a margin, its further lines too."""
        self.print(Padding(Text(text, style=style or ""), (0, 0, 0, 3), expand=False))

    def facts(self, facts: Iterable[tuple[str, str]]) -> None:
        """Print a word and what it stands for, a pair after the other; long texts wrap beside their word."""
        facts = list(facts)
        if max((len(word) for word, _ in facts), default=0) > self.width // 2:  # too narrow for two columns
            for word, text in facts:
                self.print(word)
                self.indented(text)
            return
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for word, text in facts:
            grid.add_row(word, text)
        self.print(grid)

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[str]], *, text_columns: Sequence[int] = ()
    ) -> None:
        """Print a table, numbers aligned at the right."""
        table, rows, needed = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False), list(rows), 0
        for number, column in enumerate(columns):
            words = number in text_columns
            cells = [column, *(row[number] for row in rows)]
            least = max(len(part) for cell in cells for part in cell.split(None if words else "\n") or [""])
            least = min(least, LONGEST_WORD) if words else least
            justify: JustifyMethod = "left" if words else "right"
            table.add_column(column, justify=justify, no_wrap=not words, min_width=least, overflow="fold")
            needed += least + BETWEEN_COLUMNS
        for row in rows:
            table.add_row(*row)
        # Texts wrap to the terminal. Numbers are not cut: if they need more, the terminal wraps the line.
        own, self.width = self.width, max(self.width, needed - BETWEEN_COLUMNS)
        self.print(table)
        self.width = own


@contextmanager
def counting(report: Report, total: int, what: str) -> Iterator[Callable[[str], None]]:
    """Return a function that prints a line when one more is done; on a terminal, a bar counts too."""
    terminal = Console(stderr=True)
    if not terminal.is_terminal or report.quiet:
        yield functools.partial(report.print, soft_wrap=True)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal, transient=True) as bars:
        task = bars.add_task(what, total=total)

        def tell(line: str) -> None:
            report.print(line, soft_wrap=True)
            bars.advance(task)

        yield tell


def as_plain_text(write: Callable[[Report], None]) -> str:
    """Return what `write` prints on the report that it is handed, as text."""
    page = io.StringIO()
    write(Report(file=page, width=PAGE, color_system=None))
    return page.getvalue()


def as_html(write: Callable[[Report], None]) -> str:
    """Return the same as a piece of HTML, with its colors."""
    report = Report(file=io.StringIO(), width=PAGE, record=True)
    write(report)
    return report.export_html(inline_styles=True, code_format='<pre style="line-height: 1.3">{code}</pre>')


def fail(command: str, error: UserError) -> int:
    """Print the one line of `error` on standard error; return the exit status of misuse."""
    print(f"{command}: error: {error}", file=sys.stderr)
    return MISUSE


def command(name: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Turn what a user did wrong into one line and an exit status, for a command's ``main``."""

    def decorate(main: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(main)
        def guarded(argv: Sequence[str] | None = None) -> int:
            end_of_start()
            try:
                return main(argv)
            except UserError as error:
                return fail(name, error)
            except BaseException as error:
                if not _is_interruption(error):
                    raise
                print(f"{name}: interrupted", file=sys.stderr)
                return INTERRUPTED

        return guarded

    return decorate


def _is_interruption(error: BaseException | None) -> bool:
    """Return whether Ctrl-C caused an exception: an interrupted import may raise a different one."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None
