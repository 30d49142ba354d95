"""A bar for each training on standard error, while it lasts and only on a terminal."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

_bars: Progress | None = None  # what is on the screen now, if anything


@contextmanager
def progress(show: bool = True) -> Iterator[None]:
    """Show the bars of all that is trained inside the ``with`` block; leave no trace of them.

    Parameters
    ----------
    show : bool
        False to show nothing, even on a terminal.
    """
    global _bars
    terminal = Console(stderr=True)
    if not (show and terminal.is_terminal):
        yield
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=terminal, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as _bars:
        try:
            yield
        finally:
            _bars = None


def track(epochs: range, description: str) -> Iterable[int]:
    """Give `epochs` as they are; where bars are shown, one of them counts along.

    Parameters
    ----------
    epochs : range
        What a loop goes through.
    description : str
        What is being trained.

    Returns
    -------
    iterable of int
        The numbers of `epochs`.
    """
    return epochs if _bars is None else _bars.track(epochs, description=description)


class FitProgress(keras.callbacks.Callback):
    """The same for ``model.fit``, as a callback; it only counts.

    Parameters
    ----------
    description : str
        What is being trained.
    """

    def __init__(self, description: str) -> None:
        super().__init__()
        self.description = description
        self.task: TaskID | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Open a bar."""
        if _bars is not None:
            self.task = _bars.add_task(self.description, total=self.params["epochs"])

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Count an epoch."""
        if _bars is not None and self.task is not None:
            _bars.advance(self.task)
