"""How far apart two numbers are: by their difference, and in units in the last place."""

from typing import Any

import numpy as np

# What Keras computes in; the last three come from the package ml_dtypes, which NumPy does not know as floats.
FLOATS = ("float16", "float32", "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2")


def as_numbers(values: Any) -> np.ndarray:
    """Take real numbers as an array in this machine's byte order, each kept exactly as it is.

    Parameters
    ----------
    values : array_like
        Floats of a type in `FLOATS`, integers or booleans.

    Returns
    -------
    ndarray

    Raises
    ------
    TypeError
        If they are anything else: complex, longer floats, strings, objects.
    """
    array = np.asarray(values)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind not in "iub" and array.dtype.name not in FLOATS:
        raise TypeError(
            f"values of type {array.dtype} cannot be compared: allowed are {', '.join(FLOATS)} and integers"
        )
    return array


def _rank(values: np.ndarray) -> np.ndarray:
    """Return each float's rank among all floats of its type, from the most negative on."""
    unsigned = np.dtype(f"u{values.dtype.itemsize}")
    bits = values.view(unsigned)
    sign = unsigned.type(1 << (8 * values.dtype.itemsize - 1))
    return np.where(bits & sign, ~bits, bits | sign).astype("uint64")


def ulp_distance(a: Any, b: Any) -> np.ndarray:
    """Count the steps from one representable number to the next that lead from `a` to `b`.

    Parameters
    ----------
    a, b : array_like
        Of the same shape and type, as `as_numbers` takes them.

    Returns
    -------
    ndarray of float64, the shape of `a`
        0 exactly where the bits are the same or both are NaN; 1 for neighbors, and for
        -0.0 against 0.0, which are equal as numbers but not bit for bit; infinite for
        NaN against a number. Of integers it is the difference.

    Raises
    ------
    ValueError
        If shapes or types differ.
    TypeError
        As `as_numbers`.
    """
    a, b = as_numbers(a), as_numbers(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        raise ValueError(
            f"{a.dtype} of shape {a.shape} against {b.dtype} of {b.shape}: both must be the same"
        )
    if a.dtype.kind in "iub":
        # Two large integers can be the same as floats: what is not equal is at least 1 apart.
        return np.where(a == b, 0.0, np.maximum(abs_difference(a, b), 1.0))
    of_a, of_b = _rank(a), _rank(b)
    distance = (np.maximum(of_a, of_b) - np.minimum(of_a, of_b)).astype("float64")
    nan_a, nan_b = np.isnan(a), np.isnan(b)
    return np.where(nan_a & nan_b, 0.0, np.where(nan_a | nan_b, np.inf, distance))


def ulp_text(distance: float) -> str:
    """Write a distance in units in the last place: a large one says no more than its order."""
    return f"{distance:.0f}" if distance < 1e9 else f"{distance:.1e}"


def abs_difference(a: Any, b: Any) -> np.ndarray:
    """Take ``|a - b|`` where infinity and NaN can occur.

    Parameters
    ----------
    a, b : array_like of numbers
        Of the same shape.

    Returns
    -------
    ndarray of float64
        0 for equal infinities and for NaN against NaN; infinite where only one of the
        two is NaN. Integers beyond 2**53 are rounded first.
    """
    a, b = np.asarray(a, dtype="float64"), np.asarray(b, dtype="float64")
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(a - b)
    return np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance))
