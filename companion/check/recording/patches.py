"""A method of a class, replaced for a while."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any


def definer(owner: type, name: str) -> type:
    """Give the class among those that `owner` is made of which defines a method."""
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
