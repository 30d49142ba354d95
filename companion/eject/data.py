"""Looks at data: how ``.fit`` makes batches of them, or why no loop is written for them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import GeneratorType
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from companion.compare.model_file import feeds_itself
from companion.errors import UserError
from companion.fit.keras_private import get_data_adapter

PARTS = ("x", "y", "weights")
ARRAYS, DATASET, SEQUENCE, GENERATOR = "arrays", "Dataset", "PyDataset", "generator"


@dataclass
class Data:
    """The data of a training, or of its validation.

    Attributes
    ----------
    kind : {"arrays", "Dataset", "PyDataset", "generator"}
        What is given.
    parts : tuple of str
        What a batch is made of: "x", "y", "weights".
    counted : str
        An expression for the tensor whose rows are counted.
    is_tuple : bool
        Whether a batch, or what is given as validation, is a tuple.
    batches : int, optional
        In one pass over the data; None if that is not known, or if there is no end.
    steps : int, optional
        ``steps_per_epoch``, or ``validation_steps``.
    batch_size : int
        Rows per batch, for arrays.
    changes : dict of str to str
        By the name of an array: an expression for what ``.fit`` makes of it.
    nested : bool
        Whether a part is a list, tuple or dict of arrays.
    signature : str
        Of a PyDataset or generator: an expression for shapes and types of a batch.
    batch : str
        Of a PyDataset: an expression that makes a tuple of what it returns for a number.
    methods : tuple of str
        Of a PyDataset: its own methods that ``.fit`` calls when an epoch begins and ends.
    workers : int
        Of a PyDataset: threads or processes that read.
    is_random : bool
        Of a PyDataset: whether a batch that is read twice differs.
    """

    kind: str
    parts: tuple[str, ...]
    counted: str = "x"
    is_tuple: bool = True
    batches: int | None = None
    steps: int | None = None
    batch_size: int = 32
    changes: dict[str, str] = field(default_factory=dict)
    nested: bool = False
    signature: str = ""
    batch: str = "sequence[number]"
    methods: tuple[str, ...] = ()
    workers: int = 1
    is_random: bool = False

    @property
    def stops_early(self) -> bool:
        """Whether an epoch ends after a given number of steps; the next epoch goes on from that batch."""
        return self.steps is not None

    @property
    def starts_twice(self) -> bool:
        """Whether ``.fit`` starts one more iterator than it uses, and a Dataset can notice it."""
        return self.kind == DATASET and self.batches is not None and not self.steps


def look_at_data(x: Any, y: Any, arguments: Mapping[str, Any]) -> Data:
    """Look at the data of a training.

    Parameters
    ----------
    x, y
        As ``load_data()`` gives them.
    arguments : mapping
        Of ``.fit``.

    Raises
    ------
    UserError
        For data for which no loop is written, with the reason.
    """
    steps = arguments.get("steps_per_epoch")
    if not feeds_itself(x):
        parts = {"x": x, "y": y, "weights": arguments.get("sample_weight")}
        weighted = bool(arguments.get("class_weight")) or parts["weights"] is not None
        if weighted and y is None:
            raise UserError("weights of rows need targets, and load_data() gives x alone: return x and y")
        given = {name: part for name, part in parts.items() if part is not None}
        found = _arrays(given, arguments.get("batch_size"), steps, arguments.get("validation_split") or 0.0)
        found.parts = PARTS[: 1 if y is None else 3 if weighted else 2]
        return found
    found = _feeding(x)
    for name in ("class_weight", "validation_split"):
        if arguments.get(name):
            raise UserError(f"eject writes no loop with {name} for a {found.kind}: give arrays")
    if found.batches is None and not steps and (found.kind != DATASET or _is_endless(x)):
        raise UserError(f"eject writes no loop for a {found.kind} without an end: give steps_per_epoch")
    found.steps = steps
    if found.kind == SEQUENCE and steps and (found.methods or found.workers > 1):
        what = " and ".join(found.methods) or "workers"
        raise UserError(
            f"eject writes no loop with steps_per_epoch for a PyDataset with {what}: threads read ahead, "
            "so .fit does not repeat itself"
        )
    return found


def look_at_validation(given: Any, arguments: Mapping[str, Any]) -> Data:
    """Look at ``validation_data``, as `look_at_data`."""
    steps = arguments.get("validation_steps")
    if not feeds_itself(given):
        is_tuple = isinstance(given, tuple | list)
        parts = tuple(given) if is_tuple else (given,)
        names = [f"{name}_val" for name in PARTS]
        found = _arrays(dict(zip(names, parts, strict=False)), _validation_batch_size(arguments), steps)
        found.is_tuple, found.parts = is_tuple, PARTS[: len(parts)]
        return found
    if isinstance(given, GeneratorType):
        raise UserError(
            "eject writes no loop that validates on a generator: the next validation goes on where a thread "
            "that reads ahead has stopped; give arrays, a Dataset or a PyDataset"
        )
    found = _feeding(given)
    if found.is_random:
        raise UserError(
            "eject writes no loop that validates on a PyDataset with random batches: give the same batches "
            "each time"
        )
    if found.batches is None and not steps and (found.kind != DATASET or _is_endless(given)):
        raise UserError(f"eject validates on no {found.kind} without an end: give validation_steps")
    if found.kind == SEQUENCE and steps and found.workers > 1:
        raise UserError(
            "eject writes no loop with validation_steps for a PyDataset with workers: batches that they read "
            "ahead appear in the next validation, so .fit does not repeat itself"
        )
    if found.batches is None or (steps or found.batches) < found.batches:
        found.steps = steps  # each validation begins anew, so steps count only if they end before the data
    return found


def held_out(x: Any, data: Data, arguments: Mapping[str, Any]) -> Data:
    """Describe the rows that ``validation_split`` holds out; class weights do not apply to them."""
    rows = len(keras.tree.flatten(x)[0])
    rows -= int(rows * (1 - arguments["validation_split"]))
    steps = arguments.get("validation_steps")
    size = _batch_size(rows, _validation_batch_size(arguments), steps)
    weighs = bool(arguments.get("class_weight"))
    parts = tuple(name for name in data.parts if name != "weights" or not weighs)
    batches = math.ceil(rows / size)
    return Data(ARRAYS, parts, data.counted, True, batches, steps, size, nested=data.nested)


def _validation_batch_size(arguments: Mapping[str, Any]) -> int | None:
    return arguments.get("validation_batch_size") or arguments.get("batch_size")


def _batch_size(rows: int, given: int | None, steps: int | None) -> int:
    return given or (math.ceil(rows / steps) if steps else 32)


def first_batch(data: Data, x: Any, y: Any) -> list[Any]:
    """Return x and y of a few rows, for a look at what the model makes of them."""
    if data.kind == ARRAYS:
        few = min(data.batch_size, len(keras.tree.flatten(x)[0]))
        parts = [part for part in (x, y) if part is not None]
        return keras.tree.map_structure(lambda array: _as_array(array)[:few], parts)
    batch = x[0] if data.kind == SEQUENCE else next(iter(x))
    return list(batch[:2]) if isinstance(batch, tuple | list) else [batch]


def _is_endless(dataset: Any) -> bool:
    return int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY


def _feeding(given: Any) -> Data:
    """Look at data that make their batches themselves."""
    if isinstance(given, tf.data.Dataset):
        found = _of_batches(DATASET, given.element_spec)
        number = int(given.cardinality())
        found.batches = number if number >= 0 else None
        return found
    adapter = get_data_adapter(x=given)
    spec = adapter.get_tf_dataset().element_spec
    found = _of_batches(GENERATOR if isinstance(given, GeneratorType) else SEQUENCE, spec)
    found.batches = adapter.num_batches
    found.signature = _written(spec)
    if found.kind == SEQUENCE:
        found.batch = {list: "tuple(sequence[number])", np.ndarray: "(sequence[number],)"}.get(
            type(given[0]), found.batch
        )
        own = [name for name in ("on_epoch_begin", "on_epoch_end") if _has_its_own(given, name)]
        found.methods, found.workers = tuple(own), given.workers
        found.is_random = _bytes(given[0]) != _bytes(given[0])
    return found


def _of_batches(kind: str, spec: Any) -> Data:
    is_tuple = isinstance(spec, tuple)
    first = spec[0] if is_tuple else spec
    return Data(kind, PARTS[: len(spec) if is_tuple else 1], _counted(first), is_tuple)


def _has_its_own(given: Any, method: str) -> bool:
    return getattr(type(given), method) is not getattr(keras.utils.PyDataset, method)


def _bytes(batch: Any) -> list[bytes]:
    return [np.asarray(part).tobytes() for part in keras.tree.flatten(batch)]


def _written(spec: Any) -> str:
    """Write shapes and types as an expression."""
    if isinstance(spec, Mapping):
        return "{" + ", ".join(f'"{name}": {_written(part)}' for name, part in spec.items()) + "}"
    if isinstance(spec, tuple | list):
        inside = ", ".join(_written(part) for part in spec)
        return f"({inside},)" if len(spec) == 1 else f"({inside})"
    if type(spec) is not tf.TensorSpec:
        kind = type(spec).__name__.removesuffix("Spec")
        raise UserError(f"eject writes no loop for batches with a part of type {kind}")
    return f'tf.TensorSpec({tuple(spec.shape)}, "{spec.dtype.name}")'


def _arrays(
    given: Mapping[str, Any], batch_size: int | None, steps: int | None, validation_split: float = 0.0
) -> Data:
    """Look at arrays by name, and at how many batches ``.fit`` makes of them."""
    for part in given.values():
        if keras.tree.is_nested(part) and any(isinstance(p, pd.Series) for p in keras.tree.flatten(part)):
            raise UserError("eject writes no loop for pandas Series in a list or dict: give arrays")
    for part in keras.tree.flatten(list(given.values())):
        if not isinstance(part, np.ndarray | pd.DataFrame | pd.Series | tf.Tensor):
            raise UserError(
                f"eject writes no loop for data of type {type(part).__name__}: give arrays, a Dataset, a "
                "PyDataset or a generator"
            )
    first = next(iter(given.values()))
    rows = int(len(keras.tree.flatten(first)[0]) * (1 - validation_split))
    size = _batch_size(rows, batch_size, steps)
    nested = any(keras.tree.is_nested(part) for part in given.values())
    batches = math.ceil(rows / size)
    return Data(ARRAYS, (), _counted(first), True, batches, steps, size, _changes(given), nested)


def _changes(parts: Mapping[str, Any]) -> dict[str, str]:
    """Return by name what ``.fit`` makes of arrays, as expressions; nothing where they stay."""
    found = {}
    for name, part in parts.items():
        text = name
        if keras.tree.is_nested(part):
            text = f"tuple({name})" if isinstance(part, list) else name
            changed = any(_changes({"": array}) for array in keras.tree.flatten(part))
            text = f"tf.nest.map_structure(as_fit_takes, {text})" if changed else text
        else:
            if isinstance(part, pd.DataFrame | pd.Series):
                text += ".to_numpy()" + ("[:, None]" if isinstance(part, pd.Series) else "")
            elif not isinstance(part, np.ndarray | tf.Tensor):
                text = f"np.asarray({name})"
            dtype = np.asarray(part).dtype
            if dtype.kind == "f" and dtype != keras.config.floatx():
                cast = isinstance(part, tf.Tensor)
                text = (
                    f"tf.cast({text}, keras.config.floatx())"
                    if cast
                    else f"{text}.astype(keras.config.floatx())"
                )
        if text != name:
            found[name] = text
    return found


def _counted(x: Any) -> str:
    """Return an expression for the first array of an input, by which rows are counted."""
    if isinstance(x, Mapping):
        return f'x["{sorted(x)[0]}"]'
    return "x[0]" if isinstance(x, list | tuple) else "x"


def _as_array(part: Any) -> np.ndarray:
    """Return an array as ``.fit`` takes it."""
    array = part.to_numpy()[:, None] if isinstance(part, pd.Series) else np.asarray(part)
    return array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array
