"""``python -m companion.conformance``: hundreds of trainings, by hand and by ``.fit``, compared exactly."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from companion.arguments import OneLineParser, check_outputs
from companion.console import Report, command
from companion.errors import UserError
from companion.formats import distance, spell_out
from companion.outputs import write

NAME = "python -m companion.conformance"


def conformance_parser() -> argparse.ArgumentParser:
    """Make the parser of the command."""
    parser = OneLineParser(
        prog=NAME,
        description="Trains small networks by fit_by_hand and by model.fit, in hundreds of combinations of "
        "layers, optimizers, losses, metrics, inputs, arguments and callbacks, and compares histories, "
        "variables and callback calls bit for bit. All of it takes some twenty minutes.",
        epilog="FILE may be '-' for standard output; then nothing else is printed there. "
        "Exit status: 0 all are identical, 1 some differ, 2 bad usage.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--only", metavar="WORD", default="", help="only rows in which WORD stands, such as LSTM or Adam")
    add("--rows", action="store_true", help="print every row, not only the summary by option")
    add("--list", action="store_true", help="print which rows there are, and train nothing")
    add("--json", metavar="FILE", help="write all rows")
    return parser


@command(NAME)
def main(argv: Sequence[str] | None = None) -> int:
    """Print the conformance table; give 0 if every row is identical, else 1."""
    parser = conformance_parser()
    options = parser.parse_args(sys.argv[1:] if argv is None else argv)
    to_stdout = check_outputs(parser, options, ("json",))
    from companion import table  # help and usage errors need not wait for TensorFlow
    from companion.progress import progress, track

    rows = table.combinations(options.only)
    if not rows:
        raise UserError(f"--only: no row has {options.only!r} in it; --list shows all")
    report = Report(quiet=to_stdout)
    if options.list:
        report.table(
            ["group", "network", ""],
            [[row.group, row.network, row.name] for row in rows],
            text_columns=(0, 1, 2),
        )
        return 0
    trained = table.train(rows)
    with progress():
        outcomes = [next(trained) for _ in track(range(len(rows)), "combinations")]
    print_table(
        report,
        outcomes if options.rows else [o for o in outcomes if not o.identical],
        table.summary(outcomes),
    )
    if options.json is not None:
        content = json.dumps(spell_out([outcome.as_dict() for outcome in outcomes]), indent=2) + "\n"
        write(options.json, content.encode())
    return 0 if all(outcome.identical for outcome in outcomes) else 1


def print_table(report: Report, outcomes: Sequence[Any], summary: Any) -> None:
    """Print the rows of `outcomes`, then the summary by option.

    Parameters
    ----------
    report : Report
        Where to.
    outcomes : sequence of companion.table.Outcome
        All, or those that differ.
    summary : DataFrame
        From `companion.table.summary`.
    """
    if outcomes:
        report.heading("Each combination")
        rows = [
            [
                o.row.title,
                "identical" if o.identical else f"{o.verdict} {o.reason}".strip(),
                distance(o.largest),
            ]
            for o in outcomes
        ]
        report.table(["combination", "", "largest\ndifference"], rows, text_columns=(0, 1))
    report.heading("By option")
    rows = [
        [
            str(group),
            str(row.combinations),
            str(row.identical),
            distance(row.largest),
            distance(row.largest_ulp),
        ]
        for group, row in summary.iterrows()
    ]
    report.table(["", "combinations", "identical", "largest\ndifference", "in ulp"], rows, text_columns=(0,))
    differ = int((summary.combinations - summary.identical).sum())
    total = int(summary.combinations.sum())
    if differ:
        report.print(f"{differ} of {total} combinations differ", style="bold red")
    else:
        report.print(f"all {total} combinations are identical, bit for bit", style="bold green")


if __name__ == "__main__":
    raise SystemExit(main())
