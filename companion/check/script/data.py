"""The rows, the labels and the order that a script's loop was fed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from companion.check.recording.events import Forward
from companion.check.recording.rows import RowNumbers
from companion.check.recording.script_network import FitCall, Labels, Network
from companion.check.script.problem import NotComparableError


def data_of(
    network: Network, fit: FitCall | None, names: dict[str, Any], chosen: str | None, most_missing: int
) -> tuple[Any, np.ndarray]:
    """Return all rows that the loop should be fed, and for each row of the network's table its number there.

    An array of the script that has fewer than `most_missing` rows more may have lost them to a short batch.
    """
    try:
        table = network.table.data()
    except ValueError:
        raise NotComparableError(
            "nothing to compare with .fit yet, because the rows of the batches differ in shape, such as "
            "texts of different lengths: pad them to one length"
        ) from None
    if chosen is not None:
        rows = _found_in(table, names[chosen])
        if rows is None:
            raise NotComparableError(
                f"nothing to compare with .fit, because --x {chosen} does not hold the rows of the batches"
            )
        return np.asarray(names[chosen]), rows
    candidates = [] if fit is None else [fit.training_rows[0]]
    candidates += [value for value in names.values() if isinstance(value, np.ndarray | tf.Tensor)]
    best: tuple[int, Any, np.ndarray] | None = None
    for candidate in candidates:
        rows = _found_in(table, candidate)
        is_of_fit = fit is not None and candidate is fit.training_rows[0]
        if rows is not None and len(candidate) - len(rows) >= most_missing and not is_of_fit:
            continue  # the loop is fed a part of it, such as the rows of a fold
        if rows is not None and (best is None or len(candidate) < best[0]):
            best = len(candidate), np.asarray(candidate), rows
    if best is None:
        return table, np.arange(len(network.table.rows))
    return best[1], best[2]


def _found_in(table: Any, candidate: Any) -> np.ndarray | None:
    """Return where the rows of `table` stand in an array; None if one is not there."""
    if not isinstance(table, np.ndarray) or not isinstance(candidate, np.ndarray | tf.Tensor):
        return None
    shape = tuple(candidate.shape)
    if not shape or shape[1:] != table.shape[1:] or shape[0] < len(table):
        return None
    return RowNumbers(np.asarray(candidate)).of(table)


def labels_of(
    network: Network, rows_of: np.ndarray, x: Any, name: str, names: dict[str, Any], chosen: str | None
) -> tuple[Any, np.ndarray | None, tuple[Labels, int] | None]:
    """Return the labels of all rows, their sample weights, and where a row was given other labels."""
    count = len(tf.nest.flatten(x)[0])
    if chosen is not None:
        y = np.asarray(names[chosen])
        if y.shape[:1] != (count,):
            rows = f"{len(y)} rows" if y.ndim else "no rows"
            raise NotComparableError(
                f"nothing to compare with .fit, because --y {chosen} has {rows}, and there are {count}"
            )
        return y, None, None
    outputs: dict[int, np.ndarray] = {}
    given: dict[int, np.ndarray] = {}
    weights = np.ones(count, dtype="float32")
    weighted, changed, where = False, set(), None
    for number, found in network.labels.items():
        forward = network.events[number]
        if not isinstance(forward, Forward) or forward.rows is None:
            continue
        rows = rows_of[forward.rows]
        for labels in found:
            if labels.output not in outputs:
                shape = (count, *labels.values.shape[1:])
                outputs[labels.output] = np.zeros(shape, labels.values.dtype)
                given[labels.output] = np.zeros(count, dtype=bool)
            all_of, known = outputs[labels.output], given[labels.output]
            if labels.values.shape[1:] != all_of.shape[1:]:
                continue
            again = known[rows]
            other = (all_of[rows] != labels.values).reshape(len(rows), -1).any(axis=1) & again
            if other.any():
                changed.update(rows[other].tolist())
                where = where or labels
            all_of[rows[~again]] = labels.values[~again]
            known[rows] = True
            if labels.weights is not None and labels.weights.size == len(rows):
                weights[rows], weighted = labels.weights.reshape(-1), True
    passes = sum(isinstance(event, Forward) and bool(event.tapes) for event in network.events)
    if not outputs and passes > 1.5 * network.updates:
        raise NotComparableError(
            f"nothing to compare with .fit, because {name} is called several times for each update, and its "
            "predictions are compared with each other: .fit compares one prediction with labels"
        )
    if not outputs:
        raise NotComparableError(
            f"nothing to compare with .fit yet, because it could not be seen what the predictions of {name} "
            "are compared with: name the labels with --y NAME"
        )
    for output, known in given.items():
        if not known.all():
            complete_labels(outputs[output], known, names)
    in_order = [outputs[number] for number in sorted(outputs)]
    labels_of_all = in_order[0] if len(in_order) == 1 else tuple(in_order)
    return labels_of_all, weights if weighted else None, (where, len(changed)) if where else None


def complete_labels(labels: np.ndarray, known: np.ndarray, names: dict[str, Any]) -> None:
    """Fill in the labels of rows that were never fed, from an array of the script that has all."""
    for value in names.values():
        if not isinstance(value, np.ndarray | tf.Tensor) or tuple(value.shape[:1]) != (len(labels),):
            continue
        whole = np.asarray(value)
        if whole.size == labels.size and np.array_equal(whole.reshape(labels.shape)[known], labels[known]):
            labels[~known] = whole.reshape(labels.shape)[~known]
            return


def orders_of(fed: Sequence[np.ndarray], epochs: int, count: int) -> list[np.ndarray]:
    """Return in which order ``.fit`` is fed in each epoch: as the loop was, rows it left out at the end."""
    orders: list[np.ndarray] = []
    steps = len(fed) // epochs
    first = len(np.unique(np.concatenate(fed[:steps])))
    # Hardly a row comes again where each epoch changes them, as when pictures are turned.
    changing = epochs > 1 and len(np.unique(np.concatenate(fed))) > 1.5 * first
    for epoch in range(epochs):
        rows = np.concatenate(fed[epoch * steps : (epoch + 1) * steps])
        _, places = np.unique(rows, return_index=True)
        once = rows[np.sort(places)]
        missing = np.setdiff1d(np.arange(count), once)
        order = np.concatenate([once, missing])
        as_they_stand = np.array_equal(once, np.sort(once))
        if changing:
            orders.append(once)
        else:
            orders.append(np.arange(count) if as_they_stand else order)
    return orders
