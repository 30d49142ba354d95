"""From the data that ``.fit`` takes, arrays or anything else, to batches, epoch after epoch.

How data become batches is not training, so Keras' own adapters do it (`keras_private`).
This file shows when ``.fit`` starts an iterator, and what it does when the data end.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from companion.fit.keras_private import ArrayDataAdapter, get_data_adapter, last_step


class Pipeline:
    """The batches of a training, or of its validation, epoch after epoch.

    Parameters
    ----------
    x : array, DataFrame, tensor, list or dict of these, Dataset, PyDataset or generator
        As ``Model.fit`` takes it.
    y, sample_weight, class_weight
        Likewise; only with arrays, except `class_weight`.
    batch_size : int, optional
        Rows in a batch of arrays; 32 by default.
    steps_per_epoch : int, optional
        After how many batches an epoch ends, whether the data have ended or not.
    shuffle : bool or "batch"
        Whether arrays are fed in a random order.
    steps_per_execution : int
        Steps between two calls of the callbacks.
    strategy : tf.distribute.Strategy, optional
        Under which the model was made: each replica gets its part of a batch.

    Raises
    ------
    ValueError
        For data that ``.fit`` would refuse too, in Keras' words.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        batch_size: int | None = None,
        steps_per_epoch: int | None = None,
        shuffle: bool | str = False,
        class_weight: Mapping[int, float] | None = None,
        steps_per_execution: int = 1,
        strategy: tf.distribute.Strategy | None = None,
    ) -> None:
        self.steps_per_epoch = _limited(steps_per_epoch)
        self.steps_per_execution = steps_per_execution
        self._adapter = get_data_adapter(
            x=x,
            y=y,
            sample_weight=sample_weight,
            batch_size=batch_size,
            steps_per_epoch=self.steps_per_epoch,
            shuffle=shuffle,
            class_weight=class_weight,
        )
        self._dataset: Any = self._adapter.get_tf_dataset()
        self._is_distributed = strategy is not None
        if strategy is not None:
            self._dataset = strategy.experimental_distribute_dataset(self._dataset)
        self._begin()

    def reset(self) -> None:
        """Begin anew: the next epoch starts with the first batch."""
        self._begin()
        # Yes, before the first epoch too: a PyDataset that reshuffles in on_epoch_end does so then.
        self._adapter.on_epoch_end()

    def _begin(self) -> None:
        self._batches: int | None = self._adapter.num_batches  # None while nobody knows
        self._iterator: Any = None  # a tf.data.Iterator, once an epoch has begun
        self._steps_seen = 0

    @property
    def steps(self) -> int | None:
        """Steps in an epoch; for data of unknown length, None until their end has been seen once."""
        return self.steps_per_epoch or self._batches

    def epoch(self) -> Iterator[tuple[int, int, Any]]:
        """Go through one epoch, a group of `steps_per_execution` steps at a time.

        Yields
        ------
        first_step, last_step : int
            Under which ``.fit`` reports the group's begin and end.
        iterator : tf.data.Iterator
            From which the group's batches are to be fetched.
        """
        self._adapter.on_epoch_begin()
        steps = self.steps_per_epoch or self._batches or -1
        if steps < 0:  # nobody knows the end, or there is nothing at all
            iterator, step = iter(self._dataset), 0
            while True:  # until the iterator is out of data
                self._steps_seen = step + self.steps_per_execution
                yield step, last_step(step, self.steps_per_execution), iterator
                step += self.steps_per_execution
        # With steps_per_epoch an epoch goes on where the last one stopped; without, it starts anew.
        if self._iterator is None or self.steps_per_epoch is None:
            self._start()
        iterator = self._iterator
        for step in range(0, steps, self.steps_per_execution):
            if self._is_used_up():
                if self.steps_per_epoch:
                    _warn_that_data_ended()
                break
            self._steps_seen += self.steps_per_execution
            yield step, last_step(step, self.steps_per_execution), iterator
        if self._is_used_up():
            self._start_again()
        self._adapter.on_epoch_end()

    def _start(self) -> None:
        self._iterator = iter(self._dataset)
        self._steps_seen = 0

    def _start_again(self) -> None:
        # Without steps_per_epoch the next epoch starts an iterator of its own, and .fit makes this one for
        # nothing. A Dataset that reshuffles notices: its epochs see its first, third, fifth order. Arrays
        # do not, and making it takes most of the time of a short epoch, so for them it is left out. Under
        # a strategy they do: an iterator reads ahead as soon as it is made, and so draws an order.
        is_array = isinstance(self._adapter, ArrayDataAdapter) and not self._is_distributed
        if self.steps_per_epoch is None and is_array:
            self._iterator = None
        else:
            self._start()

    def _is_used_up(self) -> bool:
        return self._batches is not None and 0 < self._batches <= self._steps_seen

    @contextmanager
    def until_data_end(self) -> Iterator[None]:
        """End the ``with`` block, and the epoch with it, where a batch is asked for and there is none."""
        try:
            yield
        except (StopIteration, tf.errors.OutOfRangeError):
            if self._batches is None:
                # The step that found nothing counts: .fit begins that step in every later epoch too.
                self._batches = self._steps_seen
            _warn_that_data_ended()
            self._iterator = None
            self._adapter.on_epoch_end()


def _limited(steps_per_epoch: int | None) -> int | None:
    most = keras.config.max_steps_per_epoch() if hasattr(keras.config, "max_steps_per_epoch") else None
    if most and (not steps_per_epoch or most < steps_per_epoch):
        warnings.warn(f"Limiting steps_per_epoch to {most}", stacklevel=2)
        return most
    return steps_per_epoch


def _warn_that_data_ended() -> None:
    warnings.warn(
        "the data ended before the epoch did: steps_per_epoch * epochs batches are needed; .repeat() gives "
        "them to a Dataset (in the first epoch over data of unknown length this warning is harmless)",
        stacklevel=2,
    )
