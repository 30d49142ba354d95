"""A distribution strategy whose replicas run in turn, on one device, where they can be seen.

In a watched run it takes the place of TensorFlow's strategies of replicas. Each replica gets its part of a
batch, and waits for the others where the optimizer updates: it does so once, with the sum of all gradients.
"""

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from companion.check.recording.patches import definer, replaced
from companion.check.recording.replicas import Replica, StepOfReplicas, Watching, reduced
from companion.errors import UserError

AT_THE_SAME_TIME = tf.distribute.MirroredStrategy, tf.distribute.MultiWorkerMirroredStrategy


class Parts(tf.distribute.DistributedValues):
    """A value by replica."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = tuple(values)


class InTurn(tf.distribute.OneDeviceStrategy):
    """Runs each step for all replicas in turn.

    Parameters
    ----------
    replicas : int
        The number of replicas.
    watcher : Watching
        Is told what the replicas do.
    takes_whole : callable
        Whether one replica takes each batch as a whole now: in a call of ``.fit``, which is not judged.
    """

    def __init__(self, replicas: int, watcher: Watching, takes_whole: Callable[[], bool]) -> None:
        super().__init__("CPU:0")
        self._replicas, self._watcher, self._takes_whole = replicas, watcher, takes_whole
        self.is_watched = True

    @property
    def num_replicas_in_sync(self) -> int:
        """How many replicas there are."""
        return 1 if self._takes_whole() else self._replicas

    def run(self, fn: Callable, args: Any = (), kwargs: Any = None, options: Any = None) -> Any:
        """Run `fn` for each replica, on its parts; return what they return, by replica."""
        replicas = self.num_replicas_in_sync
        if replicas == 1:
            return super().run(fn, _part(tuple(args), 0), _part(dict(kwargs or {}), 0), options)
        if not self.is_watched:
            raise UserError(
                "this strategy was made while the training was watched, which has ended: make the strategy "
                "and the network anew"
            )

        def run_one(number: int) -> Any:
            with self.scope(), Replica(self, number):
                return fn(*_part(tuple(args), number), **_part(dict(kwargs or {}), number))

        of_each = [functools.partial(run_one, number) for number in range(replicas)]
        results = StepOfReplicas(replicas, self._watcher).run(of_each)
        return tf.nest.map_structure(lambda *of: Parts(of), *results)

    def reduce(self, reduce_op: Any, value: Any, axis: int | None) -> Any:
        """Add up, or average, the values of all replicas."""
        return tf.nest.map_structure(
            lambda one: reduced(reduce_op, self.experimental_local_results(one), axis), value
        )

    def gather(self, value: Any, axis: int) -> Any:
        """Put the values of all replicas one after the other."""
        return tf.nest.map_structure(
            lambda one: tf.concat(list(self.experimental_local_results(one)), axis), value
        )

    def experimental_local_results(self, value: Any) -> tuple:
        """Return the values of all replicas."""
        return value.values if isinstance(value, Parts) else (value,)

    def experimental_distribute_values_from_function(self, value_fn: Callable) -> Any:
        """Return what a function returns for each replica."""
        replicas = self.num_replicas_in_sync
        contexts = [tf.distribute.experimental.ValueContext(number, replicas) for number in range(replicas)]
        return tf.nest.map_structure(lambda *of: Parts(of), *(value_fn(context) for context in contexts))

    def experimental_distribute_dataset(self, dataset: Any, options: Any = None) -> Any:
        """Return the batches of a Dataset, each in parts."""
        replicas = self.num_replicas_in_sync
        return dataset if replicas == 1 else Distributed(dataset, replicas, divided=True)

    def distribute_datasets_from_function(self, dataset_fn: Callable, options: Any = None) -> Any:
        """Return the batches of the Dataset that a function makes for the replicas."""
        replicas = self.num_replicas_in_sync
        dataset = dataset_fn(tf.distribute.InputContext(1, 0, replicas))
        return dataset if replicas == 1 else Distributed(dataset, replicas, divided=False)


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

    def get_next_as_optional(self) -> "NextBatch":
        """Return the next batch, or that there is none."""
        return NextBatch(list(itertools.islice(self._batches, 1)))


class NextBatch:
    """A batch that may be missing, as ``tf.experimental.Optional`` has it."""

    def __init__(self, batches: list[Any]) -> None:
        self._batches = batches

    def has_value(self) -> tf.Tensor:
        """Return whether there is a batch."""
        return tf.constant(bool(self._batches))

    def get_value(self) -> Any:
        """Return it."""
        return self._batches[0]


def _part(given: Any, number: int) -> Any:
    return tf.nest.map_structure(lambda one: one.values[number] if isinstance(one, Parts) else one, given)


def _divide(tensor: tf.Tensor, replicas: int) -> list[tf.Tensor]:
    size = rows_of_a_part(len(tensor), replicas)
    return [tensor[number * size : (number + 1) * size] for number in range(replicas)]


def rows_of_a_part(rows: int, replicas: int) -> int:
    """Return how many rows of a batch a replica gets; the last replicas may get fewer, or none."""
    return -(-rows // replicas)


def refuse_made_before() -> None:
    """Refuse to watch under a strategy of TensorFlow's own, whose replicas run at the same time."""
    if isinstance(tf.distribute.get_strategy(), AT_THE_SAME_TIME):
        raise UserError(
            "the strategy was made before the training was watched: make the strategy and the network inside "
            "the with block of watching(), or inside train"
        )


@contextlib.contextmanager
def strategies_in_turn(watcher: Watching) -> Iterator[None]:
    """Replace strategies made in the ``with`` block by `InTurn`, with the logical devices asked for.

    TensorFlow has started, so it can make no devices.
    """
    processors = [1]  # logical ones; the last number counts
    inside: list[str] = []  # the methods of Keras that run
    made: list[InTurn] = []

    def configured(original: Callable, device: Any, logical_devices: Sequence[Any]) -> None:
        processors.append(len(logical_devices) if device.device_type == "CPU" else processors[-1])

    def logical_devices(original: Callable, device_type: str | None = None) -> list[Any]:
        if device_type not in (None, "CPU"):
            return original(device_type)
        return [tf.config.LogicalDevice(f"/device:CPU:{number}", "CPU") for number in range(processors[-1])]

    def takes_whole(name: str, original: Callable, model: Any, *args: Any, **kwargs: Any) -> Any:
        inside.append(name)
        try:
            return original(model, *args, **kwargs)
        finally:
            inside.pop()

    class Mirrored(InTurn):
        def __init__(self, devices: Sequence[str] | None = None, cross_device_ops: Any = None) -> None:
            super().__init__(len(devices) if devices else processors[-1], watcher, lambda: bool(inside))
            made.append(self)

    class OnOne(InTurn):
        def __init__(self, device: str) -> None:
            super().__init__(1, watcher, lambda: bool(inside))

    class OneWorker(InTurn):
        cluster_resolver: Any = None  # which files ask for

        def __init__(self, cluster_resolver: Any = None, communication_options: Any = None) -> None:
            self.cluster_resolver = (
                cluster_resolver or tf.distribute.cluster_resolver.TFConfigClusterResolver()
            )
            cluster = self.cluster_resolver.cluster_spec().as_dict()
            workers = sum(len(cluster.get(kind, ())) for kind in ("chief", "worker"))
            if workers > 1:
                raise UserError(
                    f"the MultiWorkerMirroredStrategy of your file has {workers} workers, and one process is "
                    "watched: name one worker in TF_CONFIG, or check the file with MirroredStrategy"
                )
            super().__init__(1, watcher, lambda: bool(inside))  # a worker without a GPU has one replica

    def end() -> None:
        for one in made:
            one.is_watched = False

    old = tf.config.experimental
    with contextlib.ExitStack() as stack:
        for owner, name in (
            (tf.config, "set_logical_device_configuration"),
            (old, "set_virtual_device_configuration"),
        ):
            stack.enter_context(replaced(owner, name, configured))
        for owner in (tf.config, old):
            stack.enter_context(replaced(owner, "list_logical_devices", logical_devices))
        for name in ("fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch"):
            owner = definer(keras.Model, name)
            stack.enter_context(replaced(owner, name, functools.partial(takes_whole, name)))
        for owner, name, kind in (
            (tf.distribute, "MirroredStrategy", Mirrored),
            (tf.distribute, "OneDeviceStrategy", OnOne),
            (tf.distribute, "MultiWorkerMirroredStrategy", OneWorker),
            (tf.distribute.experimental, "MultiWorkerMirroredStrategy", OneWorker),
        ):
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, kind)
        stack.callback(end)
        yield
