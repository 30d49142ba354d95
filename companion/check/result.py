"""What `check_loop` found, as a page to read, as HTML, and as numbers and strings."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from companion.check.catalogue import Mistake
from companion.check.learner.traceback import LoopError
from companion.check.rules.findings import Divergence, Finding
from companion.check.verdict import ProblemVerdict
from companion.errors import UserError
from companion.terminal.console import Report, as_html, as_plain_text
from companion.terminal.formats import column, count_of, distance, spell_out
from companion.terminal.versions import versions

NOT_DONE = "not done yet"
REVEALING = "the revealing problem"
STYLES = {
    "identical": "bold green",
    "close": "bold green",
    "differs": "bold red",
    "error": "bold red",
    NOT_DONE: "bold",
}


@dataclass
class LoopCheck:
    """What `check_loop` found.

    Attributes
    ----------
    name : str
        The file or the function of the loop.
    verdict : {"identical", "close", "differs", "error", "not done yet"}
        "close": equal within float noise; "not done yet": ``train`` raises NotImplementedError.
    problems : list of ProblemVerdict
        The result on each problem.
    mistakes : list of Mistake
        The most important one first. If it is empty and the verdict is "differs", the reason is not known.
    unknown : list of Finding
        Differences whose reason is not known.
    error : UserError or None
        Why the loop could not be run.
    seconds : float
        How long the check took.
    """

    name: str
    verdict: str = "error"
    problems: list[ProblemVerdict] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    unknown: list[tuple[str, Finding]] = field(default_factory=list)
    error: UserError | None = None
    seconds: float = 0.0

    @property
    def first_difference(self) -> Divergence | None:
        """Return the first place where the loop and ``.fit`` differ, on the first problem where they do."""
        return next((one.first_difference for one in self.problems if one.findings), None)

    def assert_identical(self) -> None:
        """Let a test or a graded cell fail if the loop is not ``.fit``, with a line for each reason.

        Raises
        ------
        AssertionError
            If the verdict is neither "identical" nor "close".
        """
        if self.verdict in ("identical", "close"):
            return
        told = [f"{self.name}: {verdict_text(self)}"]
        for one in self.mistakes:
            where = "" if one.line is None else f"line {one.line}: "
            told.append(f"{where}{one.title} ({one.name}). {one.cure} Seen: {one.evidence}")
        told += [
            f"not explained by any mistake known here: {finding.evidence}" for _, finding in self.unknown
        ]
        raise AssertionError("\n".join(told))

    def as_dict(self) -> dict[str, Any]:
        """Return everything as strings, numbers, lists and dicts, for JSON."""
        return _as_dict(self)

    def __repr__(self) -> str:
        return as_plain_text(lambda report: print_check(report, self))

    def _repr_html_(self) -> str:
        return as_html(lambda report: print_check(report, self))


def print_check(report: Report, check: LoopCheck, *, with_traceback: bool = True) -> None:
    """Print what was run, the losses side by side, the verdict, and why.

    Parameters
    ----------
    report : Report
        Printed on.
    check : LoopCheck
        What was found.
    with_traceback : bool
        Whether to show where an exception came from.
    """
    report.heading(f"{check.name}: your loop beside .fit")
    if check.problems:
        report.part("What was run")
        report.facts([(one.problem.title, _setting(one)) for one in check.problems])
        report.part("Side by side: the loss of each epoch")
        rows = [row for one in check.problems for row in _rows(one)]
        report.table(["", "epoch", "your loop", ".fit", "difference"], rows, text_columns=(0,))
    report.part("The verdict")
    report.print(verdict_text(check), style=STYLES[check.verdict])
    if isinstance(check.error, LoopError) and with_traceback and check.verdict != NOT_DONE:
        report.print()
        report.print(check.error.shown)
    for number, mistake in enumerate(check.mistakes, start=1):
        print_mistake(report, number, mistake, several=len(check.problems) > 1)
    for title, finding in check.unknown:
        report.print()
        report.print("Not explained by any mistake known here")
        report.facts([("  where", f"{where(finding)} of {title}"), ("  evidence", finding.evidence)])
    notes = [(one.problem.title, note) for one in check.problems for note in _notes(one)]
    if notes:
        report.part("Notes")
        report.facts(notes)
    report.print()
    report.print(f"({check.seconds:.1f} s)", style="dim")


def _setting(one: ProblemVerdict) -> str:
    p = one.problem
    order = "shuffled as .fit does" if p.shuffle else "not shuffled"
    text = f"{len(p.x)} rows, {order}, batch size {p.batch_size}, {count_of(p.epochs, 'epoch')}"
    text += f", learning rate {p.learning_rate:g}"
    if p.title == "the revealing problem":
        text += "; with penalty, dropout, batch normalization, a constraint and a short last batch"
    return text


def _rows(one: ProblemVerdict) -> list[list[str]]:
    losses = list(itertools.zip_longest(one.learner, one.fit))  # one may have been stopped earlier
    kept = [n for n in range(len(losses)) if n < 5 or n == len(losses) - 1]
    shown = [column([math.nan if losses[n][of] is None else losses[n][of] for n in kept]) for of in (0, 1)]
    return [
        [
            one.problem.title if n == 0 else "",
            str(n),
            *("-" if losses[n][of] is None else shown[of][row] for of in (0, 1)),
            "-" if None in losses[n] else distance(_apart(*losses[n])),
        ]
        for row, n in enumerate(kept)
    ]


def _apart(a: float, b: float) -> float:
    return 0.0 if a == b or (a != a and b != b) else abs(a - b)


def verdict_text(check: LoopCheck) -> str:
    """Return a sentence or two: what came out."""
    if check.verdict == NOT_DONE:
        return f"{NOT_DONE}: train still raises NotImplementedError"
    if check.error is not None:
        return f"could not run: {check.error}"
    if check.verdict == "differs":
        return differs_text(len(check.mistakes), bool(check.unknown))
    done = "; ".join(f"{one.problem.title}: {one.verdict}{_how_close(one)}" for one in check.problems)
    well = "Well done: your loop does what .fit does."
    return f"{check.verdict}. {well} {done[:1].upper()}{done[1:]}"


def differs_text(mistakes: int, unknown: bool) -> str:
    """Return how many mistakes were found, and whether something differs for a reason that is not known."""
    if not mistakes:
        return "differs, and the reason is not known: see below where the difference begins"
    more = "; something else differs too" if unknown else ""
    return f"differs: {mistakes} mistake{'s' if mistakes > 1 else ''}{more}"


def _how_close(one: ProblemVerdict) -> str:
    epochs, steps = one.problem.epochs, one.problem.row_count // one.problem.batch_size
    steps += bool(one.problem.row_count % one.problem.batch_size)
    checked = (
        f"{epochs * steps} updates: rows and their order, gradient, weights; {epochs} losses; final weights"
    )
    if not one.learner:
        return f", as far as it was judged: final weights {distance(one.weights_apart)} apart"
    if one.verdict == "identical":
        return f", bit for bit ({checked})"
    losses = f"losses at most {distance(one.losses_apart)} apart" if one.losses_apart else "the same losses"
    return f", equal within float noise: {losses}, final weights {distance(one.weights_apart)} ({checked})"


def print_mistake(report: Report, number: int, mistake: Mistake, *, several: bool = False) -> None:
    """Print a mistake: where, the evidence, the cure, where to read on; of `several` problems, on which."""
    report.print()
    report.print(f"{number}. {mistake.title}  ({mistake.name})", style="bold")
    facts = [("   evidence", mistake.evidence)]
    if mistake.line is not None:
        code = f": {mistake.code}" if mistake.code else ""
        facts.insert(0, ("   where", f"{mistake.file}, line {mistake.line}{code}"))
    if mistake.problems:
        facts.append(("   shows on", _shows_on(mistake) if several else mistake.problems[0]))
    facts += [("   cure", mistake.cure), ("   read", f"{mistake.link.partition('#')[0]}: {mistake.section}")]
    report.facts(facts)


# On what a mistake shows that does not show on the lesson's own data.
SHOWS_ON = {
    "penalty": "a network with a penalty",
    "training-left-out": "a network with dropout or batch normalization",
    "extra-training-pass": "a network with dropout or batch normalization",
    "last-batch": "data with a short last batch",
    "plain-mean": "data with a short last batch",
    "divided-by-batch": "data with a short last batch",
    "batches-over": "data with a short last batch",
    "updates-by-assign": "a network with a constraint",
}


def _shows_on(mistake: Mistake) -> str:
    """Return on which problems a mistake shows; on the revealing one alone, what kind of network it needs."""
    if mistake.problems != [REVEALING]:
        return " and ".join(mistake.problems)
    kind = next((kind for start, kind in SHOWS_ON.items() if mistake.name.startswith(start)), "")
    return f"{REVEALING}, not on the lesson's data" + (f": it needs {kind}" if kind else "")


def where(finding: Finding) -> str:
    """Return in which step something differs."""
    at = finding.difference
    words = [
        f"epoch {at.epoch}" if at.epoch is not None else "",
        f"batch {at.batch}" if at.batch is not None else "",
    ]
    return ", ".join([at.what, *filter(None, words), *filter(None, [at.variable])])


def _notes(one: ProblemVerdict) -> list[str]:
    note = _nan_note(one.learner)
    return [*one.unwatched, *([note] if note else [])]


def _as_dict(check: LoopCheck) -> dict[str, Any]:
    """Return everything as strings, numbers, lists and dicts."""
    at = check.first_difference
    content = {
        "loop": check.name,
        "verdict": check.verdict,
        "mistakes": [
            {
                "name": one.name, "title": one.title, "evidence": one.evidence, "file": one.file,
                "line": one.line, "cure": one.cure, "link": one.link, "problems": one.problems,
            }
            for one in check.mistakes
        ],
        "first_difference": difference_dict(at) if at is not None else None,
        "unknown": [
            {"problem": title, "evidence": finding.evidence, **difference_dict(finding.difference)}
            for title, finding in check.unknown
        ],
        "problems": [
            {
                "title": one.problem.title, "verdict": one.verdict, "learner": one.learner, "fit": one.fit,
                "weights_apart": one.weights_apart, "unwatched": one.unwatched,
                "settings": {
                    "rows": one.problem.row_count, "batch_size": one.problem.batch_size,
                    "epochs": one.problem.epochs, "learning_rate": one.problem.learning_rate,
                    "seed": one.problem.seed, "shuffle": one.problem.shuffle,
                },
            }
            for one in check.problems
        ],
        "error": None if check.error is None else str(check.error),
        "traceback": check.error.shown if isinstance(check.error, LoopError) else None,
        "seconds": check.seconds,
        "versions": versions(),
    }  # fmt: skip
    return spell_out(content)


def difference_dict(at: Divergence) -> dict[str, Any]:
    """Return a place where the two differ, for JSON."""
    return {
        "epoch": at.epoch, "batch": at.batch, "what": at.what, "variable": at.variable, "learner": at.learner,
        "fit": at.fit,
    }  # fmt: skip


def _nan_note(history: list[float]) -> str | None:
    """Return from which epoch on the loss is not a finite number."""
    wrong = [epoch for epoch, loss in enumerate(history) if not math.isfinite(loss)]
    return f"the loss is {history[wrong[0]]} from epoch {wrong[0]} on" if wrong else None


def draw(problems: Sequence[ProblemVerdict], path: str, title: str) -> None:
    """Draw the losses of the loop and of ``.fit``, with the first difference marked."""
    from companion.plots import panels, plots

    curves = {
        one.problem.title: ({"by_hand": one.learner, "fit": one.fit}, one.first_difference)
        for one in problems
    }
    figure = panels.draw_check(curves, title)
    plots.save(figure, path)
