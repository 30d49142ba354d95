"""``python -m companion.eject my_model.py``: the loop that trains your model as ``.fit`` does, as a file."""

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from companion.compare.model_file import (
    file_of,
    fit_arguments,
    importable,
    load_model_file,
    read_data,
    told_in_one_line,
)
from companion.errors import UserError
from companion.terminal.arguments import LARGEST_SEED, OneLineParser, check_outputs, parse, whole_number
from companion.terminal.console import command
from companion.terminal.outputs import STDOUT, busy, write

if TYPE_CHECKING:
    from companion.comparison.fit_comparison import FitComparison
    from companion.eject.plan import Plan

NAME = "python -m companion.eject"
HIDDEN = ("keras", "tensorflow", "numpy", "companion")  # modules that a script of this name would hide


def eject_parser() -> argparse.ArgumentParser:
    """Make the parser of the command."""
    parser = OneLineParser(
        prog=NAME,
        description="Writes the training of MODEL.py as a script that needs TensorFlow and Keras only. "
        "Before it is written, it is proved: .fit and the script train in processes of their own, and must "
        "leave the same history, weights, seeds and optimizer variables, bit for bit.",
        epilog="MODEL.py defines build_model(), load_data() and, if you like, fit_arguments, as for "
        "python -m companion.compare. The script imports build_model and load_data from it. Exit status: "
        "0 written, 1 not proved and not written, 2 bad usage, an error in MODEL.py, or something for which "
        "no loop is written.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("file", metavar="MODEL.py", help="your file, with build_model() and load_data()")
    add("--output", metavar="FILE", default=STDOUT, help="the script (standard output)")
    add("--with-test", metavar="FILE", help="also write a test for pytest: the script still equals .fit")
    add("--overwrite", action="store_true", help="replace files that are there")
    add("--unproved", action="store_true", help="write it even if it differs; then its head says so")
    add("--epochs", type=whole_number(1, None, 5), metavar="N", help="passes over the data (5)")
    add("--proof-epochs", type=whole_number(1, None, 2), metavar="N", help="passes in the proof (all)")
    add("--batch-size", type=whole_number(1, None, 32), metavar="N", help="rows per batch, for arrays (32)")
    add("--seed", type=whole_number(0, LARGEST_SEED, 0), default=0, metavar="N", help="seed set first (0)")
    return parser


@command(NAME)
def main(argv: Sequence[str] | None = None) -> int:
    """Write the script; return 0 if it was written, else 1."""
    parser = eject_parser()
    options = parse(parser, argv)
    options.file = file_of(options.file)
    check_outputs(parser, options, ("output", "with_test"), read=[options.file])
    if options.with_test is not None and options.output == STDOUT:
        parser.error("--with-test: the test imports the script; name it too, with --output FILE")
    folder, name = importable(options.file)
    for path in (options.file, *([options.output] if options.with_test else [])):
        if not Path(path).stem.isidentifier():
            raise UserError(f"{path!r} cannot be imported: name a file with letters, digits and _ only")
    outputs = [path for path in (options.output, options.with_test) if path not in (None, STDOUT)]
    for path in outputs:
        _check_name(path)
        if Path(path).exists() and not options.overwrite:
            raise UserError(f"{path!r} is there already: name another file, or say --overwrite")
        if Path(path).resolve().parent != Path(folder):
            raise UserError(f"{path!r} imports {name}: put it into the same folder, {folder!r}")
    with contextlib.redirect_stdout(sys.stderr):  # what the user's file prints must not get into the script
        module = load_model_file(options.file)
        from companion.eject.plan import make_plan  # help and usage errors need not wait for TensorFlow

        with told_in_one_line(options.file), busy("looking at the model"):
            data = read_data(module, options.file)
            arguments = fit_arguments(module, options, data)
            plan = make_plan(module, name, data, arguments, options.seed)
    from companion.eject.proof import ScriptError, prove
    from companion.eject.script import write_script, write_test

    epochs = plan.arguments["epochs"]
    if options.proof_epochs is not None:
        plan.arguments["epochs"] = min(epochs, options.proof_epochs)
    proved = argparse.Namespace(**vars(options) | {"epochs": plan.arguments["epochs"]})
    try:
        with busy("training by .fit and by the script"):
            proof = prove(options.file, write_script(plan, "It is being proved."), proved)
    except ScriptError as error:
        print(f"{options.file}: the script does not run, and was not written: {error}", file=sys.stderr)
        return 1
    if not proof.identical and not options.unproved:
        print(f"{options.file}: not written: {_difference(proof)}", file=sys.stderr)
        return 1
    text = told(proof, options, [one for one in _not_reached(plan, proof) if one])
    plan.arguments["epochs"] = epochs
    write(options.output, write_script(plan, text).encode())
    if options.with_test is not None:
        test = write_test(plan, Path(options.output).stem, options)
        write(options.with_test, test.encode())
    if options.output != STDOUT:
        print(f"{options.output}: {proof.verdict()}", file=sys.stderr)
    return 0


def _check_name(path: str) -> None:
    """Refuse a name that cannot be imported, or that would hide a module that the script needs."""
    name = Path(path).stem
    if not path.endswith(".py"):
        raise UserError(f"{path!r} does not end in .py: name a Python file, such as my_loop.py")
    if name in sys.stdlib_module_names or name in HIDDEN:
        raise UserError(f"{path!r} would hide the module {name}: name another file, such as my_loop.py")


def _not_reached(plan: "Plan", proof: "FitComparison") -> Iterator[str]:
    """Yield what the script can do, and has not done in the proof."""
    reports = proof.fit.history
    if plan.held_out is not None and not any(name.startswith("val_") for name in reports):
        yield "the validation"
    trained = max(map(len, reports.values()), default=0) + plan.arguments.get("initial_epoch", 0)
    if any(one.stops for one in plan.callbacks) and trained >= plan.arguments["epochs"]:
        yield "the end by a callback"


def told(proof: "FitComparison", options: argparse.Namespace, not_reached: Sequence[str]) -> str:
    """Say in the head of the script what was proved."""
    import numpy as np

    from companion.comparison.training import OPTIMIZER
    from companion.terminal.versions import versions

    of = versions()
    where = f"with TensorFlow {of['tensorflow']} and Keras {of['keras']}, under seed {options.seed}"
    if not proof.identical:
        return f"NOT PROVED: {where}, it differs from .fit: {_difference(proof)}."
    fit = proof.fit
    weights = [name for name in fit.variables if not name.startswith(OPTIMIZER)]
    epochs = len(next(iter(fit.history.values()), []))
    return (
        f"Proved {where}: it leaves the same as model.fit, bit for bit: {', '.join(fit.history)} of "
        f"{epochs} epoch{'s' * (epochs != 1)}, {len(weights)} weights and seeds, and "
        f"{len(fit.variables) - len(weights)} variables of the optimizer."
        + (f" Not reached, and so not proved: {', '.join(not_reached)}." if not_reached else "")
        + (
            " Some of the numbers are NaN."
            if any(np.isnan(values).any() for values in fit.history.values())
            else ""
        )
    )


def _difference(proof: "FitComparison") -> str:
    found = proof.differences[0]
    if proof.repeatable:
        return found
    return (
        f"{found} (but .fit does not equal itself either: python -m companion.compare --twice finds out why)"
    )


if __name__ == "__main__":
    raise SystemExit(main())
