"""``python -m companion.compare my_model.py``: anyone's network, by hand and by ``.fit``, side by side."""

import argparse
import contextlib
import functools
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from companion.compare.model_file import (
    ModelData,
    file_of,
    fit_arguments,
    load_loop,
    load_model_file,
    read_data,
    told_in_one_line,
)
from companion.terminal.arguments import (
    LARGEST_SEED,
    OneLineParser,
    add_outputs,
    add_quiet,
    check_outputs,
    parse,
    whole_number,
)
from companion.terminal.console import Report, command
from companion.terminal.formats import column, distance, spell_out
from companion.terminal.outputs import busy, write

if TYPE_CHECKING:
    from companion.check.catalogue import Mistake
    from companion.comparison.fit_comparison import FitComparison

NAME = "python -m companion.compare"
DRAWN = 4  # keys of the history in the picture


def compare_parser() -> argparse.ArgumentParser:
    """Make the parser of the command."""
    parser = OneLineParser(
        prog=NAME,
        description="Trains the network of MODEL.py by fit_by_hand and by model.fit, from the same seed, and "
        "compares histories, all variables and all callback calls bit for bit.",
        epilog="MODEL.py defines build_model() and load_data(). build_model() returns a compiled model. "
        "load_data() returns x and y; x, y, x_val and y_val; (x, y) and (x_val, y_val); or a Dataset, "
        "PyDataset or generator. MODEL.py may also define fit_arguments, a dict of further arguments of "
        "model.fit; its callbacks and validation_data may be functions, called for each training. An output "
        "FILE may be '-' for standard output; then nothing else is printed there. Exit status: 0 identical, "
        "1 not identical, 2 bad usage or an error in MODEL.py.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("file", metavar="MODEL.py", help="your file, with build_model() and load_data(), or package.module")
    add("--loop", metavar="LOOP.py", help="your own loop, in place of fit_by_hand: train(model, x, y, ...)")
    add("--twice", action="store_true", help="compare .fit with .fit: why do two runs differ?")
    resume_at = whole_number(1, None, 3)
    add(
        "--resume-at", type=resume_at, metavar="N", help="compare .fit with .fit saved and resumed at epoch N"
    )
    add("--epochs", type=whole_number(1, None, 5), metavar="N", help="passes over the data (5)")
    add("--batch-size", type=whole_number(1, None, 32), metavar="N", help="rows per batch, for arrays (32)")
    add(
        "--seed",
        type=whole_number(0, LARGEST_SEED, 0),
        default=0,
        metavar="N",
        help="seed set before each training (0)",
    )
    add_outputs(parser)
    add_quiet(parser)
    return parser


@command(NAME)
def main(argv: Sequence[str] | None = None) -> int:
    """Print the comparison; return 0 if the two trainings are identical, else 1."""
    parser = compare_parser()
    options = parse(parser, argv)
    options.file = file_of(options.file)
    if options.show:
        from companion.plots.plots import check_display  # a usage error need not wait for matplotlib

        check_display()
    check_outputs(parser, options, ("plot", "json", "csv"), read=[options.file, options.loop])
    ways = [
        f"--{name}" for name in ("loop", "twice", "resume-at") if getattr(options, name.replace("-", "_"))
    ]
    if len(ways) > 1:
        parser.error(f"{' and '.join(ways)}: each compares something else; choose one")
    if options.twice or options.resume_at:
        return by_fit_alone(options)
    report = Report(quiet=options.quiet or options.to_stdout)
    # What the user's file and Keras print must not get into a result on standard output.
    with contextlib.redirect_stdout(sys.stderr) if options.to_stdout else contextlib.nullcontext():
        module = load_model_file(options.file)
        from companion.comparison.with_fit import (
            compare_with_fit,  # help and usage errors need not wait for TensorFlow
        )

        with told_in_one_line(options.file):
            data = read_data(module, options.file)
        arguments = fit_arguments(module, options, data)
        train, taken, notes = None, arguments, []
        if options.loop is not None:
            train, taken, left_out = load_loop(options.loop, arguments)
            names = ", ".join(left_out)
            notes = [f"Not passed, since train does not take them: {names}."] if left_out else []
        whose = "by hand" if options.loop is None else f"by {options.loop}"
        report.heading(f"{options.file}: {whose} and by .fit")
        told = [""]

        def loop(*of: Any, **own: Any) -> Any:
            return train(*of, **{name: own[name] for name in taken}) if train else None

        where = options.file if options.loop is None else options.loop
        with told_in_one_line(where), busy("training", lambda: told[-1]):
            comparison = compare_with_fit(
                module.build_model, data.x, data.y, seed=options.seed,
                train=loop if train else None,
                progress=told.append, **arguments,
            )  # fmt: skip
        comparison.notes += notes
        print_report(report, comparison, data, arguments, whose)
        if train is not None and not comparison.identical:
            print_mistakes(report, *mistakes(taken, module, data, arguments, options))
    return deliver(comparison, options, arguments)


def by_fit_alone(options: argparse.Namespace) -> int:
    """Compare trainings by ``.fit`` with each other: twice, or in one go and in two parts."""
    from companion.check.learner.file import check_file
    from companion.compare.resume import Resumed, print_states, resume
    from companion.compare.twice import find_causes, print_causes

    check_file(options.file)
    report = Report(quiet=options.quiet or options.to_stdout)
    told = [""]
    what = (
        "by .fit, twice" if options.twice else f"by .fit, in one go and resumed at epoch {options.resume_at}"
    )
    with busy("training", lambda: told[-1]):
        found = find_causes(options, told.append) if options.twice else resume(options, told.append)
    report.heading(f"{options.file}: {what}")
    if isinstance(found, Resumed):
        print_states(report, found, options.resume_at)
        more = {
            "resumed_at": options.resume_at,
            "states": {one.name: one.lost or "kept" for one in found.states},
            "repeatable": found.repeatable,
        }
    else:
        print_causes(report, found)
        more = {
            "causes": [one.name for one in found.found],
            "first_difference": found.first,
            "in_one_process": found.in_one_process,
            "tried": found.tried,
        }
    return deliver(found.comparison, options, found.arguments, more)


def mistakes(
    taken: dict[str, Any], module: ModuleType, data: ModelData, arguments: dict[str, Any],
    options: argparse.Namespace,
) -> tuple[list["Mistake"], str]:  # fmt: skip
    """Ask `check` why a loop is not ``.fit``."""
    from companion.compare.explain import mistakes_of

    with busy("looking for the reason"):
        load = functools.partial(_train_of, options.loop, arguments)
        return mistakes_of(load, taken, module, data, arguments, options.seed)


def _train_of(path: str, arguments: dict[str, Any]) -> Any:
    return load_loop(path, arguments)[0]


def print_mistakes(report: Report, found: list["Mistake"], why_not: str) -> None:
    """Print the reasons why a loop is not ``.fit``, as far as they are known."""
    from companion.check.result import print_mistake

    report.part("Why")
    for number, one in enumerate(found, start=1):
        print_mistake(report, number, one)
    if why_not:
        report.print(f"The reason is not known: {why_not}.")


def print_report(
    report: Report, comparison: "FitComparison", data: ModelData, arguments: dict[str, Any], whose: str
) -> None:
    """Print what was trained, the histories side by side, and the verdict."""
    from companion.report.parts import print_side_by_side

    model = comparison.fit.model
    parameters = sum(math.prod(weight.shape) for weight in model.weights)
    report.part("What goes in")
    shown = [f"{name}={_short(value)}" for name, value in arguments.items() if name != "validation_data"]
    report.facts(
        [
            ("data", data.text),
            ("network", f"{model.name}: {len(model.layers)} layers, {parameters:,} parameters"),
            ("optimizer", type(model.optimizer).__name__),
            (".fit", ", ".join(shown)),
            ("seed", str(comparison.seed)),
            (
                "an epoch",
                f"{_time(comparison.by_hand.seconds)} {whose}, {_time(comparison.fit.seconds)} by .fit",
            ),
        ]
    )
    key = main_key(comparison)
    if key is not None:
        report.part(f"Side by side: {key}, a running mean over the batches of each epoch")
        names = dict(zip(("by_hand", "fit"), comparison.names, strict=True))
        print_side_by_side(report, pair(comparison, key), comparison.epochs(key), names)
        report.part("All that is reported, after the last epoch")
        found = comparison.histories.values()
        apart = [distance(c.max_abs_diff) for c in found]
        last = column([_last(c.first) for c in found]), column([_last(c.second) for c in found])
        rows = [list(row) for row in zip(comparison.histories, *last, apart, strict=True)]
        report.table(["", *comparison.names, "largest\ndifference"], rows, text_columns=(0,))
    report.part("The verdict")
    text = comparison.text("--json has all")
    report.print(text, style="bold green" if comparison.identical else "bold red")


def _last(values: Any) -> float:
    return float(values[-1]) if len(values) else math.nan


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 and "\n" not in text else f"({type(value).__name__})"


def main_key(comparison: "FitComparison") -> str | None:
    """Choose the key of the history to show in full: the loss, where it is reported in both."""
    keys = list(comparison.histories)
    return "loss" if "loss" in keys else keys[0] if keys else None


def pair(comparison: "FitComparison", key: str) -> dict[str, list[float]]:
    """Return one key of both histories under the names that tables and pictures have for them."""
    compared = comparison.histories[key]
    return {"by_hand": compared.first.tolist(), "fit": compared.second.tolist()}


def as_dict(comparison: "FitComparison", file: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return everything as numbers, strings, lists and dicts; the keys are those of the lessons' JSON."""
    from companion.report.result import comparison_as_dict
    from companion.terminal.versions import versions

    key = main_key(comparison)
    plain = {name: value for name, value in arguments.items() if isinstance(value, int | float | str)}
    return {
        "file": file,
        "settings": {**plain, "seed": comparison.seed},
        "identical": comparison.identical,
        "differences": comparison.differences,
        "histories": pair(comparison, key) if key else {},
        "comparison": comparison_as_dict(comparison.histories[key]) if key else None,
        "others": {
            name: comparison_as_dict(compared) | pair(comparison, name)
            for name, compared in comparison.histories.items()
            if name != key
        },
        "variables": {path: compared.identical for path, compared in comparison.variables.items()},
        "callback_calls": {"by_hand": len(comparison.by_hand.calls), "fit": len(comparison.fit.calls)},
        "versions": versions(),
    }


def deliver(
    comparison: "FitComparison",
    options: argparse.Namespace,
    arguments: dict[str, Any],
    more: dict[str, Any] | None = None,
) -> int:
    """Write the files that were asked for, open the picture if asked, and return the exit status."""
    if options.json is not None:
        content = spell_out(as_dict(comparison, options.file, arguments) | (more or {}))
        write(options.json, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())
    if options.csv is not None:
        frame = comparison.frame().astype("float64")  # which writes a float32 with all its digits
        frame.columns = [" ".join(names) for names in frame.columns]
        write(options.csv, frame.to_csv(na_rep="NaN", lineterminator="\n").encode())
    if options.plot is not None or options.show:
        draw(comparison, options)
    if options.quiet and not comparison.identical:
        print(f"{options.file}: {comparison.verdict()}", file=sys.stderr)
    return 0 if comparison.identical else 1


def draw(comparison: "FitComparison", options: argparse.Namespace) -> None:
    """Draw the histories, the loss first, into the file or the window that was asked for."""
    from companion.comparison.fit_comparison import by_text
    from companion.plots import panels, plots

    keys = sorted(comparison.histories, key=lambda name: (name != main_key(comparison), "loss" not in name))
    figure = panels.draw_with_fit(
        {name: pair(comparison, name) for name in keys[:DRAWN]},
        {name: comparison.epochs(name) for name in keys[:DRAWN]},
        f"{Path(options.file).name}: {' and '.join(map(by_text, comparison.names))} (seed {comparison.seed})",
        options.show,
        comparison.names,
    )
    if options.plot is not None:
        plots.save(figure, options.plot)
    if options.show:
        plots.show_windows()


if __name__ == "__main__":
    raise SystemExit(main())
