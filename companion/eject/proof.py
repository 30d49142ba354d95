"""Proves a script that was written: ``.fit`` and the script train, each in a process of its own."""

import argparse
import contextlib
import functools
import importlib
import itertools
import runpy
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from companion.compare.model_file import importable
from companion.compare.own_process import ProcessError, run, words_of, write_training
from companion.errors import UserError

if TYPE_CHECKING:
    from companion.comparison.fit_comparison import FitComparison
    from companion.comparison.training import Training

FIT, LOOP = "fit", "loop"
PROOF = "companion.eject.proof"
MOST_FILES, LARGEST_FOLDER = 2000, 200 * 2**20  # of a folder that is copied for a proof


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

    given, here = words_of(options), Path.cwd()
    own = Path(file).resolve()
    file = str(own.relative_to(here) if own.is_relative_to(here) else own)
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "script.py")
        written.write_text(script, encoding="utf-8")

        def trained(kind: str, *words: str) -> "Training":
            with in_a_copy(here) as place:
                try:
                    return run(PROOF, kind, file, *words, cwd=place)[0]
                except ProcessError as error:
                    raise (UserError if kind == FIT else ScriptError)(str(error)) from None

        by_fit = trained(FIT, *given)
        by_loop = trained(LOOP, "--script", str(written))
        comparison = FitComparison(by_loop, by_fit, options.seed, ("the script", ".fit"))
        if not comparison.identical:
            comparison.repeatable = FitComparison(by_fit, trained(FIT, *given), options.seed).identical
    return comparison


@contextlib.contextmanager
def in_a_copy(folder: Path) -> Iterator[Path]:
    """Yield a copy of a folder, so that callbacks overwrite nothing; the folder itself if it is too large."""
    visible = (
        path
        for path in folder.rglob("*")
        if not any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts)
    )
    paths = list(itertools.islice(visible, MOST_FILES + 1))
    size = sum(path.stat().st_size for path in paths if path.is_file())
    if len(paths) > MOST_FILES or size > LARGEST_FOLDER:
        yield folder
        return
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name, folder.name or "folder")
        ignored = shutil.ignore_patterns(".*", "__pycache__")
        yield Path(shutil.copytree(folder, copy, ignore=ignored, ignore_dangling_symlinks=True))


def _by_fit(module: Any, options: argparse.Namespace) -> tuple[Any, dict[str, list]]:
    """Train the user's model by ``.fit``; return the model and the history."""
    import keras

    from companion.compare.model_file import call_of_fit, told_in_one_line

    keras.utils.set_random_seed(options.seed)
    model = module.build_model()
    module.load_data = functools.cache(module.load_data)  # once, as the script calls it
    x, y, arguments = call_of_fit(module, options)
    with told_in_one_line(options.file, all_exceptions=True):
        history = model.fit(x, y, **{"verbose": 0, **arguments})
    return model, history.history


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

    from companion.compare.model_file import load_model_file
    from companion.comparison.training import Training, history_of, optimizers_built, variables_of_loop

    # The file runs before the optimizers are counted: it may have trained something else.
    if options.kind == FIT:
        module = load_model_file(options.file)
    else:
        folder, name = importable(options.file)
        sys.path.insert(0, folder)
        importlib.import_module(name)
    with optimizers_built() as built:
        if options.kind == FIT:
            model, history = _by_fit(module, options)
        else:
            names = runpy.run_path(options.script, run_name="__main__")
            model, history = names["model"], names["history"]
    training = Training(model, {}, history_of(history), variables_of_loop(model, built), [])
    write_training(training, options.output)
    return 0


if __name__ == "__main__":
    from companion.terminal.console import command

    raise SystemExit(command("python -m companion.eject")(main)())
