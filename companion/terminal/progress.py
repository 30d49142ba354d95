"""A bar for each training on standard error, while it lasts and only on a terminal."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_bars: Progress | None = None  # what is on the screen now, if anything


@contextmanager
def progress(show: bool = True) -> Iterator[None]:
    """Show the bars of all that is trained inside the ``with`` block; leave no trace of them."""
    global _bars
    terminal = Console(stderr=True)
    if not (show and terminal.is_terminal):
        yield
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=terminal, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as _bars:
        try:
            yield
        finally:
            _bars = None


@contextmanager
def training(description: str) -> Iterator[None]:
    """Show inside the ``with`` block, if bars are shown, that a training runs, and for how long."""
    if _bars is None:
        yield
        return
    task = _bars.add_task(description, total=None)
    yield
    _bars.update(task, total=1, completed=1)


def track(epochs: range, description: str) -> Iterable[int]:
    """Return `epochs` as they are; where bars are shown, one of them counts along."""
    return epochs if _bars is None else _count(epochs, description, _bars)


def _count(epochs: range, description: str, bars: Progress) -> Iterator[int]:
    task = bars.add_task(description, total=len(epochs))
    for done, epoch in enumerate(epochs, start=1):
        yield epoch
        bars.update(task, completed=done)
