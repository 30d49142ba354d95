"""What is put in the place of methods and of concrete functions while a loop is watched."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf


def definer(owner: type, name: str) -> type:
    """Return the class that defines a method: `owner` or one of its base classes."""
    return next(base for base in owner.__mro__ if name in vars(base))


@contextlib.contextmanager
def replaced(owner: type, name: str, wrapper: Callable) -> Iterator[None]:
    """Let `wrapper` be called in place of a method, with the method in front of its arguments."""
    had = vars(owner).get(name)
    original = getattr(owner, name)

    @functools.wraps(original)
    def replacement(*args: Any, **kwargs: Any) -> Any:
        return wrapper(original, *args, **kwargs)

    del replacement.__wrapped__  # whoever looks for the method itself should find this
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        if had is None:
            delattr(owner, name)
        else:
            setattr(owner, name, had)


class EagerConcreteFunction:
    """The replacement for a concrete function: when called, it runs the function's Python code eagerly."""

    def __init__(self, function: Any, make: Callable, args: tuple, kwargs: dict[str, Any]) -> None:
        self._function, self._make, self._args, self._kwargs = function, make, args, kwargs

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function's Python."""
        given, called = iter(args), []
        for bound in self._args:
            called.append(next(given, bound) if isinstance(bound, tf.TensorSpec | tf.Tensor) else bound)
        bound_by_name = {
            name: value for name, value in self._kwargs.items() if not isinstance(value, tf.TensorSpec)
        }
        return self._function(*called, *given, **(bound_by_name | kwargs))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._make(*self._args, **self._kwargs), name)
