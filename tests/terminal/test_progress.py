"""The bars count trainings and epochs, and change nothing of what they watch."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from companion.terminal import progress


@pytest.fixture
def bars(monkeypatch):
    shown = Progress(console=Console(file=io.StringIO(), force_terminal=True))
    monkeypatch.setattr(progress, "_bars", shown)
    return shown


def test_without_a_terminal_what_is_counted_comes_back_as_it_is():
    epochs = range(3)
    assert progress.track(epochs, "combinations") is epochs
    with progress.training("by hand"):
        assert progress._bars is None


def test_a_bar_counts_along(bars):
    for number in progress.track(range(2), "combinations"):
        (task,) = bars.tasks
        assert task.completed == number
    assert (task.completed, task.total) == (2, 2)


def test_a_training_has_a_bar_that_is_whole_when_it_is_over(bars):
    with progress.training("by hand, learning rate 0.1"):
        (task,) = bars.tasks
        assert (task.description, task.total) == ("by hand, learning rate 0.1", None)
        assert not task.finished
    assert task.finished
