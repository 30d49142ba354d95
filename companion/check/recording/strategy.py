"""A distribution strategy whose replicas run one after the other, on one device, where they can be seen.

In a watched run it takes the place of ``tf.distribute.MirroredStrategy``. Each replica gets its part of a
batch. The recorder lets the optimizer wait for the last replica, and update once, with the sum of all
gradients.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

Turn = Callable[[int, int], contextlib.AbstractContextManager[None]]


class Parts:
    """A value by replica."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = tuple(values)


class InTurn(tf.distribute.OneDeviceStrategy):
    """Runs a step for one replica after the other.

    Parameters
    ----------
    replicas : int
        The number of replicas.
    turn : callable
        Its context is entered while a replica runs; it gets the index of the replica and how many there are.
    """

    def __init__(self, replicas: int, turn: Turn) -> None:
        super().__init__("CPU:0")
        self._replicas, self._turn = replicas, turn

    @property
    def num_replicas_in_sync(self) -> int:
        """How many replicas there are."""
        return self._replicas

    def run(self, fn: Callable, args: Any = (), kwargs: Any = None, options: Any = None) -> Any:
        """Run `fn` for each replica, on its parts; return what they return, by replica."""
        results = []
        for number in range(self._replicas):
            own_args, own_kwargs = (_part(given, number) for given in (tuple(args), dict(kwargs or {})))
            with self._turn(number, self._replicas):
                results.append(super().run(fn, own_args, own_kwargs, options))
        return results[0] if self._replicas == 1 else tf.nest.map_structure(lambda *of: Parts(of), *results)

    def reduce(self, reduce_op: Any, value: Any, axis: int | None) -> Any:
        """Add up, or average, the values of all replicas."""
        is_sum = str(getattr(reduce_op, "value", reduce_op)).upper() == "SUM"

        def reduced(one: Any) -> Any:
            values = list(self.experimental_local_results(one))
            joined = tf.stack(values) if axis is None else tf.concat(values, axis)
            return (tf.reduce_sum if is_sum else tf.reduce_mean)(joined, axis=axis or 0)

        return tf.nest.map_structure(reduced, value)

    def gather(self, value: Any, axis: int) -> Any:
        """Put the values of all replicas one after the other."""
        return tf.nest.map_structure(
            lambda one: tf.concat(list(self.experimental_local_results(one)), axis), value
        )

    def experimental_local_results(self, value: Any) -> tuple:
        """Return the values of all replicas."""
        return value.values if isinstance(value, Parts) else (value,)

    def experimental_distribute_dataset(self, dataset: Any, options: Any = None) -> Any:
        """Return the batches of a Dataset, each in parts."""
        return dataset if self._replicas == 1 else Distributed(dataset, self._replicas, divided=True)

    def distribute_datasets_from_function(self, dataset_fn: Callable, options: Any = None) -> Any:
        """Return the batches of the Dataset that a function makes for the replicas."""
        dataset = dataset_fn(tf.distribute.InputContext(1, 0, self._replicas))
        return dataset if self._replicas == 1 else Distributed(dataset, self._replicas, divided=False)


class Distributed:
    """The batches of a Dataset, by replica: each batch divided, or one batch for each."""

    def __init__(self, dataset: Any, replicas: int, *, divided: bool) -> None:
        self._dataset, self._replicas, self._divided = dataset, replicas, divided
        self.element_spec = dataset.element_spec

    def __len__(self) -> int:
        return len(self._dataset) if self._divided else -(-len(self._dataset) // self._replicas)

    def __iter__(self) -> "DistributedIterator":
        return DistributedIterator(self._batches())

    def _batches(self) -> Iterator[Any]:
        batches = iter(self._dataset)
        for batch in batches:
            if self._divided:
                yield tf.nest.map_structure(lambda one: Parts(_divide(one, self._replicas)), batch)
            else:
                none = tf.nest.map_structure(lambda one: one[:0], batch)  # for replicas without a batch
                more = [next(batches, none) for _ in range(self._replicas - 1)]
                yield tf.nest.map_structure(lambda *of: Parts(of), batch, *more)


class DistributedIterator:
    """An iterator as a distributed Dataset has it, with `get_next`."""

    def __init__(self, batches: Iterator[Any]) -> None:
        self._batches = batches

    def __iter__(self) -> "DistributedIterator":
        return self

    def __next__(self) -> Any:
        return next(self._batches)

    def get_next(self) -> Any:
        """Return the next batch."""
        try:
            return next(self._batches)
        except StopIteration:
            raise tf.errors.OutOfRangeError(None, None, "End of sequence") from None


def _part(given: Any, number: int) -> Any:
    return tf.nest.map_structure(lambda one: one.values[number] if isinstance(one, Parts) else one, given)


def _divide(tensor: tf.Tensor, replicas: int) -> list[tf.Tensor]:
    size = rows_of_a_part(len(tensor), replicas)
    return [tensor[number * size : (number + 1) * size] for number in range(replicas)]


def rows_of_a_part(rows: int, replicas: int) -> int:
    """Return how many rows of a batch a replica gets; the last ones that get any may get fewer."""
    return -(-rows // replicas)


@contextlib.contextmanager
def strategies_in_turn(turn: Turn) -> Iterator[None]:
    """Let a ``MirroredStrategy`` made in the ``with`` block be one `InTurn`, and need no logical devices."""
    mirrored, config = tf.distribute.MirroredStrategy, tf.config.set_logical_device_configuration

    class Mirrored(InTurn):
        def __init__(self, devices: Sequence[str] | None = None, cross_device_ops: Any = None) -> None:
            super().__init__(len(devices) if devices else 1, turn)

    tf.distribute.MirroredStrategy = Mirrored
    # TensorFlow has started, so no device can be made any more.
    tf.config.set_logical_device_configuration = lambda device, logical_devices: None
    try:
        yield
    finally:
        tf.distribute.MirroredStrategy, tf.config.set_logical_device_configuration = mirrored, config
