"""How far apart two floats are: as numbers, and in units in the last place."""

from typing import Any

import numpy as np


def as_floats(values: Any) -> np.ndarray:
    """Keep floats in their own type; integers and booleans (counters, masks) become float64."""
    array = np.asarray(values)
    is_float = np.issubdtype(array.dtype, np.floating) or array.dtype.name == "bfloat16"
    return array if is_float else array.astype("float64")


def _numbered(values: np.ndarray) -> np.ndarray:
    """Give each float its rank among all floats of its type, from the most negative on."""
    unsigned = np.dtype(f"u{values.dtype.itemsize}")
    bits = values.view(unsigned)
    sign = unsigned.type(1 << (8 * values.dtype.itemsize - 1))
    return np.where(bits & sign, ~bits, bits | sign).astype("uint64")


def ulp_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Count the steps from one representable float to the next that lead from `a` to `b`.

    Parameters
    ----------
    a, b : ndarray
        Of the same shape and float type: float16, bfloat16, float32 or float64.

    Returns
    -------
    ndarray of float64, the shape of `a`
        0 exactly where the bits are the same or both are NaN; 1 for neighbors, and for
        -0.0 against 0.0, which are equal as numbers but not bit for bit; infinite for
        NaN against a number.
    """
    of_a, of_b = _numbered(a), _numbered(b)
    distance = (np.maximum(of_a, of_b) - np.minimum(of_a, of_b)).astype("float64")
    nan_a, nan_b = np.isnan(a), np.isnan(b)
    return np.where(nan_a & nan_b, 0.0, np.where(nan_a | nan_b, np.inf, distance))


def abs_difference(a: Any, b: Any) -> np.ndarray:
    """Take ``|a - b|`` where infinity and NaN can occur.

    Parameters
    ----------
    a, b : array_like of float
        Of the same shape.

    Returns
    -------
    ndarray of float64
        0 for equal infinities and for NaN against NaN; infinite where only one of the
        two is NaN.
    """
    a, b = np.asarray(a, dtype="float64"), np.asarray(b, dtype="float64")
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(a - b)
    return np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance))
