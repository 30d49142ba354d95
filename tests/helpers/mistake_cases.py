"""Runs loops with mistakes, and loops without, on problems where they show; counts what is said of them."""

import functools
import itertools
from collections import Counter

from mistaken_loops import MISTAKES, loop, source

from companion.check.diagnose import diagnose
from companion.check.problem import Reference
from companion.check.problems import telling_problem
from companion.check.recording.loop_watcher import watch
from companion.check.replay import Replay

ENDS_IN_AN_EXCEPTION = ("no-gradient", "variables-in-tf-function")


# Those that show on a problem of their own only.
SPECIAL = (
    "not-shuffled", "class-weights-left-out", "class-weights-normalized", "clipping-left-out",
    "schedule-missing", "new-optimizer-every-step", "new-optimizer-every-epoch",
)  # fmt: skip


@functools.cache
def _prepared(name):
    problem = telling_problem(name)
    return problem, Reference(problem), Replay(problem)


def findings_of(train, problem_name=""):
    """Give what is found in a loop when it is run eagerly and watched."""
    problem, reference, replay = _prepared(problem_name if problem_name in SPECIAL else "")
    model = problem.start()
    with watch(model, problem.x) as recording:
        recording.history = [float(loss) for loss in problem.train(train, model)]
    return diagnose(problem, reference, recording, replay).findings


def said_of(style, *mistakes):
    """Say whether the mistakes of a loop are named: "rightly", "wrongly", "partly" or "unknown"."""
    problem = next((name for name in mistakes if name in SPECIAL), "")
    named = {finding.name for finding in findings_of(loop(style, *mistakes), problem)}
    if named == set(mistakes):
        return "rightly"
    if named - {*mistakes, ""}:
        return "wrongly"
    return "partly" if named - {""} else "unknown"


SINGLES = [(style, name) for name, styles in MISTAKES.items() for style in styles]

# Mistakes of which one leaves no trace of the other, or cannot be made together with it.
_ONE_REPORT = {
    "last-batch-reported", "batch-losses-added-up", "evaluate-reported", "loss-after-update",
    "plain-mean-over-batches", "metric-never-reset",
}  # fmt: skip
_ONE_UPDATE = {
    "no-update", "two-updates-a-step", "update-uphill", "wrong-learning-rate", "updates-by-assign",
    "new-optimizer-every-step", "new-optimizer-every-epoch", "some-variables-only", "gradients-clipped",
    "another-optimizer", "clipping-left-out", "schedule-missing",
}  # fmt: skip
_ONE_LOSS = {
    "labels-broadcast", "another-loss", "from-logits-mismatch", "loss-arguments-swapped", "vector-of-losses",
    "sum-instead-of-mean", "divided-by-all-rows", "divided-by-batch-size", "gradient-scaled",
    "class-weights-left-out", "class-weights-normalized",
}  # fmt: skip
_ONE_ORDER = {
    "drawn-with-replacement", "last-batch-dropped", "rows-left-out", "batches-over-the-epoch",
    "other-batch-size", "shuffled-otherwise", "not-shuffled",
}  # fmt: skip
_ONE_PENALTY = {"penalty-left-out", "penalty-twice", "penalty-in-gradient-only", "penalty-in-report-only"}
_NEEDS_A_SHORT_BATCH = {"divided-by-batch-size", "plain-mean-over-batches", "last-batch-dropped"}
_ALONE = {"fit-called-inside", "another-model-trained", *ENDS_IN_AN_EXCEPTION}


def can_be_paired(style, one, other):
    """Say whether two mistakes can be made in one loop, so that both leave their traces."""
    if {one, other} & _ALONE or {one, other} == {"no-update", "already-trained"}:
        return False
    if one in SPECIAL and other in SPECIAL:
        return False
    # Measured anew, the loss has a penalty or not, whatever the tape's has.
    if {one, other} & _ONE_PENALTY and {one, other} & {"evaluate-reported", "loss-after-update"}:
        return False
    if any(
        {one, other} <= group for group in (_ONE_REPORT, _ONE_UPDATE, _ONE_LOSS, _ONE_ORDER, _ONE_PENALTY)
    ):
        return False
    if "batches-over-the-epoch" in (one, other) and {one, other} & _NEEDS_A_SHORT_BATCH:
        return False
    if {one, other} <= _NEEDS_A_SHORT_BATCH and "last-batch-dropped" in (one, other):
        return False
    # There the factor stands on the loss with the penalty, which then is only reported.
    if style != "eager" and {one, other} == {"penalty-in-report-only", "gradient-scaled"}:
        return False
    # There the last batch's loss is read past the sum that lacks the penalty.
    if style == "one_tape" and {one, other} == {"penalty-in-gradient-only", "last-batch-reported"}:
        return False
    # There a vector of losses is reported as a number, which ends in an exception.
    if style == "one_tape" and {one, other} == {"vector-of-losses", "last-batch-reported"}:
        return False
    # With only the last layer's variables one cannot tell whether the gradient holds the penalty.
    if style == "eager" and "some-variables-only" in (one, other) and {one, other} & _ONE_PENALTY:
        return False
    # From such small weights the constraint does not bind.
    if (style, {one, other}) == ("eager", {"other-initial-weights", "updates-by-assign"}):
        return False
    try:
        source(style, [*MISTAKES[one][style], *MISTAKES[other][style]])
    except ValueError:
        return False
    return True


def all_pairs():
    """List all pairs of mistakes that can be made together, style by style."""
    for style in ("compiled", "eager", "arithmetic", "one_tape"):
        names = [name for name in MISTAKES if style in MISTAKES[name]]
        for one, other in itertools.combinations(names, 2):
            if can_be_paired(style, one, other):
                yield style, one, other


def table(said):
    """Count what was said, a row for each kind of loop, as text."""
    lines = [f"{'':<22}{'loops':>6}{'rightly':>9}{'partly':>8}{'unknown':>9}{'wrongly':>9}"]
    for kind, answers in said.items():
        counts = Counter(answers)
        shares = "".join(f"{counts[word]:>{width}}" for word, width in zip(
            ("rightly", "partly", "unknown", "wrongly"), (9, 8, 9, 9), strict=True))  # fmt: skip
        lines.append(f"{kind:<22}{len(answers):>6}{shares}")
    return "\n".join(lines)
