"""A training in a new process: nothing that was trained before affects it."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from companion.compare.suspects import SUSPECTS, watch_for

if TYPE_CHECKING:
    from companion.comparison.training import Training

ALL, FIRST, REST, TWICE, BATCHES = "all", "first", "rest", "twice", "batches"


class ProcessError(Exception):
    """The training failed; the last line that it printed says why."""


def words_of(options: argparse.Namespace) -> list[str]:
    """Return the options of a command that decide how ``.fit`` is called, as words."""
    given = (
        (f"--{name.replace('_', '-')}", getattr(options, name)) for name in ("epochs", "batch_size", "seed")
    )
    return [word for name, value in given if value is not None for word in (name, str(value))]


def run(
    module: str, *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> tuple["Training", dict[str, Any]]:
    """Run a module whose last call is `write_training`; return the training, and what else it wrote.

    Raises
    ------
    ProcessError
        If it fails.
    """
    import numpy as np

    from companion.comparison.training import Training

    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "training.npz")
        done = subprocess.run(
            [sys.executable, "-m", module, *words, "--output", str(output)],
            capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL, cwd=cwd,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | dict(env or {}),
        )  # fmt: skip
        if done.returncode < 0:
            name = signal.Signals(-done.returncode).name
            raise ProcessError(
                f"the training was ended from outside ({name}): there may be too little memory"
            )
        if done.returncode or not output.exists():
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            errors = [n for n, line in enumerate(lines) if re.match(r"[\w.]+(Error|Exception)\b", line)]
            text = " ".join(lines[errors[-1] :]) if errors else (lines or [""])[-1]
            text = text if done.returncode else "the file ended the process before the training was over"
            last = next((line for line in reversed(lines) if ": error: " in line), text)
            told = re.sub(r"^python -m [\w.]+: error: ", "", last)
            raise ProcessError(told or f"the training ended with status {done.returncode}")
        with np.load(output) as found:
            content, *arrays = (found[name] for name in found.files)
    told = json.loads(str(content))
    arrays = [array.view(kind) for array, kind in zip(arrays, told["types"], strict=True)]
    initial = len(told["initial"])
    training = Training(
        None, dict(zip(told["initial"], arrays, strict=False)), told["history"],
        dict(zip(told["variables"], arrays[initial:], strict=True)),
        [(method, number, logs) for method, number, logs in told["calls"]],
    )  # fmt: skip
    return training, told["more"]


def write_training(training: "Training", output: str, **more: Any) -> None:
    """Write what a training leaves behind into a file, for `run`."""
    import numpy as np

    arrays = [*training.initial.values(), *training.variables.values()]
    content = {
        "initial": list(training.initial), "history": training.history, "calls": training.calls,
        "variables": list(training.variables), "more": more,
        "types": [array.dtype.name for array in arrays],  # the file has no bfloat16
    }  # fmt: skip
    text = json.dumps(content, default=lambda value: np.asarray(value).tolist())  # F1Score reports an array
    np.savez(output, np.array(text), *arrays)


def trained(
    file: str, what: str, words: Sequence[str], *more: str, env: Mapping[str, str] | None = None
) -> tuple["Training", dict[str, Any]]:
    """Train the network of a user's file by ``.fit`` in a new process, or a part of it; see `main`."""
    return run(__name__, what, file, *words, *more, env=env)


def main(argv: Sequence[str] | None = None) -> int:
    """Train all epochs, the first ones, the rest from the saved model, or all twice; or only read batches."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=(ALL, FIRST, REST, TWICE, BATCHES))
    parser.add_argument("file")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at", type=int)
    parser.add_argument("--saved")
    parser.add_argument("--off", nargs="*", default=[], choices=[one.name for one in SUSPECTS])
    parser.add_argument("--output")
    options = parser.parse_args(argv)

    seen = watch_for(options.off, options.seed)
    from companion.compare.training_of_file import TrainingOfFile

    training = TrainingOfFile(options)
    if options.what == BATCHES:
        from companion.comparison.training import Training

        nothing = Training(None, {}, {}, {}, [])
        batches, validation = training.batches()
        write_training(nothing, options.output, batches=batches, validation=validation, seen=sorted(seen))
        return 0
    ways = {ALL: training.all, FIRST: training.first, REST: training.rest, TWICE: training.twice}
    result, more = ways[options.what]()
    write_training(result, options.output, seen=sorted(seen), **more)
    return 0


if __name__ == "__main__":
    from companion.terminal.console import command

    raise SystemExit(command("python -m companion.compare")(main)())
