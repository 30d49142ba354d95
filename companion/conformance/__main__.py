"""``python -m companion.conformance``: hundreds of trainings, by hand and by ``.fit``, compared exactly."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from companion.errors import UserError
from companion.terminal.arguments import OneLineParser, check_outputs, whole_number
from companion.terminal.console import Report, command
from companion.terminal.formats import distance, spell_out
from companion.terminal.outputs import write

if TYPE_CHECKING:
    from companion.conformance.table import Row

NAME = "python -m companion.conformance"


def conformance_parser() -> argparse.ArgumentParser:
    """Make the parser of the command."""
    parser = OneLineParser(
        prog=NAME,
        description="Trains small networks by fit_by_hand and by model.fit, in hundreds of combinations of "
        "layers, optimizers, losses, metrics, inputs, arguments and callbacks, and compares histories, "
        "variables and callback calls bit for bit. All rows take half an hour; one row takes 1 to 10 "
        "seconds.",
        epilog="FILE may be '-' for standard output; then nothing else is printed there. "
        "Exit status: 0 no row differs, except where .fit also differs from itself; 1 some differ; "
        "2 bad usage.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--only", metavar="WORD", default="", help="only rows that contain WORD, such as LSTM or Adam")
    add("--jobs", type=whole_number(1, None, 2), default=1, metavar="N", help="processes at a time (1)")
    add("--scheduler", metavar="ADDRESS", help="train on a Dask cluster, such as tcp://host:8786")
    add("--rows", action="store_true", help="print every row, not only the summary by option")
    add("--list", action="store_true", help="print which rows there are, and train nothing")
    add("--json", metavar="FILE", help="write all rows")
    return parser


@command(NAME)
def main(argv: Sequence[str] | None = None) -> int:
    """Print the conformance table; return 1 if a row differs where ``.fit`` equals itself, else 0."""
    parser = conformance_parser()
    options = parser.parse_args(sys.argv[1:] if argv is None else argv)
    to_stdout = check_outputs(parser, options, ("json",))
    from companion.conformance import table  # help and usage errors need not wait for TensorFlow
    from companion.terminal.progress import progress, track

    if options.list and options.json is not None:
        parser.error("--json: with --list nothing is trained, so there is nothing to write; leave one out")
    if options.scheduler is not None and options.jobs > 1:
        parser.error("--jobs: a cluster has as many processes as its workers have threads; leave it out")
    rows = table.combinations(options.only)
    if not rows:
        raise UserError(f"--only: no row has {options.only!r} in it; --list shows all")
    report = Report(quiet=to_stdout)
    if options.list:
        report.print("\n".join(row.title for row in rows), soft_wrap=True)
        return 0
    trained = []
    if options.rows:
        report.heading("Each combination")
    with progress():
        if options.scheduler is None:
            training = table.train_all(rows, options.jobs)
        else:
            training = table.train_on_cluster(rows, options.scheduler)
        for _ in track(range(len(rows)), "combinations"):
            trained.append(next(training))
            if options.rows:
                print_row(report, trained[-1])
    print_summary(report, trained)
    if options.json is not None:
        content = json.dumps(spell_out([row.as_dict() for row in trained]), indent=2) + "\n"
        write(options.json, content.encode())
    return 1 if any(row.differs for row in trained) else 0


def print_row(report: Report, row: "Row") -> None:
    """Print what came out of one combination."""
    word = "identical" if row.identical else f"differs by {distance(row.largest)}"
    if not row.repeatable:
        word += ", as .fit does from itself"
    report.print(f"{word:<12} {row.title}", soft_wrap=True)


def print_summary(report: Report, trained: Sequence["Row"]) -> None:
    """Count the rows by option; then list each that differs, where and by how much."""
    report.heading("By option")
    rows = []
    for option in dict.fromkeys(o.option for o in trained):
        own = [o for o in trained if o.option == option]
        counts = [str(len(own)), str(sum(o.identical for o in own))]
        largest = [distance(max(o.largest for o in own)), distance(max(o.largest_ulp for o in own))]
        rows.append([option, *counts, *largest])
    report.table(["", "combinations", "identical", "largest\ndifference", "in ulp"], rows, text_columns=(0,))
    differing, unrepeatable = [o for o in trained if o.differs], [o for o in trained if not o.repeatable]
    if unrepeatable:
        report.print(
            f"in {len(unrepeatable)}, .fit does not equal itself when it runs again, so no loop can equal it:"
        )
        print_verdicts(report, unrepeatable)
    if differing:
        report.print(f"{len(differing)} of {len(trained)} combinations differ:", style="bold red")
        print_verdicts(report, differing)
    else:
        identical = len(trained) - len(unrepeatable)
        all_others = "all" if not unrepeatable else "all other"
        report.print(f"{all_others} {identical} combinations are identical, bit for bit", style="bold green")


def print_verdicts(report: Report, trained: Sequence["Row"]) -> None:
    """Print where each row differs, and by how much."""
    for o in trained:
        report.print(f"- {o.title}: {o.verdict}", soft_wrap=True)


if __name__ == "__main__":
    raise SystemExit(main())
