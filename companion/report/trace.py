"""One pass through a small network and one update, number by number: parts of lesson 2's report."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from companion.comparison.ulp import abs_difference
from companion.lesson2 import (
    WIGGLE,
    Arrays,
    by_chain_rule,
    by_tape,
    by_wiggling,
    forward,
    mean_squared_error,
)
from companion.report.landscape import flat, names_of
from companion.terminal.console import Report
from companion.terminal.formats import distance

MOST_ROWS = 60  # of a table
MOST_IN_A_LINE = 8
REPEATS = 25
LONG_ENOUGH = 0.5  # seconds
AT_THE_CORNER = 1e-6  # an input this near to 0 is 0 but for rounding
TINY = "the tiny number is 0 except for rounding: see the corner of ReLU below"
PROBE = (0.3, -0.2, 0.4, 0.1)  # outgoing weights with which a unit at the corner would matter


def print_forward(report: Report, weights: Arrays, x: np.ndarray, y: np.ndarray) -> None:
    """Follow one row from its inputs to its loss."""
    report.part("The forward pass, with the initial weights")
    z1, a1, output = forward(weights, x)
    near = (z1 != 0) & (np.abs(z1) <= AT_THE_CORNER)
    report.facts(
        [
            ("x", _numbers(x)),
            ("x W1 + b1", _numbers(z1) + (f" ({TINY})" if near.any() else "")),
            ("its ReLU", _numbers(a1)),
            ("ReLU W2 + b2", f"{_numbers(output)}, the prediction"),
            ("target y", _numbers(y)),
            ("squared errors", _numbers((output - y) ** 2)),
            ("loss", f"{mean_squared_error(weights, x, y):.6g}, their mean"),
        ]
    )


def _numbers(row: np.ndarray) -> str:
    """Write the numbers of one row, as many as fit."""
    shown = [f"{value:.6g}" for value in row.ravel()[:MOST_IN_A_LINE]]
    return ", ".join([*shown, "..."] if row.size > MOST_IN_A_LINE else shown)


def print_gradients(report: Report, model: keras.Model, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Work out the gradient in three ways, set them side by side, and say what each costs."""
    weights, tape = model.get_weights(), by_tape(model, x, y)
    count = sum(array.size for array in weights)
    report.part(f"All {count} gradients, three ways")
    ways: dict[str, tuple[Callable[[], Sequence[Any]], str]] = {
        "wiggling": (lambda: by_wiggling(weights, x, y), f"{2 * count} forward"),
        "chain rule": (lambda: by_chain_rule(weights, x, y), "1 forward, 1 backward"),
        "tape": (tape, "1 forward, 1 backward"),
    }
    columns = {name: flat(work()) for name, (work, _) in ways.items()}
    values = list(columns.values())
    apart = np.max([abs_difference(a, b) for i, a in enumerate(values) for b in values[:i]], axis=0)
    _print_parameters(report, columns | {"largest\ndifference": apart}, names_of(weights))
    largest = distance(float(apart.max()))
    report.print(
        f"the largest difference of all {count}: {largest} (wiggling divides the rounding by {2 * WIGGLE:g})"
    )
    nothing = tf.function(lambda: tf.constant(0.0))
    costs = [
        ("one forward pass", lambda: mean_squared_error(weights, x, y), "1 forward"),
        *((name, work, passes) for name, (work, passes) in ways.items()),
        ("an empty call of TensorFlow", nothing, "none"),
    ]
    rows = [[name, passes, f"{seconds(work) * 1e6:.0f}"] for name, work, passes in costs]
    report.table(["way", "passes through the network", "microseconds"], rows, text_columns=(0, 1))
    report.print("(the first three in NumPy, the tape in TensorFlow)", style="dim")
    return [gradient.numpy() for gradient in tape()]


def seconds(work: Callable[[], Any]) -> float:
    """Time `work`, in seconds: the median of some calls, of fewer where they take long."""
    times: list[float] = []
    while len(times) < REPEATS and sum(times) < LONG_ENOUGH:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def print_units(report: Report, states: Mapping[str, Arrays], x: np.ndarray, all_x: np.ndarray) -> None:
    """Print which hidden units are active, and which are dead: never above 0, so that they do not learn."""
    report.part("Which hidden units are dead, and the corner of ReLU")
    into = {header: forward(weights, x)[0][0] for header, weights in states.items()}
    active = {
        header: (forward(weights, all_x)[0] > AT_THE_CORNER).sum(axis=0) for header, weights in states.items()
    }
    start, trained = list(into.values())[:2]
    rows = []
    for unit, value in enumerate(start[:MOST_ROWS]):
        word = "at the corner" if abs(value) <= AT_THE_CORNER else "active" if value > 0 else "silent"
        counts = [str(count[unit]) for count in active.values()]
        rows.append([str(unit), f"{value:.2g}", word, f"{trained[unit]:.2g}", *counts])
    columns = ["unit", "into ReLU,\nat the start", "on the\nimage", "into ReLU,\ntrained", *states]
    report.table(columns, rows, text_columns=(2,))
    report.print(
        f"(the last {len(states)} columns: on how many of all {len(all_x)} images it is active)", style="dim"
    )
    silent, dead = np.flatnonzero(start <= AT_THE_CORNER), np.flatnonzero(next(iter(active.values())) == 0)
    report.print(
        f"Dead while only this image is used, since their input weights have no gradient: {_units(silent)}. "
        f"Dead at the start on all {len(all_x)} images: {_units(dead)}."
    )
    if (trained <= AT_THE_CORNER).all():
        report.print(
            "After the training on the image, no unit is active on it any more. Only b2 still learns, and b2 "
            "is the network's answer to the image, whatever W1 and W2 are."
        )


def _units(numbers: np.ndarray) -> str:
    """Name units by their numbers."""
    if not numbers.size:
        return "none"
    return ("unit " if numbers.size == 1 else "units ") + _numbers(numbers)


def print_corner(report: Report, model: keras.Model, x: np.ndarray, y: np.ndarray) -> None:
    """Print the gradient of a unit whose input is 0 except for rounding."""
    weights = model.get_weights()
    z1 = forward(weights, x)[0][0]
    in_tensorflow = (tf.matmul(tf.constant(x, model.dtype), weights[0]) + weights[1]).numpy()[0]
    zero = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        above = tf.nn.relu(zero)
    slope = tape.gradient(above, zero).numpy()
    report.print(f"At exactly 0 ReLU has two slopes, 0 below and 1 above; TensorFlow takes {slope:g}.")
    corner = np.flatnonzero(np.abs(z1) <= AT_THE_CORNER)
    if not corner.size:
        report.print("No hidden unit is there.")
        return
    unit = int(corner[0])
    probed = [array.copy() for array in weights]
    if weights[2][unit].any():
        here = f"With its outgoing weights, {_numbers(weights[2][unit])}, "
        verb = "is"
    else:
        probed[2][unit] = np.resize(PROBE, probed[2].shape[1])
        here = "Here this does not matter, since its outgoing weights are all 0. If they were "
        here += f"{_numbers(probed[2][unit])}, "
        verb = "would be"
    probe = keras.models.clone_model(model)
    probe.set_weights(probed)
    slopes = {
        "from above": 2 * (forward(probed, x)[2] - y)[0] / y.size @ probed[2][unit],
        "by wiggling": by_wiggling(probed, x, y)[1][unit],
        "by NumPy's chain rule": by_chain_rule(probed, x, y)[1][unit],
        "by tape": by_tape(probe, x, y)()[1].numpy()[unit],
    }
    found = ", ".join(f"{value:.4f} {way}" for way, value in slopes.items())
    report.print(
        f"Unit {unit} is there: its input is 0 except for rounding, {z1[unit]:.1e} in NumPy and "
        f"{in_tensorflow[unit]:.1e} in TensorFlow, which adds up in another order. {here}the slope of "
        f"b1[{unit}] {verb} 0 from below, {found}. Wiggling finds the mean of the two slopes. Rounding "
        "decides which of the two the others find."
    )


def print_update(
    report: Report,
    before: Arrays,
    gradients: Arrays,
    after: Arrays,
    x: np.ndarray,
    y: np.ndarray,
    rate: float,
) -> None:
    """Set every weight before one update beside its value after it, and likewise the loss."""
    report.part(f"One update by hand: new = old - {rate:g} times gradient")
    columns = {"old": flat(before), "gradient": flat(gradients), "new": flat(after)}
    _print_parameters(report, columns, names_of(before))
    losses = (mean_squared_error(weights, x, y) for weights in (before, after))
    by_rule = columns["old"] - rate * columns["gradient"]
    apart = float(abs_difference(by_rule, columns["new"]).max())
    report.print("loss before: {:.13g}, after: {:.13g}".format(*losses))
    report.print(
        f"(the optimizer gave new; old - {rate:g} gradient differs from it by at most {distance(apart)})",
        style="dim",
    )


def _print_parameters(report: Report, columns: Mapping[str, np.ndarray], names: Sequence[str]) -> None:
    """Print one row per parameter, up to `MOST_ROWS` of them."""
    rows = []
    for number, name in enumerate(names[:MOST_ROWS]):
        cells = [
            distance(float(values[number]))
            if "difference" in header
            else f"{round(float(values[number]), 9) + 0.0:.9f}"  # no -0
            for header, values in columns.items()
        ]
        rows.append([name, *cells])
    report.table(["", *columns], rows, text_columns=(0,))
    if len(names) > MOST_ROWS:
        report.print(f"(and {len(names) - MOST_ROWS} more)", style="dim")
