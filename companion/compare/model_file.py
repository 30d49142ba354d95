"""A user's file with ``build_model()`` and ``load_data()``: what it gives, and how to call ``.fit``."""

import argparse
import difflib
import importlib
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import GeneratorType, ModuleType
from typing import Any

import companion
from companion.check.learner.file import check_file, run_file
from companion.check.learner.lines import is_library
from companion.errors import UserError

NAMES = {1: "x", 2: "x, y", 3: "x, y, weights", 4: "x, y, x_val, y_val"}  # by how many there are
LONGEST = 300  # characters of an exception in one line: Keras' can go on for a page


@dataclass(frozen=True)
class ModelData:
    """What ``load_data()`` gave, as `compare_with_fit` takes it.

    Attributes
    ----------
    x, y : array, or function without arguments
        `y` is None where `x` gives the targets too, or there are none.
    validation : tuple or function, optional
        As ``validation_data``.
    text : str
        What it is, in words.
    names : str
        What ``load_data()`` gives, as the left side of an assignment: ``"x, y"``, say.
    weights : array, optional
        As ``sample_weight``.
    """

    x: Any
    y: Any
    validation: Any
    text: str
    names: str
    weights: Any = None


def file_of(name: str) -> str:
    """Return the path of a user's file, which may also be named as a module: ``package.my_model``."""
    if name.endswith(".py"):
        return name
    is_module = re.fullmatch(r"\w+(\.\w+)+", name)
    path = Path(*name.split(".")).with_suffix(".py") if is_module else None
    if path is None or not path.is_file():
        raise UserError(
            f"{name!r} does not end in .py: name a Python file, such as my_model.py, or a module of a "
            "package in this folder, such as package.my_model"
        )
    return str(path)


def importable(path: str) -> tuple[str, str]:
    """Return the folder from which a file can be imported, and its name there: ``package.my_model``, say."""
    file = Path(path).resolve()
    folder, parts = file.parent, [file.stem]
    while (folder / "__init__.py").is_file():
        folder, parts = folder.parent, [folder.name, *parts]
    return str(folder), ".".join(parts)


def run_user_file(path: str) -> ModuleType:
    """Run a user's file; files beside it can be imported from it, and from a package the rest of it."""
    folder, name = importable(path)
    with told_in_one_line(path, all_exceptions=True):
        if "." not in name:
            return run_file(path)
        check_file(path)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        sys.modules.pop(name, None)  # so that it runs anew
        return importlib.import_module(name)


def load_model_file(path: str) -> ModuleType:
    """Run a user's file, and see that its functions are there."""
    module = run_user_file(path)
    for name in ("build_model", "load_data", "fit_arguments"):
        near = [] if hasattr(module, name) else difflib.get_close_matches(name, vars(module), 1, cutoff=0.85)
        if near:
            raise UserError(f"{path}: {near[0]} is not read: did you mean {name}? rename it")
    for name in ("build_model", "load_data"):
        found: Any = getattr(module, name, None)
        if not callable(found):
            what = "is not defined" if found is None else f"is of type {type(found).__name__}"
            raise UserError(f"{path}: {name} {what}: it must be a function without arguments")
    return module


def load_loop(path: str, arguments: dict[str, Any]) -> tuple[Callable[..., Any], dict[str, Any], list[str]]:
    """Run a user's file with a loop.

    Returns
    -------
    train : callable
        ``train(model, x, y, **arguments)``.
    taken : dict
        Those of the arguments that it takes.
    left_out : list of str
        The names of the others.
    """
    train: Any = getattr(run_user_file(path), "train", None)
    if not callable(train):
        what = "is not defined" if train is None else f"is of type {type(train).__name__}"
        raise UserError(f"{path}: train {what}: it must be a function train(model, x, y, **fit_arguments)")
    try:
        parameters = inspect.signature(train).parameters.values()
    except ValueError:  # a function of Python itself
        raise UserError(f"{path}: train has no arguments that can be read: define it in the file") from None
    takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters)
    names = [one.name for one in parameters]
    taken = {name: value for name, value in arguments.items() if takes_all or name in names}
    return train, taken, [name for name in arguments if name not in taken]


def read_data(module: ModuleType, file: str) -> ModelData:
    """Call ``load_data()`` and take apart what it gives."""
    data = module.load_data()
    parts = data if isinstance(data, tuple | list) else (data,)
    kinds = [type(part).__name__ for part in parts]
    allowed = (
        "x; x and y; x, y and sample weights; x, y, x_val and y_val; (x, y) and (x_val, y_val); or a "
        "Dataset, PyDataset or generator, or two of them"
    )
    if 0 < len(parts) <= 2 and all(feeds_itself(part) for part in parts):
        # Data that make their batches themselves may be used up by one training, so each gets its own.
        if len(parts) == 1:
            return ModelData(module.load_data, None, None, f"a {kinds[0]}", "batches")
        text = f"a {kinds[0]}, and a {kinds[1]} to validate on"
        x, validation = lambda: module.load_data()[0], lambda: module.load_data()[1]
        return ModelData(x, None, validation, text, "batches, validation")
    names = NAMES.get(len(parts), "")
    if len(parts) == 2 and all(isinstance(part, tuple) and len(part) == 2 for part in parts):
        parts, names = (*parts[0], *parts[1]), "(x, y), (x_val, y_val)"  # as keras.datasets gives them
    if not names or any(part is None or feeds_itself(part) or callable(part) for part in parts):
        raise UserError(f"{file}: load_data() gave {', '.join(kinds) or 'nothing'}: it must give {allowed}")
    x, y, weights = (*parts[:3], None, None)[:3]
    held_out = parts[2:] if len(parts) == 4 else ()
    text = f"x {shape_text(x)}" + (f", y {shape_text(y)}" if y is not None else "")
    text += f"; validation {shape_text(held_out[0])}" if held_out else ""
    if len(parts) != 3:
        return ModelData(x, y, tuple(held_out) or None, text, names)
    return ModelData(x, y, None, f"{text}, weights {shape_text(weights)}", names, weights)


def feeds_itself(part: Any) -> bool:
    """Return whether `part` gives batches of inputs and targets, a Dataset for example."""
    import keras
    import tensorflow as tf

    return isinstance(part, tf.data.Dataset | keras.utils.PyDataset | GeneratorType)


def shape_text(part: Any) -> str:
    """Name shape and type of an array, or of each of several."""
    if isinstance(part, dict):
        return ", ".join(f"{name} {shape_text(inside)}" for name, inside in part.items())
    if isinstance(part, tuple | list):
        return " and ".join(shape_text(inside) for inside in part[:4])
    dtype = getattr(part, "dtype", type(part).__name__)
    return f"{tuple(getattr(part, 'shape', ()))} {getattr(dtype, 'name', dtype)}"


def fit_arguments(module: ModuleType, options: argparse.Namespace, data: ModelData) -> dict[str, Any]:
    """Collect the arguments of ``.fit``: the user's, then those of the command line."""
    from companion.comparison.with_fit import refuse_unknown_arguments

    own = getattr(module, "fit_arguments", {})
    if not isinstance(own, dict):
        raise UserError(f"{options.file}: fit_arguments is of type {type(own).__name__}: it must be a dict")
    try:
        refuse_unknown_arguments(own)
    except TypeError as error:
        raise UserError(f"{options.file}: fit_arguments: {error}") from None
    epochs = own.get("epochs", 5)
    if not isinstance(epochs, int) or epochs < 1:
        raise UserError(
            f"{options.file}: fit_arguments has epochs={epochs!r}: it must be a whole number of 1 or more"
        )
    if options.batch_size is not None and data.names.startswith("batches"):
        raise UserError(
            f"--batch-size: load_data() gives {data.text}, which makes its batches itself; leave it out"
        )
    given = {"epochs": options.epochs, "batch_size": options.batch_size}
    given = {name: value for name, value in given.items() if value is not None}
    validation = {} if data.validation is None else {"validation_data": data.validation}
    weights = {} if data.weights is None else {"sample_weight": data.weights}
    if weights and "sample_weight" in own:
        raise UserError(f"{options.file}: load_data() and fit_arguments both give weights; leave out one")
    return {"epochs": 5, **validation, **weights, **own, **given}


def call_of_fit(module: ModuleType, options: argparse.Namespace) -> tuple[Any, Any, dict[str, Any]]:
    """Return x, y and the other arguments of one call of ``.fit``: those that are functions are called."""
    data = read_data(module, options.file)
    arguments = fit_arguments(module, options, data)
    for name in ("callbacks", "validation_data"):
        if callable(arguments.get(name)):
            arguments[name] = arguments[name]()
    return (data.x() if callable(data.x) else data.x), data.y, arguments


def _shown(file: str, path: str) -> str:
    """Return how a message names a file: as the user did, or from this folder."""
    if file in (path, str(Path(path).resolve())):
        return path
    here = Path(file).is_relative_to(Path.cwd())
    return str(Path(file).relative_to(Path.cwd())) if here else file


@contextmanager
def told_in_one_line(path: str, *, all_exceptions: bool = False) -> Iterator[None]:
    """Turn an exception in the ``with`` block into one line, if the user's code or what it gives causes it.

    Without a line of the user's in the traceback, this is guessed: by its type, and by who raises it.
    """
    try:
        yield
    except (UserError, KeyboardInterrupt):
        raise
    except SyntaxError as error:
        raise UserError(f"{error.filename}, line {error.lineno}: SyntaxError: {error.msg}") from None
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if not is_library(frame.filename)]
        of_others = not frames[-1].filename.startswith(str(Path(companion.__file__).parent))
        refused = isinstance(error, ValueError | TypeError | KeyError | NotImplementedError) or type(
            error
        ).__module__.startswith("tensorflow")
        if not (own or all_exceptions or refused or of_others):
            raise
        where = f"{_shown(own[-1].filename, path)}, line {own[-1].lineno}" if own else path
        text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
        text = " ".join(re.sub(r"\x1b\[\d*m", "", text).split())
        text = text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
        raise UserError(f"{where}: {type(error).__name__}: {text}".removesuffix(": ")) from None
