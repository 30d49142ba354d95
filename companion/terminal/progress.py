"""A bar for each training on standard error, while it lasts and only on a terminal."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

MOVE_EVERY = 50  # batches

Batch = TypeVar("Batch")

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
    return epochs if _bars is None else _count(epochs, description, _bars)


def _count(epochs: range, description: str, bars: Progress) -> Iterator[int]:
    task = bars.add_task(description, total=len(epochs))
    for done, epoch in enumerate(epochs, start=1):
        yield epoch
        bars.update(task, completed=done)


def track_batches(batches: Sequence[Batch]) -> Iterable[Batch]:
    """Give `batches` as they are; the newest bar moves along within its epoch.

    Parameters
    ----------
    batches : sequence
        Those of one epoch.

    Returns
    -------
    iterable
        Of the same.
    """
    return batches if _bars is None else _move(batches, _bars)


def _move(batches: Sequence[Batch], bars: Progress) -> Iterator[Batch]:
    for number, batch in enumerate(batches):
        yield batch
        if number % MOVE_EVERY == 0:
            bars.advance(bars.task_ids[-1], MOVE_EVERY / (len(batches) + MOVE_EVERY))


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
            _bars.update(self.task, completed=epoch + 1)


class FitBatchProgress(FitProgress):
    """The same for epochs of many batches: the bar also moves within an epoch."""

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Move on after some batches; at their end Keras would fetch the losses for it, which takes time."""
        if _bars is not None and self.task is not None and batch % MOVE_EVERY == 0:
            _bars.advance(self.task, MOVE_EVERY / (self.params["steps"] + MOVE_EVERY))
