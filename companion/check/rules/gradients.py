"""Where does the gradient of each update come from? Explain it by the gradients of loss and penalty."""

import itertools
from dataclasses import dataclass, replace

import numpy as np

from companion.check.recording.events import Recording
from companion.check.recording.network import with_layers
from companion.check.replay import Variant
from companion.check.rules.clipping import clipping
from companion.check.rules.findings import (
    FORWARD,
    GRADIENT,
    Case,
    Divergence,
    Finding,
    apart,
    flat,
    largest_difference,
)
from companion.check.rules.places import line_with_sign
from companion.check.steps import Step

NOISE = 1e-5  # of a gradient, relative to its length: 2e-7 was measured
OVER_ROWS = ("sum-instead-of-mean", "divided-by-all-rows", "divided-by-batch-size")
COEFFICIENT = 1e-3  # noise of a factor that is found for it


@dataclass(frozen=True)
class Explanation:
    """A gradient as ``scale`` times that of the mean loss plus ``penalty`` times that of the penalty.

    Attributes
    ----------
    variant : Variant
        How the loss was computed.
    scale : float
        1 for a mean.
    penalty : float or None
        1 for a penalty that counts once; None where there is none.
    rows : int
        How many the batch has.
    """

    variant: Variant
    scale: float
    penalty: float | None
    rows: int


@dataclass(frozen=True)
class ScaleRule:
    """A rule for the factors of the loss: its mistakes, each factor, and the constant in all of them."""

    names: list[tuple[str, str]]
    scales: np.ndarray
    constant: float


def explain(
    case: Case, step: Step, gradient: list[np.ndarray | None], variant: Variant
) -> Explanation | None:
    """Find the factors that give `gradient` from the forward passes of `step`; None if there are none."""
    there = [number for number, part in enumerate(gradient) if part is not None]
    mine = flat(gradient)
    forwards = [forward for forward in step.forwards if forward.rows is not None]
    if not forwards or not len(mine) or not np.isfinite(mine).all():
        return None
    points = [case.replay.at(forward, variant) for forward in forwards]
    columns: list[np.ndarray] = []
    counts: list[int] = []
    for point, forward in zip(points, forwards, strict=True):
        column = flat([point.loss_gradient[number] for number in there])
        if not any(np.array_equal(column, other) for other in columns):
            columns.append(column)
            counts.append(len(forward.rows) if forward.rows is not None else 0)
    penalty = flat([points[-1].penalty_gradient[number] for number in there])
    found = _solve(mine, columns, counts, penalty)
    return None if found is None else Explanation(variant, *found)


def _solve(
    mine: np.ndarray, columns: list[np.ndarray], counts: list[int], penalty: np.ndarray
) -> tuple[float, float | None, int] | None:
    """Solve for the factors of each forward pass's gradient and of the penalty's."""
    basis = [*columns, penalty] if penalty.any() else columns
    matrix = np.stack(basis, axis=1)
    if not np.isfinite(matrix).all():
        return None
    factors = np.linalg.lstsq(matrix, mine, rcond=None)[0]
    if apart(matrix @ factors, mine) > NOISE:
        return None
    of_loss, of_penalty = factors[: len(columns)], factors[-1] if penalty.any() else None
    used = np.abs(of_loss) > COEFFICIENT * np.abs(of_loss).max()
    if not used.any():
        return None
    rows = np.array(counts)[used].sum()
    scales = of_loss[used] / (np.array(counts)[used] / rows)
    if not np.allclose(scales, scales[0], rtol=COEFFICIENT):
        return None
    return float(scales[0]), None if of_penalty is None else float(of_penalty), int(rows)


def gradient_findings(case: Case) -> tuple[list[Finding], list[Explanation]]:
    """Compare each gradient with that of ``.fit`` at the same weights, on the same rows; explain each."""
    clipped = _clipped(case)
    if clipped is not None:
        by_tape = _best(case, [step.by_tape for step in case.steps])
        if by_tape.findings is not None:
            return [*by_tape.findings, clipped], by_tape.explained
    misaligned = _misaligned(case)
    if misaligned is not None:
        by_tape = _best(case, [step.by_tape for step in case.steps])
        return [*(by_tape.findings or []), misaligned], by_tape.explained
    used = _best(case, [step.used for step in case.steps])
    if used.findings is not None:
        return used.findings, used.explained
    return [_unknown(case, used.explained)], []


@dataclass(frozen=True)
class ExplainedGradients:
    """A way to explain the gradients, and its findings; None if it does not explain all gradients."""

    explained: list[Explanation]
    findings: list[Finding] | None


def _best(case: Case, gradients: list[list[np.ndarray | None]]) -> ExplainedGradients:
    """Explain the gradients in the way that needs the fewest mistakes.

    More than one way is possible: a loss divided by the sum of its weights looks like a loss that is scaled
    differently in each batch.
    """
    judged: list[ExplainedGradients] = []
    farthest = ExplainedGradients([], None)
    for variant in case.replay.variants():
        if judged and variant.mistakes > min(len(one.findings or []) for one in judged):
            break  # it takes more mistakes than one that was found
        explained: list[Explanation] = []
        for step, gradient in zip(case.steps, gradients, strict=True):
            one = explain(case, step, gradient, variant)
            if one is None:
                break
            explained.append(one)
        told = _judge(case, explained) if len(explained) == len(case.steps) else None
        if told == []:
            return ExplainedGradients(explained, told)
        if told is not None:
            judged.append(ExplainedGradients(explained, told))
        if len(explained) > len(farthest.explained):
            farthest = ExplainedGradients(explained, None)
    fewest = min((len(one.findings or []) for one in judged), default=0)
    simplest = [one for one in judged if len(one.findings or []) == fewest]
    names = {tuple(finding.name for finding in one.findings or []) for one in simplest}
    return simplest[0] if len(names) == 1 else farthest  # with two explanations, neither is sure


def _judge(case: Case, all_of: list[Explanation]) -> list[Finding] | None:
    """Name what is behind the factors; None if they follow no known pattern."""
    found = _variant_findings(case, all_of[0].variant)
    scales, rows = np.array([one.scale for one in all_of]), np.array([one.rows for one in all_of])
    sign = np.sign(scales[0])
    if sign < 0:
        told = f"your gradient points the other way: it is {scales[0]:.4g} times that of .fit"
        found.append(_finding("update-uphill", case, 0, told))
    penalties = [one.penalty for one in all_of if one.penalty is not None]
    counted = sign * np.array(penalties) if len(penalties) == len(all_of) else None
    broadcast = all_of[0].variant.pairing == "broadcast"
    wrong = next((number for number, scale in enumerate(sign * scales) if abs(scale - 1) > COEFFICIENT), 0)
    for any_penalty, rule in itertools.product(
        (False, True), _scale_rules(case, sign * scales, rows, broadcast)
    ):
        times = _penalty_times(counted, rule, any_penalty)
        if times is None:
            continue
        for name, told in rule.names:
            text = told.format(scale=scales[wrong], rows=rows[wrong])
            if name in OVER_ROWS and case.recording.replicas > 1:
                text += (
                    f"; in a replica, divide by its rows and by the {case.recording.replicas} replicas, as "
                    "tf.nn.compute_average_loss(losses) does"
                )
            found.append(_finding(name, case, wrong, text))
        return found + _penalty_findings(case, times)
    return None


def _penalty_times(counted: np.ndarray | None, rule: ScaleRule, any_times: bool) -> float | None:
    """Return how often the penalty counts if the loss follows a rule; None if the two do not fit."""
    if counted is None:
        return 1.0
    if len(rule.names) > 1:
        # A sum times a constant equals a mean times another constant: the factor of the penalty decides.
        return 1.0 if _near(counted, rule.constant) else None
    for times in (1.0, 0.0, 2.0):
        if any(_near(counted, times * factor) for factor in (rule.scales, rule.constant, 1.0)):
            return times
    return round(float(counted[0]), 4) if any_times and _near(counted, float(counted[0])) else None


def _near(values: np.ndarray, expected: float | np.ndarray) -> bool:
    return bool(np.allclose(values, expected, rtol=COEFFICIENT, atol=COEFFICIENT))


def _scale_rules(case: Case, scales: np.ndarray, rows: np.ndarray, broadcast: bool) -> list[ScaleRule]:
    """List the rules that the factors of the loss follow in all steps, the simplest first."""
    n, size = case.problem.row_count, case.problem.batch_size
    fed = sum(len(step.rows) for step in case.steps if step.epoch == 0)
    vector = case.steps[0].gradient.target.size > 1
    summed = "vector-of-losses" if vector else "sum-instead-of-mean"
    as_it_is = "the loss part of your gradient is {scale:.4g} times that of .fit"
    pairs = rows**2 if broadcast else rows  # a broadcast loss has a number for each pair of rows
    counted = "; {rows} is the number of rows in the batch" + (
        ", and {rows} times {rows} is the number of its pairs" if broadcast else ""
    )
    rules = [
        ("", "", np.ones(len(rows))),
        (summed, as_it_is + counted, 1.0 * pairs),
        ("divided-by-all-rows", as_it_is + f": the batch has {{rows}} of all {n} rows", rows / n),
        ("divided-by-all-rows", as_it_is + f": the batch has {{rows}} of {fed} rows per epoch", rows / fed),
        (
            "divided-by-batch-size",
            as_it_is + f": {{rows}} rows in the short batch, divided by {size}",
            rows / size,
        ),
    ]
    if not (rows < size).any() or (rows > size).any():  # there is no short batch
        rules.pop()
    passes = np.array([_passes(step) for step in case.steps])
    if (passes > 1).any():
        told = as_it_is + ": as many as batches are added up in it"
        rules.insert(1, ("gradients-added-up", told, 1.0 * passes))
    alone, scaled = [], []
    for name, told, expected in rules:
        names, factors = [(name, told)] if name else [], scales / expected
        if np.allclose(scales, expected, rtol=COEFFICIENT):
            alone.append(ScaleRule(names, scales, 1.0))
        elif np.allclose(factors, factors[0], rtol=COEFFICIENT):
            constant = float(factors[0])
            beside = f"beside that, the loss part is multiplied by {constant:.4g}"
            told = (beside if name else as_it_is) + _of_replicas(case.recording, constant)
            names.append((_scaled_name(case, constant), told))
            scaled.append(ScaleRule(names, scales, constant))
    # A sum over the batch can be any rule of these times a constant: people write round ones.
    return alone + sorted(scaled, key=lambda rule: (len(rule.names), not _is_round(rule.constant)))


def _scaled_name(case: Case, constant: float) -> str:
    """Return how a constant factor is called: with float16, an optimizer divides by a power of two."""
    if _of_replicas(case.recording, constant):
        twice = case.recording.joined_twice and constant > 1
        return "gradients-added-up-twice" if twice else "loss-scaled-by-replicas"
    is_half = any(layer.compute_dtype == "float16" for layer in with_layers(case.replay.twin))
    return "loss-not-scaled" if is_half and constant < 1 and np.log2(constant) % 1 == 0 else "gradient-scaled"


def _of_replicas(recording: Recording, constant: float) -> str:
    """Return what a factor has to do with the replicas of a strategy; "" for nothing."""
    replicas = recording.replicas
    if replicas > 1 and np.isclose(constant, replicas, rtol=COEFFICIENT):
        if recording.joined_twice:
            return (
                f": the optimizer adds up the gradients of {replicas} replicas, which are their sum already"
            )
        return (
            f": the optimizer adds up the gradients of {replicas} replicas, so each replica must divide its "
            f"loss by {replicas}"
        )
    if replicas > 1 and np.isclose(constant, 1 / replicas, rtol=COEFFICIENT):
        return (
            f": in a replica, keras.losses and tf.nn.compute_average_loss divide by the {replicas} replicas "
            "already; do not divide again"
        )
    return ""


def _passes(step: Step) -> int:
    """Return on how many batches a step has called the network."""
    batches = {tuple(forward.rows.tolist()) for forward in step.forwards if forward.rows is not None}
    return max(1, len(batches))


def _is_round(constant: float) -> bool:
    """Return whether a constant, or one divided by it, has one digit that is not 0."""
    both = constant, 1 / constant
    return any(np.isclose(value, float(f"{value:.0e}"), rtol=COEFFICIENT) for value in both)


VARIANTS = {
    "swapped": (
        "loss-arguments-swapped",
        "your gradient is that of the loss with labels and predictions swapped",
    ),
    "broadcast": (
        "labels-broadcast",
        "your gradient is that of a loss that compares each prediction with every label of the batch: labels "
        "of shape (n,) against predictions of shape (n, 1)",
    ),
    "logits": ("from-logits-mismatch", "your gradient is that of the loss with from_logits={other}"),
    "unweighted": ("class-weights-left-out", "your gradient is that of the loss without class weights"),
    "normalized": (
        "class-weights-normalized",
        "your gradient is that of the loss divided by the sum of its weights",
    ),
}


def _variant_findings(case: Case, variant: Variant) -> list[Finding]:
    found = []
    if not variant.training:
        given = next((f.training for f in case.steps[0].forwards), None)
        how = "left out" if given is None else f"{given}"
        told = f"your gradient is that of a network called with training=False; the argument is {how}"
        found.append(_finding("training-left-out", case, 0, told, FORWARD))
    other = not case.replay.loss.get_config().get("from_logits", False)
    for part in (variant.pairing, variant.loss, variant.weights):
        if part in VARIANTS:
            name, told = VARIANTS[part]
            found.append(_finding(name, case, 0, told.format(other=other)))
    if variant.loss not in ("fit", "logits"):
        told = f"your gradient is that of {variant.loss}, but .fit has {type(case.replay.loss).__name__}"
        found.append(_finding("another-loss", case, 0, told))
    return found


def _penalty_findings(case: Case, times: float) -> list[Finding]:
    if times == 1:
        return []
    name = {0.0: "penalty-left-out", 2.0: "penalty-twice"}.get(times, "penalty-scaled")
    told = f"your gradient contains {times:g} times the gradient of model.losses, but .fit takes it once"
    if times == 0:
        told = "your gradient lacks the gradient of model.losses, the penalty, which .fit adds"
    replicas = case.recording.replicas
    why = ""
    if replicas > 1 and np.isclose(times, replicas, rtol=COEFFICIENT):
        why = f"as if each of the {replicas} replicas added the whole penalty: divide it by the replicas once"
    elif replicas > 1 and np.isclose(times, 1 / replicas, rtol=COEFFICIENT):
        why = f"the penalty is divided by the {replicas} replicas twice: divide it once"
    if not why:
        return [_finding(name, case, 0, told)]
    found = _finding("loss-scaled-by-replicas", case, 0, f"{told}; {why} (tf.nn.scale_regularization_loss)")
    return [replace(found, place=found.place and line_with_sign(found.place, "penalty of replicas"))]


def fit_gradient(case: Case, number: int) -> list[np.ndarray]:
    """Return the gradient that ``.fit`` would have taken at a step, from its forward passes' rows."""
    step = case.steps[number]
    forwards = [forward for forward in step.forwards if forward.rows is not None]
    points = [case.replay.at(forward, Variant()) for forward in forwards]
    share = [len(f.rows) for f in forwards if f.rows is not None]
    parts = zip(*(point.loss_gradient for point in points), strict=True)
    of_loss = [sum(a * m for a, m in zip(part, share, strict=True)) / sum(share) for part in parts]
    return [a + b for a, b in zip(of_loss, points[-1].penalty_gradient, strict=True)]


def _misaligned(case: Case) -> Finding | None:
    """Recognize gradients of the tape that are handed over for other variables."""
    for number, step in enumerate(case.steps):
        for own, (used, taken) in enumerate(zip(step.used, step.by_tape, strict=True)):
            if used is None or (taken is not None and np.array_equal(used, taken)) or not used.any():
                continue
            others = [n for n, other in enumerate(step.by_tape) if other is not None and n != own]
            of = next((n for n in others if _is_equal(step.by_tape[n], used)), None)
            if of is not None:
                told = f"`{case.names[own]}` is updated with the gradient of `{case.names[of]}`"
                return _finding("gradients-misaligned", case, number, told, place_of_update=True)
    return None


def _is_equal(one: np.ndarray | None, other: np.ndarray) -> bool:
    return one is not None and np.array_equal(one, other)


def _clipped(case: Case) -> Finding | None:
    """Recognize clipping between the tape and the optimizer."""
    steps = []
    for step in case.steps:
        pairs = zip(step.used, step.by_tape, strict=True)
        steps.append([(a, b) for a, b in pairs if a is not None and b is not None])
    clipped = clipping(steps, NOISE)
    if clipped is None:
        return None
    return _finding("gradients-clipped", case, *clipped, place_of_update=True)


def _unknown(case: Case, explained: list[Explanation]) -> Finding:
    """Return where the gradients begin to differ from those of ``.fit``."""
    off = [n for n, one in enumerate(explained) if not _is_right(one)]
    number = off[0] if off else min(len(explained), len(case.steps) - 1)
    told = "your gradient is neither that of .fit nor that of a mistake known here"
    if off:
        one = explained[number]
        told = f"your gradient is {one.scale:.4g} times that of the loss"
        told += "" if one.penalty is None else f" and {round(one.penalty, 6):.4g} times that of model.losses"
        told += "" if one.variant == Variant() else ", computed in a different way from .fit"
    return _finding("", case, number, told)


def _is_right(one: Explanation) -> bool:
    return one.variant == Variant() and _near(
        np.array([one.scale, 1.0 if one.penalty is None else one.penalty]), 1.0
    )


def _finding(
    name: str, case: Case, number: int, told: str, stage: int = GRADIENT, place_of_update: bool = False
) -> Finding:
    """Make a finding with the largest difference of the gradients of that step."""
    step = case.steps[number]
    variable = mine = fit = None
    if any(forward.rows is not None for forward in step.forwards):
        variable, mine, fit = largest_difference(case.names, step.used, fit_gradient(case, number))
    numbers = f" (`{variable}`: {mine:.6g}, .fit {fit:.6g})" if mine is not None else ""
    place = step.updates[0].place if place_of_update else step.gradient.place
    if stage == FORWARD:
        place = step.forward_place
    at = Divergence("gradient", step.epoch, step.batch, variable, mine, fit)
    return Finding(name, stage, at, f"update {number + 1}: {told}{numbers}", place)
