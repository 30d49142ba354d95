"""The replicas of one step: each has a thread, and one runs at a time, until it must wait for the others.

So tapes and contexts belong to one replica, as in TensorFlow's own strategies.
"""

import contextlib
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import tensorflow as tf

from companion.check.learner.lines import called_from, own_place
from companion.errors import UserError

LONGEST_END = 1.0  # seconds that replicas have to end when another one has failed


class Watching(Protocol):
    """Is told what the replicas do."""

    def on_step_of_replicas(self, replicas: int) -> contextlib.AbstractContextManager[None]:
        """Return what is entered while so many replicas take a step."""

    def on_replica(self, number: int, replicas: int) -> contextlib.AbstractContextManager[None]:
        """Return what is entered each time that a replica runs, until it waits or ends."""


class _Over(BaseException):
    """The step is over: another replica has failed."""


class _Running(threading.local):
    step: "StepOfReplicas | None" = None  # whose replica runs in this thread
    number = 0


_running = _Running()


class StepOfReplicas:
    """Runs the replicas of one step.

    Parameters
    ----------
    replicas : int
        How many there are.
    watcher : Watching
        Whom to tell.
    """

    def __init__(self, replicas: int, watcher: Watching) -> None:
        self.replicas, self._watcher = replicas, watcher
        self._may_go = [threading.Semaphore(0) for _ in range(replicas)]
        self._has_stopped = threading.Semaphore(0)
        self._waiting: dict[int, tuple[str, str, Any]] = {}  # for what, in which line, and what it brings
        self._returned: dict[int, Any] = {}
        self._joined: Any = None
        self._error: BaseException | None = None
        self._is_over = False
        self.is_joining = False  # whether one replica acts for all

    def run(self, functions: Sequence[Callable[[], Any]]) -> list[Any]:
        """Run a function for each replica; return what they return."""
        caller = sys._getframe()
        threads = [
            threading.Thread(target=self._run_one, args=(number, function, caller), daemon=True)
            for number, function in enumerate(functions)
        ]
        for thread in threads:
            thread.start()
        try:
            with self._watcher.on_step_of_replicas(self.replicas):
                while len(self._returned) < self.replicas:
                    self._let_each_run()
        finally:
            self._is_over = True
            for may_go in self._may_go:
                may_go.release()
            for thread in threads:
                thread.join(LONGEST_END)
        return [self._returned[number] for number in range(self.replicas)]

    def _let_each_run(self) -> None:
        """Let each replica run until it waits for the others or returns."""
        for number in range(self.replicas):
            with self._watcher.on_replica(number, self.replicas):
                self._may_go[number].release()
                self._has_stopped.acquire()
            if self._error is not None:
                raise self._error
        if self._waiting and self._returned:
            number, (what, line, _) = next(iter(self._waiting.items()))
            raise UserError(
                f"replica {number} waits for the others at {what}{line}, but replica "
                f"{next(iter(self._returned))} has ended without it: let all replicas take the same way"
            )

    def _run_one(self, number: int, function: Callable[[], Any], caller: FrameType) -> None:
        """Run one replica, in its thread."""
        _running.step, _running.number = self, number
        try:
            self._wait(number)
            with called_from(caller):
                self._returned[number] = function()
        except _Over:
            return
        except BaseException as error:  # raised again where the step was called
            self._error = error
        self._has_stopped.release()

    def _wait(self, number: int) -> None:
        self._may_go[number].acquire()
        if self._is_over:
            raise _Over

    def meet(self, what: str, brought: Any, join: Callable[[list[Any]], Any]) -> Any:
        """Wait until all replicas are here; the last one makes the result for all of what they bring."""
        place = own_place()
        line = "" if place is None else f" ({Path(place.file).name}, line {place.line})"
        self._waiting[_running.number] = what, line, brought
        if len(self._waiting) == self.replicas:
            kinds, lines, values = zip(*(one for _, one in sorted(self._waiting.items())), strict=True)
            if len(set(kinds)) > 1:
                raise UserError(
                    f"replica 0 waits for the others at {kinds[0]}{lines[0]}, another one at "
                    f"{kinds[-1]}{lines[-1]}: let all replicas take the same way"
                )
            self._waiting.clear()
            self.is_joining = True
            try:
                self._joined = join(list(values))
            finally:
                self.is_joining = False
        self._has_stopped.release()
        self._wait(_running.number)
        return self._joined


def current_step() -> StepOfReplicas | None:
    """Return the step of which this thread runs a replica; None outside, and where one acts for all."""
    step = _running.step
    return None if step is None or step.is_joining else step


class Replica(tf.distribute.ReplicaContext):
    """What TensorFlow tells and does for a replica while it runs."""

    def all_reduce(self, reduce_op: Any, value: Any, options: Any = None) -> Any:
        """Add up, or average, a value of all replicas."""
        step = current_step()
        if step is None:
            return super().all_reduce(reduce_op, value, options)

        def join(values: list[Any]) -> list[tf.Tensor]:
            return [reduced(reduce_op, of_all) for of_all in zip(*values, strict=True)]

        @tf.custom_gradient
        def joined(*own: Any) -> tuple[Any, Callable]:
            return step.meet("all_reduce", own, join), lambda *upstream: self.all_reduce(reduce_op, upstream)

        parts = tf.nest.flatten(value)
        if any(isinstance(part, tf.IndexedSlices) for part in parts):
            found = step.meet("all_reduce", parts, join)  # of gradients, which nothing differentiates
        else:
            found = tf.nest.flatten(joined(*map(tf.convert_to_tensor, parts)))
        return tf.nest.pack_sequence_as(value, found)

    def merge_call(self, merge_fn: Callable, args: Any = (), kwargs: Any = None) -> Any:
        """Refuse what would run once for all replicas, unless an optimizer calls it."""
        if current_step() is not None:
            raise UserError(
                "merge_call in a replica is not watched: use all_reduce there, or strategy.reduce outside"
            )
        return super().merge_call(merge_fn, args, kwargs)

    def all_gather(self, value: Any, axis: int, options: Any = None) -> Any:
        """Refuse to put the values of replicas one after the other inside one of them."""
        if current_step() is not None:
            raise UserError("all_gather in a replica is not watched: use strategy.gather outside")
        return super().all_gather(value, axis, options)


class Copies:
    """The values of variables of which each replica has its own, as TensorFlow keeps them by device."""

    def __init__(self) -> None:
        self._of_replicas: dict[int, tuple[tf.Variable, list[tf.Tensor]]] = {}
        self._outside: dict[int, tf.Tensor] = {}  # what a variable is between two steps

    def take(self, variable: tf.Variable, replicas: int) -> None:
        """Give each replica a copy, if it has none."""
        if id(variable) not in self._of_replicas:
            self._of_replicas[id(variable)] = variable, [variable.read_value()] * replicas

    def begin(self) -> None:
        """Take over what was assigned outside of the replicas since their last step."""
        for key, (variable, values) in self._of_replicas.items():
            now = variable.read_value()
            if tf.reduce_any(now != self._outside[key]):
                is_sum = variable.aggregation == tf.VariableAggregation.SUM
                share = tf.cast(now / len(values), now.dtype) if is_sum else now
                values[:] = [share] * len(values)

    def load(self, number: int) -> None:
        """Let the variables be those of a replica."""
        for variable, values in self._of_replicas.values():
            variable.assign(values[number])

    def save(self, number: int) -> None:
        """Keep the values of a replica."""
        for variable, values in self._of_replicas.values():
            values[number] = variable.read_value()

    def end(self) -> None:
        """Let the variables be what is read outside of the replicas."""
        for key, (variable, values) in self._of_replicas.items():
            self._outside[key] = aggregated(variable, values)
            variable.assign(self._outside[key])


def aggregated(variable: tf.Variable, values: Sequence[Any]) -> Any:
    """Return what the replicas' values are together, for a variable."""
    kind = variable.aggregation
    if kind in (tf.VariableAggregation.SUM, tf.VariableAggregation.MEAN):
        return reduced("SUM" if kind == tf.VariableAggregation.SUM else "MEAN", values)
    return values[0]


def reduced(reduce_op: Any, values: Sequence[Any], axis: int | None = None) -> tf.Tensor:
    """Add up, or average, values of replicas; with an axis, their rows too."""
    is_sum = str(getattr(reduce_op, "value", reduce_op)).upper() == "SUM"
    if all(isinstance(one, tf.IndexedSlices) for one in values):  # as TensorFlow does: some optimizers mind
        rows = tf.concat([one.values for one in values], 0) / (1 if is_sum else len(values))
        return tf.IndexedSlices(rows, tf.concat([one.indices for one in values], 0), values[0].dense_shape)
    joined = tf.stack(values) if axis is None else tf.concat(values, axis)
    return (tf.reduce_sum if is_sum else tf.reduce_mean)(joined, axis=axis or 0)
