"""A learner's function for an exercise, called: what comes out, as plain data. No answer is known here."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from companion.check.learner.traceback import LoopError
from companion.precision import precision

MOST_NUMBERS = 1000  # of an answer that are kept


def call(function: Callable[..., Any], name: str, arguments: Sequence[Any], dtype: str) -> dict[str, Any]:
    """Call a learner's function; return what comes out, as plain data."""
    try:
        with precision(dtype):
            return as_given(function(*arguments))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too
        failed = LoopError(error, f"in {name}")
        return {"not_done": True} if failed.not_done else {"error": str(failed)}


def as_given(value: Any) -> dict[str, Any]:
    """Write down what a function gave, as `call` does."""
    if value is None:
        return {"type": "None"}
    try:
        numbers = np.asarray(value, dtype="float64")
    except (TypeError, ValueError):
        return {"type": type(value).__name__}
    return {"numbers": numbers.ravel()[:MOST_NUMBERS].tolist(), "shape": list(numbers.shape)}
