"""What the loop reports as the loss of an epoch, compared with every rule that people use."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from companion.check.recording.events import Forward
from companion.check.replay import Variant
from companion.check.rules.findings import REPORT, Case, Divergence, Finding, told_apart
from companion.check.rules.gradients import COEFFICIENT, Explanation
from companion.check.steps import Step

Epochs = list[np.ndarray]  # an array an epoch, a number a step


@dataclass(frozen=True)
class Rule:
    """A way in which the reported losses may have come about.

    Attributes
    ----------
    names : tuple of str
        The mistakes in it; none for the way of ``.fit``.
    values : list of float
        The loss that it gives for each epoch.
    told : str
        The rule in words.
    """

    names: tuple[str, ...]
    values: list[float]
    told: str


@dataclass(frozen=True)
class Source:
    """Which loss of a batch.

    Attributes
    ----------
    penalty : float
        How many times it contains the penalty, ``model.losses``.
    explained : list of Explanation, optional
        How the loop's own loss is computed; None for that of ``.fit``.
    scaled : bool
        Whether it is scaled as the gradient is; if not, it has been divided back to a mean.
    weighted : bool
        Whether the rows have their weights, where the loss of ``.fit`` has them.
    """

    penalty: float
    explained: list[Explanation] | None = None
    scaled: bool = True
    weighted: bool = True

    @property
    def variant(self) -> Variant:
        """Return how it is computed, where it is not as the loop's own gradient tells."""
        return Variant(weights="fit" if self.weighted else "unweighted")


RIGHT = Source(1.0)


class Batches(NamedTuple):
    """What the rules divide by: the rows of each batch, the sum of their weights, the number of all rows."""

    rows: np.ndarray
    weights: np.ndarray
    all_rows: int


def _weighted(losses: np.ndarray, batches: Batches) -> float:
    return float(losses @ batches.rows / batches.rows.sum())


def _over_all(losses: np.ndarray, batches: Batches) -> float:
    return float(losses @ batches.rows / batches.all_rows)


def _plain(losses: np.ndarray, batches: Batches) -> float:
    return float(losses.mean())


def _last(losses: np.ndarray, batches: Batches) -> float:
    return float(losses[-1])


def _sum(losses: np.ndarray, batches: Batches) -> float:
    return float(losses.sum())


def _by_rows(losses: np.ndarray, batches: Batches) -> float:
    return float(losses.sum() / batches.rows.sum())


def _by_full_batches(losses: np.ndarray, batches: Batches) -> float:
    return float(losses.sum() / max(1, batches.all_rows // int(batches.rows.max())))


def _by_weights(losses: np.ndarray, batches: Batches) -> float:
    return float(losses @ batches.rows / batches.weights.sum())


def _row_sum(losses: np.ndarray, batches: Batches) -> float:
    return float(losses @ batches.rows)


WAYS: list[tuple[Callable, tuple[str, ...], str]] = [
    (_weighted, (), "the mean of the batches' losses, each weighted by its rows"),
    (_over_all, (), "the sum over all rows, divided by their number"),
    (
        _plain,
        ("plain-mean-over-batches",),
        "the plain mean of the batches' losses: the short batch counts as a full one",
    ),
    (_last, ("last-batch-reported",), "the loss of the last batch"),
    (_sum, ("batch-losses-added-up",), "the sum of the batches' losses"),
    (_row_sum, ("batch-losses-added-up",), "the sum of the rows' losses"),
    (
        _by_rows,
        ("means-divided-by-rows",),
        "the sum of the batches' mean losses, divided by the number of rows",
    ),
    (
        _by_full_batches,
        ("means-divided-by-full-batches",),
        "the sum of the batches' losses, divided by the number of full batches",
    ),
    (
        _by_weights,
        ("class-weights-normalized",),
        "the sum of the rows' weighted losses, divided by the sum of the weights",
    ),
]


def report_findings(case: Case, explained: list[Explanation] | None) -> list[Finding]:
    """Find the rule that gives the reported losses from the run's batch losses and explained gradients."""
    reported = np.array(case.recording.history)
    fitting = [rule for rule in _rules(case, explained) if _same(case, reported, rule.values)]
    fewest = min((len(rule.names) for rule in fitting), default=0)
    best = [rule for rule in fitting if len(rule.names) == fewest]
    right = _of_losses(case, case.steps, _losses(case, case.steps, RIGHT), (), "")[0].values
    if not best:
        return [
            _finding(
                "", case, right, "no known rule computes what you report from the losses of your batches"
            )
        ]
    if len({rule.names for rule in best}) > 1:
        told = " and ".join(dict.fromkeys(rule.told for rule in best))
        return [_finding("", case, right, f"what you report fits both {told}, so the reason stays open")]
    return [_finding(name, case, right, f"you report {best[0].told}") for name in best[0].names]


def _same(case: Case, one: np.ndarray, other: list[float]) -> bool:
    noise, there = case.reference.noise, case.recording.reported
    if len(one) != len(other):
        return False
    mine, fits = (one, np.array(other)) if there is None else (one[there], np.array(other)[there])
    near = 1e-3 * noise + case.recording.resolution
    return bool(np.allclose(mine, fits, rtol=noise, atol=near, equal_nan=True))


def _rules(case: Case, explanations: list[Explanation] | None) -> Iterator[Rule]:
    """List all ways, the right one first."""
    explained = explanations or []
    in_gradient = 1.0 if explanations is None else _penalty_in_gradient(explained)
    for steps in _each_batch_once(case):
        for source in _sources(case, explained):
            names, told = _names(source, in_gradient), _told(source)
            yield from _of_losses(case, steps, _losses(case, steps, source), names, told)
            if all(_follow_up(step) is not None for step in steps):
                after = _losses(case, steps, source, after=True)
                told = f", measured after the update{told}"
                yield from _of_losses(case, steps, after, ("loss-after-update", *names), told)
    differentiated = [float(np.mean(step.gradient.target)) for step in case.steps]
    if explanations is not None and not explained:  # what the tape differentiates is not known, but was seen
        yield from _of_losses(case, case.steps, differentiated, (), "")
    replicas = case.recording.replicas
    if replicas > 1:
        told = f", divided by the {replicas} replicas once more"
        once_more = [loss / replicas for loss in differentiated]
        yield from _of_losses(case, case.steps, once_more, ("loss-scaled-by-replicas",), told)
    if case.problem.replicas > 1 and np.isfinite(differentiated).all():
        told = ", in which each replica's part counts alike"
        for rule in _of_losses(case, case.steps, differentiated, (), told):
            yield rule if rule.names else replace(rule, names=("",))  # .fit counts rows alike
    for source in _sources(case, explained):
        yield from _evaluated(case, source, _names(source, in_gradient), _told(source))


def _sources(case: Case, explained: list[Explanation]) -> Iterator[Source]:
    """List the losses that a batch can be said to have."""
    yield from (Source(1.0), Source(0.0), Source(2.0))
    if case.replay.weights is not None:
        yield from (Source(1.0, weighted=False), Source(0.0, weighted=False))
    if explained and len(explained) == len(case.steps):
        for scaled in (True, False):
            yield from (Source(penalty, explained, scaled) for penalty in (1.0, 0.0, 2.0))
        if explained[0].penalty is not None:
            yield Source(abs(explained[0].penalty), explained)
            yield Source(abs(explained[0].penalty))


def _penalty_in_gradient(explained: list[Explanation]) -> float | None:
    """Return how often the gradient holds the penalty, mostly 0, 1 or 2 times; None if that is not known."""
    if not explained or explained[0].penalty is None:
        return None
    times, scale = abs(explained[0].penalty), abs(explained[0].scale)
    if abs(scale - 1) < COEFFICIENT and min(abs(times - n) for n in (0, 1, 2)) > COEFFICIENT:
        return times  # the penalty alone is scaled
    return min((0.0, 1.0, 2.0), key=lambda n: min(abs(times - n), abs(times - n * abs(explained[0].scale))))


def _told(source: Source) -> str:
    """Return what is unusual in the loss of a batch, in words."""
    penalty = {0.0: " (without the penalty)", 2.0: " (with the penalty twice)"}.get(source.penalty, "")
    return penalty + ("" if source.weighted else " (without the weights)")


def _names(source: Source, in_gradient: float | None) -> tuple[str, ...]:
    """Return the mistakes in the loss of a batch."""
    return _penalty_names(source, in_gradient) + (() if source.weighted else ("class-weights-left-out",))


def _penalty_names(source: Source, in_gradient: float | None) -> tuple[str, ...]:
    reported = source.penalty
    if in_gradient is not None and abs(reported - in_gradient) < COEFFICIENT:
        return ()  # what is wrong with it is told of the gradient
    if in_gradient is None:
        return () if reported == 1 else ("",)  # whether the gradient lacks it too cannot be told
    if reported == 0 and in_gradient:
        return ("penalty-in-gradient-only",)
    if reported and not in_gradient:
        return ("penalty-in-report-only",)
    return ("penalty-twice",) if reported == 2 and in_gradient == 1 else ()


def _each_batch_once(case: Case) -> list[list[Step]]:
    """Return all steps; if each batch is used twice in a row, also the first and the second uses alone."""
    steps = case.steps
    pairs = list(zip(steps[::2], steps[1::2], strict=False))
    if (
        len(steps) % 2 == 0
        and len(steps) > len(case.reference.updates)
        and all(np.array_equal(a.rows, b.rows) for a, b in pairs)
    ):
        return [steps, steps[::2], steps[1::2]]
    return [steps]


def _follow_up(step: Step) -> Forward | None:
    """Return the call of the network on the same rows after the update, if there is one."""
    return next((f for f in step.after if f.rows is not None and np.array_equal(f.rows, step.rows)), None)


def _losses(case: Case, steps: list[Step], source: Source, after: bool = False) -> list[float]:
    """Return a loss for each step, as it was before the update, or as the network's next call saw it."""
    losses = []
    for step in steps:
        variant, scale = source.variant, 1.0
        if source.explained is not None:
            own = source.explained[next(n for n, other in enumerate(case.steps) if other is step)]
            variant, scale = own.variant, abs(own.scale) if source.scaled else 1.0
        forwards = step.forwards
        if after:
            follow_up = _follow_up(step)
            forwards = [] if follow_up is None else [follow_up]
            variant = replace(variant, training=bool(forwards[0].training))
        losses.append(_mean(case, forwards, variant, scale, source.penalty))
    return losses


def _mean(case: Case, forwards: list[Forward], variant: Variant, scale: float, penalty: float) -> float:
    """Return the loss of forward passes, a mean over all their rows."""
    seen = [(forward, len(forward.rows)) for forward in forwards if forward.rows is not None]
    points = [case.replay.at(forward, variant) for forward, _ in seen]
    losses = [scale * point.loss + penalty * point.penalty for point in points]
    return float(np.average(losses, weights=[rows for _, rows in seen]))


def _of_losses(
    case: Case, steps: list[Step], losses: list[float], names: tuple[str, ...], words: str
) -> list[Rule]:
    """Apply every rule to the losses of the batches."""
    rules, rows = [], [step.rows for step in steps]
    weights = case.replay.weights
    counted = np.array([len(numbers) for numbers in rows], dtype="float64")
    weighed = counted if weights is None else np.array([weights[numbers].sum() for numbers in rows])
    size = -(-len(steps) // case.epochs)
    epochs = [slice(at, at + size) for at in range(0, len(steps), size)]
    for way, own_names, told in WAYS:
        for reset in (True, False):
            values = []
            for epoch in epochs:
                part = epoch if reset else slice(0, epoch.stop)
                n = case.problem.row_count
                values.append(way(np.array(losses[part]), Batches(counted[part], weighed[part], n)))
            if (way is _last and not reset) or (way is _by_weights and weights is None):
                continue
            forgotten = () if reset else ("metric-never-reset",)
            since = "" if reset else ", over all epochs so far"
            rules.append(Rule((*names, *own_names, *forgotten), values, told + since + words))
    return rules


def _evaluated(case: Case, source: Source, names: tuple[str, ...], words: str) -> Iterator[Rule]:
    """Take the loss over all rows after the last step of each epoch."""
    ends = [
        [f for f in step.after if f.rows is not None]
        for step, following in zip(case.steps, [*case.steps[1:], None], strict=True)
        if following is None or following.epoch != step.epoch
    ]
    whole = [_last_covering(forwards, case.problem.row_count) for forwards in ends]
    if len(whole) != case.epochs or not all(whole):
        return
    values = []
    for forwards in whole:
        variant = source.explained[0].variant if source.explained else source.variant
        variant = replace(variant, training=bool(forwards[0].training))
        values.append(_mean(case, forwards, variant, 1.0, source.penalty))
    yield Rule(("evaluate-reported", *names), values, f"the loss of all rows at the end of each epoch{words}")


def _last_covering(forwards: list[Forward], n: int) -> list[Forward]:
    """Return the last of `forwards` that together hold `n` rows; none if they do not come out at `n`."""
    taken: list[Forward] = []
    for forward in reversed(forwards):
        taken.insert(0, forward)
        rows = sum(len(f.rows) for f in taken if f.rows is not None)
        if rows >= n:
            return taken if rows == n else []
    return []


def _finding(name: str, case: Case, right: list[float], told: str) -> Finding:
    mine = case.recording.history
    near = case.recording.resolution
    known = range(len(mine)) if case.recording.reported is None else case.recording.reported
    wrong = [
        n in known and not np.isclose(a, b, rtol=case.reference.noise, atol=near, equal_nan=True)
        for n, (a, b) in enumerate(zip(mine, right, strict=False))
    ]
    epoch = wrong.index(True) if True in wrong else 0
    at = Divergence("report", epoch, None, None, float(mine[epoch]), float(right[epoch]))
    texts = told_apart(mine[epoch], right[epoch])
    numbers = f" (you report {texts[0]}; .fit reports {texts[1]} of the same batches)"
    return Finding(name, REPORT, at, f"epoch {epoch}: {told}{numbers}", None)
