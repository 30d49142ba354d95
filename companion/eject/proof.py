"""Proves a script that was written: ``.fit`` and the script train, each in a process of its own."""

import argparse
import functools
import json
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from companion.compare.model_file import importable
from companion.errors import UserError

if TYPE_CHECKING:
    from companion.comparison.fit_comparison import FitComparison
    from companion.comparison.training import Training

FIT, LOOP = "fit", "loop"


class ScriptError(Exception):
    """The script that was written does not run."""


def prove(file: str, script: str, options: argparse.Namespace) -> "FitComparison":
    """Train by ``.fit`` and by a script; compare history, weights, seeds and the optimizer's variables.

    Parameters
    ----------
    file : str
        The user's file.
    script : str
        The text of the script.
    options : argparse.Namespace
        With `epochs`, `batch_size` and `seed`, as the command takes them.

    Returns
    -------
    FitComparison
        It compares the script with ``.fit``. If they differ, ``.fit`` trains again, and
        `repeatable` says whether it equals itself.

    Raises
    ------
    UserError
        If ``.fit`` fails.
    ScriptError
        If the script does.
    """
    from companion.comparison.fit_comparison import FitComparison

    given = [word for name in ("epochs", "batch_size", "seed") for word in _option(options, name)]
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "script.py")
        written.write_text(script, encoding="utf-8")
        by_fit = _trained(folder, FIT, file, *given)
        by_loop = _trained(folder, LOOP, file, "--script", str(written))
        comparison = FitComparison(by_loop, by_fit, options.seed, ("the script", ".fit"))
        if not comparison.identical:
            again = _trained(folder, FIT, file, *given)
            comparison.repeatable = FitComparison(by_fit, again, options.seed).identical
    return comparison


def _option(options: argparse.Namespace, name: str) -> list[str]:
    value = getattr(options, name)
    return [] if value is None else [f"--{name.replace('_', '-')}", str(value)]


def _trained(folder: str, kind: str, *words: str) -> "Training":
    """Run a training in a process of its own; return what it left."""
    import numpy as np

    from companion.comparison.training import Training

    output = Path(folder, f"{kind}.npz")
    command = [sys.executable, "-m", "companion.eject.proof", kind, *words, "--output", str(output)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        told = lines[-1] if lines else f"it ended with status {done.returncode}"
        raise (UserError if kind == FIT else ScriptError)(told)
    with np.load(output) as found:
        content, *arrays = (found[name] for name in found.files)
    history, names = json.loads(str(content))
    return Training(None, {}, history, dict(zip(names, arrays, strict=True)), [])


def _by_fit(options: argparse.Namespace) -> tuple[Any, dict[str, list]]:
    """Train the user's model by ``.fit``; return the model and the history."""
    import keras

    from companion.compare.model_file import fit_arguments, load_model_file, read_data

    module: Any = load_model_file(options.file)
    keras.utils.set_random_seed(options.seed)
    model = module.build_model()
    module.load_data = functools.cache(module.load_data)  # once, as the script calls it
    data = read_data(module, options.file)
    arguments = fit_arguments(module, options, data)
    for name in ("callbacks", "validation_data"):
        if callable(arguments.get(name)):
            arguments[name] = arguments[name]()
    x = data.x() if callable(data.x) else data.x
    history = model.fit(x, data.y, **{"verbose": 0, **arguments})
    return model, history.history


def _by_script(options: argparse.Namespace) -> tuple[Any, dict[str, list]]:
    """Run the script; return the model and the history."""
    sys.path.insert(0, importable(options.file)[0])
    left = runpy.run_path(options.script, run_name="__main__")
    return left["model"], left["history"]


def main(argv: Sequence[str] | None = None) -> int:
    """Train in one of the two ways, and write what the training left behind."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=(FIT, LOOP))
    parser.add_argument("file")
    parser.add_argument("--script")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output")
    options = parser.parse_args(argv)

    import numpy as np

    from companion.comparison.training import history_of, optimizers_built, variables_of_loop

    with optimizers_built() as built:
        model, history = (_by_fit if options.kind == FIT else _by_script)(options)
    variables = variables_of_loop(model, built)
    content = json.dumps([history_of(history), list(variables)])
    np.savez(options.output, np.array(content), *variables.values())
    return 0


if __name__ == "__main__":
    from companion.terminal.console import command

    raise SystemExit(command("python -m companion.eject")(main)())
