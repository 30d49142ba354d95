"""What the loop reports as an epoch's loss, held against every rule that people use."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from companion.diagnosis.findings import REPORT, Case, Difference, Finding
from companion.diagnosis.recording import Forward
from companion.diagnosis.replay import Variant
from companion.diagnosis.steps import Step

NOISE = 1e-5
Epochs = list[np.ndarray]  # an array an epoch, a number a step


@dataclass(frozen=True)
class Rule:
    """A way in which the reported losses may have come about.

    Attributes
    ----------
    names : tuple of str
        The mistakes in it; none for the way of ``.fit``.
    values : list of float
        What it gives, an epoch each.
    told : str
        In words.
    """

    names: tuple[str, ...]
    values: list[float]
    told: str


def _weighted(losses: np.ndarray, rows: np.ndarray, n: int) -> float:
    return float(losses @ rows / rows.sum())


def _over_all(losses: np.ndarray, rows: np.ndarray, n: int) -> float:
    return float(losses @ rows / n)


def _plain(losses: np.ndarray, rows: np.ndarray, n: int) -> float:
    return float(losses.mean())


def _last(losses: np.ndarray, rows: np.ndarray, n: int) -> float:
    return float(losses[-1])


def _sum(losses: np.ndarray, rows: np.ndarray, n: int) -> float:
    return float(losses.sum())


def _row_sum(losses: np.ndarray, rows: np.ndarray, n: int) -> float:
    return float(losses @ rows)


WAYS: list[tuple[Callable, tuple[str, ...], str]] = [
    (_weighted, (), "the mean of the batches' losses, each weighted by its rows"),
    (_over_all, (), "the sum over all rows, divided by their number"),
    (_plain, ("plain-mean-over-batches",), "the plain mean of the batches' losses: the short batch counts as a full one"),
    (_last, ("last-batch-reported",), "the loss of the last batch"),
    (_sum, ("batch-losses-added-up",), "the sum of the batches' losses"),
    (_row_sum, ("batch-losses-added-up",), "the sum of the rows' losses"),
]


def report_findings(case: Case, gradient_names: set[str]) -> list[Finding]:
    """Find the rule by which the reported losses come from the run's own losses.

    Parameters
    ----------
    case : Case
        The run.
    gradient_names : set of str
        The mistakes found in its gradients: with one of them its own loss is another than that of ``.fit``.

    Returns
    -------
    list of Finding
    """
    reported = np.array(case.recording.history)
    fitting = [rule for rule in _rules(case, gradient_names) if _same(reported, rule.values)]
    fewest = min((len(rule.names) for rule in fitting), default=0)
    best = [rule for rule in fitting if len(rule.names) == fewest]
    right = next(rule for rule in _of_losses(case, case.steps, "fit", ()) if not rule.names).values
    if not best:
        return [_finding("", case, right, "no rule known here gives what you report from the losses of your batches")]
    if len({rule.names for rule in best}) > 1:
        told = " and ".join(dict.fromkeys(rule.told for rule in best))
        return [_finding("", case, right, f"you report what {told} both give here, so the reason stays open")]
    return [_finding(name, case, right, f"you report {best[0].told}") for name in best[0].names]


def _same(one: np.ndarray, other: list[float]) -> bool:
    return bool(np.allclose(one, other, rtol=NOISE, atol=1e-9, equal_nan=True))


def _rules(case: Case, gradient_names: set[str]) -> Iterator[Rule]:
    """List all ways, the right one first."""
    for steps in _each_batch_once(case):
        yield from _of_losses(case, steps, "fit", _penalty_names("fit", gradient_names))
        if gradient_names:
            yield from _of_losses(case, steps, "own", ())
        yield from _of_losses(case, steps, "loss alone", _penalty_names("loss alone", gradient_names))
        if all(_follow_up(step) is not None for step in steps):
            yield from _of_losses(case, steps, "after", ("loss-after-update",))
            yield from _of_losses(case, steps, "after, loss alone", ("loss-after-update",))
    yield from _evaluated(case)


def _penalty_names(source: str, gradient_names: set[str]) -> tuple[str, ...]:
    if source == "fit":
        return ("penalty-in-report-only",) if "penalty-left-out" in gradient_names else ()
    return () if "penalty-left-out" in gradient_names else ("penalty-in-gradient-only",)


def _each_batch_once(case: Case) -> list[list[Step]]:
    """Give all steps; where each batch is used twice in a row also the first and the second time."""
    steps = case.steps
    pairs = list(zip(steps[::2], steps[1::2], strict=False))
    if len(steps) % 2 == 0 and len(steps) > len(case.reference.updates) and all(
        np.array_equal(a.rows, b.rows) for a, b in pairs
    ):
        return [steps, steps[::2], steps[1::2]]
    return [steps]


def _follow_up(step: Step) -> Forward | None:
    """Give the call of the network on the same rows after the update, if there is one."""
    return next(
        (f for f in step.after if f.rows is not None and np.array_equal(f.rows, step.rows)), None
    )


def _loss_of(case: Case, forward: Forward, training: bool, penalty: bool) -> float:
    point = case.replay.at(forward, Variant(training))
    return point.loss + (point.penalty if penalty else 0.0)


def _step_loss(case: Case, step: Step, source: str) -> float:
    if source == "own":
        return float(np.mean(step.gradients[-1].target))
    if source.startswith("after"):
        follow_up = _follow_up(step)
        assert follow_up is not None
        return _loss_of(case, follow_up, bool(follow_up.training), source == "after")
    forwards = [f for f in step.forwards if f.rows is not None]
    losses = [_loss_of(case, f, True, source == "fit") for f in forwards]
    return float(np.average(losses, weights=[len(f.rows) for f in forwards if f.rows is not None]))


def _of_losses(case: Case, steps: list[Step], source: str, names: tuple[str, ...]) -> Iterator[Rule]:
    """Apply every rule to the losses of the batches."""
    losses, rows = [_step_loss(case, step, source) for step in steps], [len(step.rows) for step in steps]
    size = -(-len(steps) // case.problem.epochs)
    epochs = [slice(at, at + size) for at in range(0, len(steps), size)]
    words = {
        "loss alone": " (without the penalty)", "after": ", measured after the update",
        "after, loss alone": ", measured after the update (without the penalty)",
    }  # fmt: skip
    for way, own_names, told in WAYS:
        for reset in (True, False):
            values = []
            for epoch in epochs:
                part = epoch if reset else slice(0, epoch.stop)
                n = len(case.problem.x)
                values.append(way(np.array(losses[part]), np.array(rows[part], dtype="float64"), n))
            if way is _last and not reset:
                continue
            forgotten = () if reset else ("metric-never-reset",)
            since = "" if reset else ", over all epochs so far"
            yield Rule((*names, *own_names, *forgotten), values, told + since + words.get(source, ""))


def _evaluated(case: Case) -> Iterator[Rule]:
    """Take the loss over all rows after the last step of each epoch."""
    ends = [
        [f for f in step.after if f.rows is not None]
        for step, following in zip(case.steps, [*case.steps[1:], None], strict=True)
        if following is None or following.epoch != step.epoch
    ]
    n = len(case.problem.x)
    whole = [_last_covering(forwards, n) for forwards in ends]
    if len(whole) != case.problem.epochs or not all(whole):
        return
    for penalty in (True, False):
        values = []
        for forwards in whole:
            losses = [_loss_of(case, f, bool(f.training), penalty) for f in forwards]
            values.append(float(np.average(losses, weights=[len(f.rows) for f in forwards if f.rows is not None])))
        told = "the loss that evaluate gives at the end of each epoch" + ("" if penalty else " (without the penalty)")
        yield Rule(("evaluate-reported",), values, told)


def _last_covering(forwards: list[Forward], n: int) -> list[Forward]:
    """Give the last of `forwards` that together hold `n` rows; none if they do not come out at `n`."""
    taken: list[Forward] = []
    for forward in reversed(forwards):
        taken.insert(0, forward)
        rows = sum(len(f.rows) for f in taken if f.rows is not None)
        if rows >= n:
            return taken if rows == n else []
    return []


def _finding(name: str, case: Case, right: list[float], told: str) -> Finding:
    mine = case.recording.history
    wrong = [not np.isclose(a, b, rtol=NOISE, equal_nan=True) for a, b in zip(mine, right, strict=False)]
    epoch = wrong.index(True) if True in wrong else 0
    at = Difference("report", epoch, None, None, float(mine[epoch]), float(right[epoch]))
    numbers = f" (you report {mine[epoch]:.6g}; the running mean of your run is {right[epoch]:.6g})"
    return Finding(name, REPORT, at, f"epoch {epoch}: {told}{numbers}", None)
