"""The bars count epochs, move within them, and change nothing of what they watch."""

import io

import keras
import numpy as np
import pytest
from rich.console import Console
from rich.progress import Progress

from companion.terminal import progress


@pytest.fixture
def bars(monkeypatch):
    shown = Progress(console=Console(file=io.StringIO(), force_terminal=True))
    monkeypatch.setattr(progress, "_bars", shown)
    return shown


def test_without_a_terminal_the_loop_gets_its_own_range_and_batches_back():
    epochs, batches = range(3), [1, 2]
    assert progress.track(epochs, "by hand") is epochs
    assert progress.track_batches(batches) is batches


def test_a_bar_moves_within_an_epoch_and_is_whole_at_its_end(bars):
    batches, seen = list(range(1000)), []
    for epoch in progress.track(range(2), "by hand"):
        (task,) = bars.tasks
        assert task.completed == epoch
        for batch in progress.track_batches(batches):
            seen.append((epoch, batch))
            if batch == 500:
                assert epoch + 0.4 < task.completed < epoch + 0.6
        assert epoch + 0.9 < task.completed < epoch + 1
    assert (task.completed, task.total) == (2, 2)
    assert seen == [(epoch, batch) for epoch in range(2) for batch in batches]


def test_fit_moves_its_bar_within_an_epoch_likewise(bars):
    class Monitor(keras.callbacks.Callback):
        halfway = ()

        def on_train_batch_end(self, batch, logs=None):
            if batch == 100:
                self.halfway += (bars.tasks[0].completed,)

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    watch = Monitor()
    x = np.ones((200, 1))
    callbacks = [progress.FitBatchProgress(".fit"), watch]
    model.fit(x, x, batch_size=1, epochs=2, callbacks=callbacks, verbose=0)
    assert [0.4 < halfway - epoch < 0.7 for epoch, halfway in enumerate(watch.halfway)] == [True, True]
    assert bars.tasks[0].completed == 2
