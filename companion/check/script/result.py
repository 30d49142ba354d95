"""What was found about a script, as a page to read, as HTML, and as numbers and strings."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from companion.check.catalogue import Mistake
from companion.check.learner.lines import Location
from companion.check.learner.traceback import LoopError
from companion.check.recording.events import ReadyMade, Update
from companion.check.result import STYLES, difference_dict, differs_text, print_mistake, where
from companion.check.rules.findings import Finding
from companion.check.script.losses import described
from companion.check.script.reported import Reported
from companion.check.script.training import Training
from companion.check.verdict import ProblemVerdict
from companion.terminal.console import Report, as_html, as_plain_text
from companion.terminal.formats import column, count_of, distance, spell_out
from companion.terminal.versions import versions

NOTHING = "nothing to compare"


@dataclass
class TrainingCheck:
    """What was found about one network that a script trains.

    Attributes
    ----------
    training : Training
        What was seen, and the ``.fit`` that it should equal.
    verdict : ProblemVerdict
        What came out.
    shown : Reported or None
        What the script reports as the loss of an epoch, if it was found.
    mistakes : list of Mistake
        The most important one first.
    unknown : list of Finding
        Differences whose reason is not known.
    notes : list of str
        What could not be judged.
    """

    training: Training
    verdict: ProblemVerdict
    shown: Reported | None
    mistakes: list[Mistake]
    unknown: list[Finding]
    notes: list[str]


@dataclass
class ScriptCheck:
    """What was found about a script.

    Attributes
    ----------
    name : str
        The file.
    trainings : list of TrainingCheck
        One for each network that the script trains in a loop of its own.
    reasons : list of str
        Why something that it trains cannot be compared with ``.fit``, in sentences.
    error : LoopError or None
        The exception that ended the script.
    ended : str
        How the script ended, in a sentence, if not as scripts do.
    seconds : float
        How long the check took beyond the script.
    """

    name: str
    trainings: list[TrainingCheck] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    error: LoopError | None = None
    ended: str = ""
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """Return "identical", "close", "differs", "nothing to compare" or "error": the worst one."""
        found = [one.verdict.verdict for one in self.trainings]
        if "differs" in found:
            return "differs"
        if self.error is not None:
            return "error"
        if not found:
            return NOTHING
        return "close" if "close" in found else "identical"

    def as_dict(self) -> dict[str, Any]:
        """Return everything as strings, numbers, lists and dicts, for JSON."""
        return spell_out(
            {
                "script": self.name,
                "verdict": self.verdict,
                "trainings": [_training_dict(one) for one in self.trainings],
                "not_comparable": self.reasons,
                "ended": self.ended,
                "error": None if self.error is None else str(self.error),
                "traceback": None if self.error is None else self.error.shown,
                "seconds": self.seconds,
                "versions": versions(),
            }
        )

    def __repr__(self) -> str:
        return as_plain_text(lambda report: print_script(report, self))

    def _repr_html_(self) -> str:
        return as_html(lambda report: print_script(report, self))


def print_script(report: Report, check: ScriptCheck) -> None:
    """Print what the script trains, beside ``.fit``, and the verdict on each training."""
    if check.error is not None and not check.trainings and not check.reasons:
        report.print("It ended before any loop could be compared.", style="dim")
        return
    report.heading(f"{check.name}: what it trains, beside .fit")
    for one in check.trainings:
        _print_training(report, one)
    if not check.trainings and not check.reasons:
        report.print()
        report.print(NO_LOOP)
    for reason in check.reasons:
        report.print()
        report.print(f"{reason[:1].upper()}{reason[1:]}", style="bold")
    if check.ended:
        report.print()
        report.print(f"{check.ended[:1].upper()}{check.ended[1:]}.")
    report.print()
    report.print(f"(the check took {check.seconds:.1f} s beyond the script)", style="dim")


NO_LOOP = (
    "Nothing to compare with .fit, because no loop of this file trains a Keras network: no gradient that a "
    "tf.GradientTape of yours computes is used for an update."
)


def _print_training(report: Report, one: TrainingCheck) -> None:
    training = one.training
    report.part(f"The loop that trains {training.name}{_from(training.place)}")
    report.facts(_facts(one))
    if training.apart:
        report.heading("   Before any step, the loop and your .fit differ")
        for difference in training.apart:
            report.indented(f"{difference}.")
    report.print()
    report.table(["epoch", "your loop", ".fit", "difference"], _rows(one))
    report.print()
    report.print(verdict_text(one), style=STYLES[one.verdict.verdict])
    for number, mistake in enumerate(one.mistakes, start=1):
        print_mistake(report, number, mistake)
    for finding in one.unknown:
        report.print()
        report.print("Not explained by any mistake known here")
        report.facts([("   where", where(finding)), ("   evidence", finding.evidence)])
    if one.notes:
        report.heading("   Notes")
        for note in one.notes:
            report.indented(f"{note[:1].upper()}{note[1:]}.")


def _facts(one: TrainingCheck) -> list[tuple[str, str]]:
    """Return what was watched, and which ``.fit`` it is compared with."""
    training, problem = one.training, one.training.problem
    # A call of .fit before the loop stands first.
    first = next(event.place for event in training.recording.events if not isinstance(event, ReadyMade))
    seen = sum(isinstance(event, Update) for event in training.recording.events)
    steps = (len(one.verdict.steps) or seen) / problem.epochs
    updates = count_of(round(steps), "update") if steps == round(steps) else f"{steps:.1f} updates"
    watched = (
        f"{count_of(problem.epochs, 'epoch')}{_from(first)}: {problem.row_count} rows, {updates} per epoch"
    )
    facts = [("   watched", watched)]
    if any(not np.array_equal(order, np.sort(order)) for order in problem.orders):
        told = "your loop shuffles the rows; .fit is fed the same rows in the same order"
        facts.append(("   order", ".fit shuffles the rows" if training.network.own_fit else told))
    settings = training.fit.optimizer if training.fit else training.network.first_optimizer
    how = (
        f"{described(problem.loss())}, {optimizer_text(settings, problem.learning_rate)}, "
        f"batches of {problem.batch_size}"
    )
    if training.fit is not None and training.fit.place is not None:
        told = "runs your own step" if training.network.own_fit else "as you call it"
        facts.append(("   .fit", f"{told}{_from(training.fit.place, 'in')}: {how}"))
    else:
        why = "your file has no .fit for this network"
        if training.other_fit is not None:
            place = training.other_fit.place
            at = f" in line {place.line}" if place else ""
            why = f"the .fit{at} trains another network, with weights of other shapes"
        facts.append(("   .fit", f"{how}; {why}, so this is what your loop uses"))
    facts += [("   assumed", text) for text in training.assumed]
    if one.shown is not None:
        facts.append(
            ("   your loss", "what .fit returns" if training.network.own_fit else _source(one.shown))
        )
    return facts


def _from(place: Location | None, word: str = "from") -> str:
    """Name a line in a sentence, in a notebook with its cell."""
    if place is None:
        return ""
    _, _, cell = place.file.rpartition(", cell ") if ", cell " in place.file else ("", "", "")
    return f", {word} {f'cell {cell}, ' if cell else ''}line {place.line}" + (" on" if word == "from" else "")


def optimizer_text(settings: Mapping[str, Any], rate: float) -> str:
    """Name an optimizer with all that is not as Keras has it."""
    if not settings:
        return f"SGD, learning rate {rate:g}"
    own = settings["config"]
    schedule = own.get("learning_rate")
    told = [settings["class_name"], f"learning rate {rate:g}"]
    if isinstance(schedule, Mapping):
        told[1] += f" at first ({schedule.get('class_name')})"
    try:
        usual = settings["class"]().get_config()
    except TypeError:  # a class of the script's own, which may need arguments
        usual = own
    told += [
        f"{key} {value!r}" for key, value in own.items()
        if key not in ("name", "learning_rate") and value != usual.get(key)
    ]  # fmt: skip
    return ", ".join(told)


def _source(shown: Reported) -> str:
    if shown.resolution:
        return (
            f"the number that you print after {shown.name!r}" if shown.name else "the number that you print"
        )
    return shown.name if shown.name.startswith("the ") else f"the list {shown.name}"


def _rows(one: TrainingCheck) -> list[list[str]]:
    known = set() if one.shown is None else set(one.shown.values)
    mine, fit = one.verdict.learner, one.verdict.fit
    rows = []
    for epoch, (own, of_fit) in enumerate(zip(_as_shown(mine, one.shown), column(fit), strict=True)):
        shown = epoch in known
        apart = distance(abs(mine[epoch] - fit[epoch])) if shown else "-"
        rows.append([str(epoch), own if shown else "-", of_fit, apart])
    return rows


def _as_shown(losses: Sequence[float], shown: Reported | None) -> list[str]:
    """Format losses with the digits that the script prints, or with all that it keeps."""
    if shown is None or not shown.resolution:
        return column(losses)
    return [f"{loss:.{round(-math.log10(2 * shown.resolution))}f}" for loss in losses]


def verdict_text(one: TrainingCheck) -> str:
    """Return a sentence: what came out."""
    verdict, training = one.verdict, one.training
    if verdict.verdict == "differs":
        return differs_text(len(one.mistakes), bool(one.unknown))
    steps = len(verdict.steps)
    checked = f"{count_of(steps, 'update')}: rows, gradient, weights"
    checked += "" if one.shown is None else f"; {count_of(len(one.shown.values), 'loss')}"
    if verdict.verdict == "identical":
        return f"identical, bit for bit ({checked})"
    why = "; a watched loop runs eagerly, so it cannot show the bits of a compiled one"
    why = why if training.recording.compiled else ""
    apart = f"at most {distance(verdict.weights_apart)} apart" if verdict.weights_apart else "the same"
    return f"equal within float noise ({checked}): the weights are {apart}{why}"


def _training_dict(one: TrainingCheck) -> dict[str, Any]:
    training, problem = one.training, one.training.problem
    return {
        "network": training.name,
        "line": training.network.begun_in[-1].line if training.network.begun_in else None,
        "verdict": one.verdict.verdict,
        "mistakes": [
            {
                "name": each.name, "title": each.title, "evidence": each.evidence, "file": each.file,
                "line": each.line, "cure": each.cure, "link": each.link,
            }
            for each in one.mistakes
        ],
        "unknown": [
            {"evidence": each.evidence, **difference_dict(each.difference)} for each in one.unknown
        ],
        "assumed": training.assumed,
        "before_any_step": training.apart,
        "notes": one.notes,
        "learner": one.verdict.learner if one.shown else None,
        "fit": one.verdict.fit,
        "weights_apart": one.verdict.weights_apart,
        "settings": {
            "rows": problem.row_count, "batch_size": problem.batch_size, "epochs": problem.epochs,
            "learning_rate": problem.learning_rate, "loss": described(problem.loss()),
        },
    }  # fmt: skip
