"""A learner's own file with ``train``: how it is read, how it is called, and what it may give back."""

import __future__

import ast
import contextlib
import copy
import difflib
import functools
import inspect
import io
import json
import linecache
import operator
import re
import signal
import sys
import tokenize
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from companion.check.learner.traceback import LoopError
from companion.errors import UserError

SIGNATURE = "train(model, x, y, *, learning_rate, batch_size, epochs)"
AROUND_PYTHON = ("time", "capture")  # cell magics over a cell of Python
NO_TRAIN = ("train_longer",)  # an exercise's name
LONGEST = 200  # characters of a message
NEAR = 0.6  # how alike a misspelled name is


def check_file(path: str) -> Path:
    """Refuse what can be no file with a loop."""
    file = Path(path)
    if file.is_dir():
        raise UserError(f"{path!r} is a folder: name the file in it that defines train")
    if file.suffix not in (".py", ".ipynb"):
        raise UserError(f"{path!r} ends in neither .py nor .ipynb: name the file that defines train")
    if not file.is_file():
        raise UserError(
            f"{path!r} does not exist: give the path of your file, absolute or relative to {Path.cwd()}"
        )
    return file


def read_train(path: str) -> Callable[..., Any]:
    """Run a Python file or a notebook and give the ``train`` that it defines; errors as `read_module`."""
    return find_train(read_module(path), path)


def read_module(path: str) -> ModuleType:
    """Run a Python file or a notebook."""
    try:
        return run_file(path)
    except (KeyboardInterrupt, UserError):
        raise
    except BaseException as error:  # SystemExit too
        raise LoopError(error, "while the file is run") from None


def run_file(path: str) -> ModuleType:
    """Do as `read_module`, and let through what the file raises."""
    module, parts = _module_for(path), parts_of(path)
    for name, source in parts:
        _show_in_tracebacks(name, source)
        exec(compile(source, name, "exec", dont_inherit=True), vars(module))
    return module


def run_up_to_train(path: str, seconds: float) -> tuple[ModuleType, list[str]]:
    """Run a file or a notebook whose ``train`` is wanted, whatever else is in it.

    Once ``train`` is defined, what fails or takes too long is left out.

    Parameters
    ----------
    path : str
        The file.
    seconds : float
        What the code outside of ``train`` may take.

    Returns
    -------
    module : ModuleType
        What it defines.
    left_out : list of str
        What was left out, in sentences.
    """
    module, left_out = _module_for(path), list[str]()
    with _interrupted_after(seconds):
        for name, source in parts_of(path):
            _show_in_tracebacks(name, source)
            try:
                statements = ast.parse(source, name).body
            except SyntaxError as error:
                if not hasattr(module, "train"):
                    raise LoopError(error, "while the file is read") from None
                left_out.append(f"{name}, line {error.lineno}, is no Python: {error.msg}")
                continue
            for statement in statements:
                try:
                    _run_statement(statement, name, module)
                except TooLongError:
                    if not hasattr(module, "train"):
                        raise
                    at = f"{name}, line {statement.lineno}"
                    told = f"{at}, took longer than {seconds:g} s: left out, with all that follows"
                    return module, [*left_out, told]
                except BaseException as error:  # SystemExit too
                    if not hasattr(module, "train"):
                        raise LoopError(error, "while the file is run") from None
                    told = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:LONGEST]}"
                    left_out.append(f"{name}, line {statement.lineno}, was left out: {told}")
    return module, left_out


class TooLongError(Exception):
    """The code outside of ``train`` takes too long."""


@contextlib.contextmanager
def _interrupted_after(seconds: float) -> Iterator[None]:
    """Raise `TooLongError` in what runs for longer, again each second: it may be caught once."""
    if not hasattr(signal, "setitimer"):  # Windows
        yield
        return

    def interrupt(*_: Any) -> None:
        raise TooLongError(f"the code outside of train takes longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _run_statement(statement: ast.stmt, name: str, module: ModuleType) -> None:
    """Run a statement as a part of its module."""
    code = compile(ast.Module([statement], []), name, "exec", flags=_future_flags(module), dont_inherit=True)
    exec(code, vars(module))


def _future_flags(module: ModuleType) -> int:
    """Return the flags of what a module has imported from ``__future__``."""
    features = [value for value in vars(module).values() if isinstance(value, __future__._Feature)]
    return functools.reduce(operator.or_, (feature.compiler_flag for feature in features), 0)


def _module_for(path: str) -> ModuleType:
    """Make the module of a learner's file, where dataclasses and AutoGraph look for it."""
    file = check_file(path)
    module = ModuleType("learner_" + re.sub(r"\W", "_", file.stem))
    module.__file__ = str(file.resolve())
    vars(module).update(names_of_a_notebook())
    sys.modules[module.__name__] = module
    sys.path.insert(0, str(file.resolve().parent))
    return module


def names_of_a_notebook() -> dict[str, Any]:
    """Return the names that IPython has, and files that were exported from a notebook: magics do nothing."""
    methods = ("run_line_magic", "run_cell_magic", "magic", "system", "getoutput")
    shell = SimpleNamespace(**dict.fromkeys(methods, lambda *_, **__: None))
    return {"display": print, "get_ipython": lambda: shell}


def _show_in_tracebacks(name: str, source: str) -> None:
    """Let tracebacks, and tf.function, find the text, of a cell too."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)


def parts_of(path: str) -> list[tuple[str, str]]:
    """Read the code of a file, or of each cell of a notebook, without its magics, as `sources_of`."""
    try:
        content = check_file(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path!r} cannot be read: {error.strerror or error}") from None
    return [(name, without_magics(code)) for name, code in sources_of(path, decoded(content, path))]


# Those that people write programs in. Some others take long, on purpose.
ENCODINGS = re.compile(r"(utf|ascii|us-ascii|latin|iso|cp|windows|mac|koi8|gb|big5|shift|sjis|euc|johab).*")


def decoded(content: bytes, path: str) -> str:
    """Return the text of a file, in the encoding that it declares, or else UTF-8."""
    try:
        is_notebook = path.lower().endswith(".ipynb")
        encoding = "utf-8-sig" if is_notebook else tokenize.detect_encoding(io.BytesIO(content).readline)[0]
        if not ENCODINGS.fullmatch(encoding):
            raise LookupError(f"the encoding {encoding!r} is not read")
        return content.decode(encoding)
    except (SyntaxError, UnicodeError, LookupError) as error:
        raise UserError(f"{path!r} is not text in UTF-8 ({error}): save it as UTF-8") from None


def sources_of(path: str, text: str) -> list[tuple[str, str]]:
    """Return the code of a file, or of each cell of a notebook, and what Python calls it in a traceback."""
    if not path.lower().endswith(".ipynb"):
        return [(path, text)]
    try:
        cells = json.loads(text)["cells"]
        codes = [(n, "".join(c["source"])) for n, c in enumerate(cells, start=1) if c["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{path!r} is no notebook of format 4: save it again in Jupyter, or as .py") from None
    return [(f"{path}, cell {n}", code) for n, code in codes]


def without_magics(code: str) -> str:
    """Leave out what only IPython understands, and keep the lines' numbers."""
    try:
        ast.parse(code)
    except SyntaxError:
        magic = re.match(r"\s*%%(\w+)", code)
        if magic and magic[1] not in AROUND_PYTHON:
            return ""
        return re.sub(r"^([ \t]*)([%!?].*|.*\?)$", r"\1pass", code, flags=re.MULTILINE)
    return code


def refuse_without_train(path: str, advice: str = "") -> None:
    """Refuse a file without ``train``, or with one of other arguments, before anything of it runs."""
    try:
        trees = [ast.parse(code, name) for name, code in parts_of(path)]
    except SyntaxError:  # running the file says where
        return
    top = [node for tree in trees for node in tree.body]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    for node in top:
        if isinstance(node, ast.FunctionDef) and node.name == "train" and not node.decorator_list:
            check_train(_stub(node), path)
    if any(isinstance(node, ast.For | ast.While) for node in top) and not any(map(_may_define_train, nodes)):
        functions = [node.name for node in top if isinstance(node, ast.FunctionDef)]
        raise UserError(_no_train(path, functions) + advice)


def _stub(function: ast.FunctionDef) -> Callable[..., Any]:
    """Return a function with the same arguments that does nothing."""
    arguments = copy.deepcopy(function.args)
    for argument in ast.walk(arguments):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    nothing = ast.Constant(None)
    arguments.defaults = [nothing for _ in arguments.defaults]
    arguments.kw_defaults = [None if default is None else nothing for default in arguments.kw_defaults]
    stub = ast.FunctionDef("train", arguments, [ast.Pass()], [])
    names: dict[str, Any] = {}
    exec(ast.unparse(ast.fix_missing_locations(ast.Module([stub], []))), names)
    return names["train"]


def _may_define_train(node: ast.AST) -> bool:
    """Return whether a statement may give the name ``train`` a meaning."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return name == "train"
        case ast.Name(id="train", ctx=ast.Store()):
            return True
        case ast.alias(name=name, asname=asname):
            return (asname or name) in ("train", "*")
    return False


def _no_train(path: str, functions: Sequence[str]) -> str:
    """Return what to tell about a file without ``train``, which has these functions."""
    functions = [name for name in functions if name not in NO_TRAIN]
    near = difflib.get_close_matches("train", [name.lower() for name in functions], 1, NEAR) or []
    meant = [name for name in functions if name.lower() in near or "train" in name.lower()]
    there = f"; did you mean {meant[0]!r}? rename it to train" if meant else ""
    return f"{path}: train is not defined{there}; define {SIGNATURE}"


def find_train(module: ModuleType, path: str, advice: str = "") -> Callable[..., Any]:
    """Return ``train`` of a module, checked; if there is none, the error ends with `advice`."""
    train = getattr(module, "train", None)
    own = [
        name for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    ]  # fmt: skip
    if train is None:
        raise UserError(_no_train(path, own) + advice)
    check_train(train, path)
    return train


def check_train(train: Any, path: str = "train") -> None:
    """Refuse what cannot be called as ``train`` is called."""
    if not callable(train):
        raise UserError(
            f"{path}: train is of type {type(train).__name__}: it must be a function, {SIGNATURE}"
        )
    if inspect.isclass(train):
        raise UserError(f"{path}: train is a class: it must be a function, {SIGNATURE}")
    try:
        signature = inspect.signature(train)
    except (TypeError, ValueError):
        raise UserError(f"{path}: train is {train!r}: it must be a function of yours, {SIGNATURE}") from None
    try:
        signature.bind(None, None, None, learning_rate=0.1, batch_size=1, epochs=1)
    except TypeError as error:
        own = f"train{signature}"
        told = f"{path}: {own} does not fit ({error}): it must be {SIGNATURE}"
        raise UserError(f"{told}; {_wrapper(signature)}") from None


# What an argument of a function of another signature usually is.
USUAL = (
    (r"model|net|network", "model"),
    (r"x|x_?train|inputs?|features?|data_?x|images?", "x"),
    (r"y|y_?train|labels?|targets?|data_?y", "y"),
    (r".*(dataset|data|ds|loader|batches).*", "tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size)"),
    (r"(n_|num_|nb_)?epochs?|n_iter|iterations", "epochs"),
    (r"lr|learning_?rate|alpha|eta|rate", "learning_rate"),
    (r"batch_?size|bs", "batch_size"),
    (r"opt(imizer)?", "keras.optimizers.SGD(learning_rate)"),
)


def _wrapper(signature: inspect.Signature) -> str:
    """Return the line to add that calls a ``train`` of another signature as it is, under another name."""
    handed = []
    for parameter in signature.parameters.values():
        has_default = parameter.default is not parameter.empty
        usual = next((v for k, v in USUAL if re.fullmatch(k, parameter.name, re.IGNORECASE)), "...")
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or (
            has_default and usual == "..."
        ):
            continue
        by_name = has_default or parameter.kind is parameter.KEYWORD_ONLY
        handed.append(f"{parameter.name}={usual}" if by_name else usual)
    if missing := [
        name for name in ("learning_rate", "batch_size", "epochs") if name not in " ".join(handed)
    ]:
        return f"give yours the missing {' and '.join(missing)} as well, and use what it gets"
    return f"rename yours to my_train and add: def {SIGNATURE}: return my_train({', '.join(handed)})"


def history_of(
    result: Any, epochs: int, *, may_be_none: bool = False, may_stop: bool = False
) -> list[float] | None:
    """Take what ``train`` gave as a list of losses.

    Parameters
    ----------
    result : object
        What it gave.
    epochs : int
        How many losses there should be.
    may_be_none : bool
        Whether it may return nothing: then the losses are not judged.
    may_stop : bool
        Whether it may run for another number of epochs, as a callback of ``.fit`` may.
    """
    wanted = f"return a list of {epochs} floats, one loss per epoch"
    if result is None and may_be_none:
        return None
    if result is None:
        raise UserError(f"train returned None: {wanted}; is the return missing?")
    result = getattr(result, "history", result)  # of a History, which a loop may keep too
    if isinstance(result, dict) and "loss" in result:
        result = result["loss"]
    kind = type(result).__name__
    if len(getattr(result, "shape", ())) == 1:
        result = list(np.asarray(result))
    if hasattr(result, "shape"):
        raise UserError(
            f"train returned {a(kind)} of shape {tuple(result.shape)}: {wanted}, for example history.tolist()"
        )
    if not isinstance(result, list | tuple):
        raise UserError(f"train returned {a(kind)}: {wanted}")
    for number, loss in enumerate(result[: epochs + 1]):
        shape = getattr(loss, "shape", ())
        if (
            isinstance(loss, str | bytes | bool | np.bool_ | complex)
            or not (hasattr(loss, "__float__") or hasattr(loss, "numpy"))
            or tuple(shape)
        ):
            raise UserError(
                f"train returned a list whose entry {number} is {a(type(loss).__name__)}: {wanted}"
            )
    if len(result) != epochs and not (may_stop and len(result)):
        many = "too few" if len(result) < epochs else "too many"
        raise UserError(f"train returned {len(result)} losses, {many}: {wanted}")
    try:
        return [float(loss) for loss in result]
    except OverflowError:
        raise UserError(f"train returned a number too large for a float: {wanted}") from None


def a(kind: str) -> str:
    """Put the article in front of a word."""
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"
