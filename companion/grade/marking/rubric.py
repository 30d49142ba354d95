"""From what the rules have found in a run to criteria with points."""

from collections.abc import Sequence

import numpy as np

from companion.check.judge import Judge
from companion.check.recording.events import State
from companion.check.replay import Variant
from companion.check.rules.findings import FORWARD, GRADIENT, REPORT, ROWS, START, UPDATE, Finding
from companion.check.run import LoopRun
from companion.check.verdict import ProblemVerdict
from companion.grade.marking.grade import CRITERIA, NOT_JUDGED, RIGHT, WRONG, CriterionMark, not_judged

SHORT_BATCH = {"last-batch-dropped", "divided-by-batch-size"}
OF_STAGE = {
    START: "first_loss",
    FORWARD: "gradients",  # or the first loss, if that is another
    GRADIENT: "gradients",
    ROWS: "rows",
    UPDATE: "updates",
    REPORT: "reports",
}


def judge_criteria(one: ProblemVerdict, run: LoopRun, judge: Judge) -> Sequence[CriterionMark]:
    """Return for each criterion, in the order of `CRITERIA`, whether it holds."""
    judged = _judge_run(one, run, judge)
    if not run.returned or judged[0].state != RIGHT:
        return judged
    return [
        CriterionMark("reports", WRONG, run.returned) if mark.name == "reports" else mark for mark in judged
    ]


def _judge_run(one: ProblemVerdict, run: LoopRun, judge: Judge) -> Sequence[CriterionMark]:
    """Judge all but what a wrong return hides."""
    copied = next((finding for finding in one.findings if finding.name == "fit-called-inside"), None)
    if copied is not None:
        return not_judged(f"no loop by hand: {copied.evidence}")
    wanted = len(judge.reference.updates)
    if not one.findings:
        seen = own_updates(one, run, judge)
        if seen == wanted:
            return [CriterionMark(name, RIGHT) for name in CRITERIA]
        told = f"a gradient from your own code was seen in only {seen} of {wanted} updates"
        own = set() if run.recording is None else set(run.recording.own_tapes)
        others = any(step.gradient.tape not in own for step in one.steps)
        if others or run.fits or (run.recording is not None and run.recording.fits):
            return not_judged(
                f"no loop by hand: .fit, train_on_batch or a loop like it is called, and {told}"
            )
        # No mistake was seen; `is_unseen` says whether somebody must read it.
        return [CriterionMark(name, RIGHT) for name in CRITERIA]
    if run.recording is None or not one.steps:
        if run.recording is None or one.unwatched:
            return _by_result_only(one, run, judge)
        return not_judged(f"no training: {one.findings[0].evidence}")
    found = _by_criterion(one.findings)
    if found.keys() & {"gradients"} and "first_loss" not in found:
        told = _first_loss(one, judge)
        if told:
            found["first_loss"] = told
    judged = [_judged(name, found, one) for name in CRITERIA]
    # However they were reached: a new optimizer every step, say, makes no difference here.
    return [*judged[:-1], CriterionMark("final_weights", RIGHT)] if judge.has_same_end(run) else judged


def is_unseen(run: LoopRun) -> bool:
    """Return whether a right result may have come about in any way: by no tape of the submission, or another.

    Its own tapes may work where updates cannot be seen, as in ``Dataset.reduce`` or on plain tensors.
    """
    return run.recording is None or not run.recording.own_tapes or run.recording.foreign > 0


def own_updates(one: ProblemVerdict, run: LoopRun, judge: Judge) -> int:
    """Count the updates of ``.fit`` that the run makes too, with a gradient from its own code."""
    if run.recording is None:
        return 0
    own = [step for step in one.steps if step.gradient.tape in run.recording.own_tapes]
    return sum(
        _are_near(judge, step.updates[0].before, fit.before)  # else it stands for another that is not seen
        and _are_near(judge, step.updates[-1].after, fit.after)
        for step, fit in zip(own, judge.reference.updates, strict=False)
    )


def _are_near(judge: Judge, mine: State, fit: State) -> bool:
    return all(judge.near(a, b) for a, b in zip(mine, fit, strict=True))


def _by_criterion(findings: Sequence[Finding]) -> dict[str, str]:
    """Return the evidence of the earliest finding for each criterion that does not hold."""
    found: dict[str, str] = {}
    for finding in findings:
        name = OF_STAGE[finding.stage]
        if finding.name in SHORT_BATCH:
            name = "short_batch"
        elif finding.name == "penalty-in-report-only":
            name = "gradients"  # the report is right
        elif finding.name == "extra-training-pass":
            name = "updates"  # of what is not trained, such as moving averages
        elif finding.stage == REPORT and finding.difference.what == "weights":
            name = "final_weights"
        found.setdefault(name, finding.evidence)
        if finding.name == "other-epochs":
            found.setdefault("final_weights", finding.evidence)
    return found


def _first_loss(one: ProblemVerdict, judge: Judge) -> str:
    """Compare the first loss that the tape differentiates with that of ``.fit`` there; "" if equal."""
    first = one.steps[0] if one.steps else None
    if first is None or not first.forwards or first.forwards[-1].rows is None or _rows_unseen(one):
        return ""
    mine = float(np.mean(first.gradient.target))
    point = judge.replay.at(first.forwards[-1], Variant())
    fit = point.loss + point.penalty
    if judge.near(mine, fit):
        return ""
    return f"the loss of the first batch is {mine:.6g}, but {fit:.6g} with .fit"


# What cannot be told when something earlier is wrong.
FOLLOWS_FROM = {
    "gradients": ("first_loss",),
    "short_batch": ("rows",),
    "final_weights": ("first_loss", "gradients", "updates", "rows", "short_batch"),
}


def _judged(name: str, found: dict[str, str], one: ProblemVerdict) -> CriterionMark:
    earlier = [CRITERIA[other] for other in FOLLOWS_FROM.get(name, ()) if other in found]
    if earlier:
        told = f"it depends on something that is wrong: {earlier[0]}"
        return CriterionMark(name, NOT_JUDGED, told, follows=True)
    if name in ("first_loss", "rows", "short_batch") and _rows_unseen(one):
        return CriterionMark(name, NOT_JUDGED, "the rows of the batches could not be seen")
    return CriterionMark(name, WRONG, found[name]) if name in found else CriterionMark(name, RIGHT)


def _rows_unseen(one: ProblemVerdict) -> bool:
    return any("could not be seen" in note for note in one.unwatched)


def _by_result_only(one: ProblemVerdict, run: LoopRun, judge: Judge) -> Sequence[CriterionMark]:
    """Judge a loop of which only the result is known."""
    told = "only the result could be compared"
    states = dict.fromkeys(CRITERIA, NOT_JUDGED) | {"runs": RIGHT}
    reported = all(judge.near(a, b) for a, b in zip(one.learner, one.fit, strict=not run.returned))
    states["reports"] = RIGHT if reported else WRONG
    states["final_weights"] = RIGHT if judge.has_same_end(run) else WRONG
    return [CriterionMark(name, state, "" if state == RIGHT else told) for name, state in states.items()]
