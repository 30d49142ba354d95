"""One training of a script, judged: is it ``.fit``, and if not, why?"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from companion.check.catalogue import UNDER_REPLICAS, Mistake, mistake
from companion.check.diagnose import Diagnosis, diagnose
from companion.check.learner.lines import Location, text_of
from companion.check.problem import EPSILONS, Reference
from companion.check.recording.events import Gradient, Update
from companion.check.recording.script_watcher import ScriptWatcher
from companion.check.replay import Replay, take
from companion.check.rules.findings import REPORT, ROWS, Divergence, Finding
from companion.check.rules.places import (
    line_of_labels,
    line_of_list,
    line_of_return,
    line_with_sign,
    start_of_epoch,
)
from companion.check.script.reported import Printed, Reported, as_history, reported
from companion.check.script.result import TrainingCheck
from companion.check.script.training import Training
from companion.check.verdict import ProblemVerdict
from companion.comparison.ulp import abs_difference
from companion.terminal.formats import count_of


def judged_with_replicas(
    training: Training, watcher: ScriptWatcher, names: dict[str, Any], printed: Sequence[Printed]
) -> TrainingCheck:
    """Compare a training with ``.fit``, under the loop's strategy if that explains as much or more.

    See `Network.depends_on_parts`.
    """
    problem = training.problem
    if training.network.depends_on_parts():
        divided = training.problem = replace(problem, replicas=training.recording.replicas)
        by_parts = judged(training, watcher, names, printed)
        training.problem = problem
        as_a_whole = judged(training, watcher, names, printed)
        training.apart[:] = dict.fromkeys(training.apart)  # both have added to it

        def unexplained(check: TrainingCheck) -> tuple[bool, int]:
            of_gradient = any(one.difference.what == "gradient" for one in check.unknown)
            return of_gradient, len(check.verdict.findings)

        if unexplained(by_parts) <= unexplained(as_a_whole):
            training.problem = divided
            training.assumed.append(
                f"the {training.recording.replicas} replicas take their parts of a batch: as in .fit, each "
                "update is compared with the mean of the means of the parts"
            )
            return by_parts
        return as_a_whole
    return judged(training, watcher, names, printed)


def judged(
    training: Training, watcher: ScriptWatcher, names: dict[str, Any], printed: Sequence[Printed]
) -> TrainingCheck:
    """Compare a training with ``.fit``."""
    problem, recording = training.problem, training.recording
    reference = Reference(problem)
    replay = Replay(problem)
    steps = sum(isinstance(event, Gradient) for event in recording.events)
    own_fit = training.network.own_fit
    candidates = (
        []
        if training.network.is_cut or training.drawn
        else reported(
            names | training.network.lists,
            problem.epochs,
            max(1, steps // problem.epochs),
            training.network.before,
            watcher.results,
            printed,
            own_fit.history.get("loss") if own_fit else None,
            [losses for call in watcher.fit_calls for losses in call.history.values()],
            training.network.counted,
            training.network.spans,
        )
    )
    if training.contradictions is not None:
        shown = next((one for one in candidates if one.is_about_loss), None)
        if shown is not None:
            recording.history, recording.reported = as_history(shown, problem.epochs)
        return told_of(training, reference, Diagnosis([contradiction(training)], [], []), shown, [])
    diagnosis, shown = best_report(training, reference, replay, candidates)
    notes = list(diagnosis.unwatched) + about_outputs(training, replay)
    if training.drawn:
        kept = [finding for finding in diagnosis.findings if finding.stage != ROWS]
        drawn = [] if training.fit is None else [drawn_at_random(training, diagnosis)]
        diagnosis = replace(diagnosis, findings=drawn + kept)
    diagnosis = replace(diagnosis, findings=[*diagnosis.findings, *averaged_at_the_end(training, reference)])
    fit = None if own_fit else training.fit
    if fit is not None and shown is not None and shown.length not in (0, fit.epochs):
        more = f"the loop runs for {count_of(shown.length, 'epoch')} and .fit for {fit.epochs}"
        training.apart.append(f"{more}; compared: {count_of(problem.epochs, 'epoch')}")
    if shown is None and not training.drawn:
        notes.append(
            "the loss that the script reports was not judged: it was not seen in a list, a metric or print"
        )
    return told_of(training, reference, diagnosis, shown, notes)


def averaged_at_the_end(training: Training, reference: Reference) -> list[Finding]:
    """Return what differs if ``.fit`` ends with averages of the weights, and the loop does not."""
    last = next((one for one in reversed(reference.recording.events) if isinstance(one, Update)), None)
    if last is None or last.settings or training.network.is_cut:
        return []
    mine, fit = (one.trained(one.end) for one in (training.recording, reference.recording))
    noise = reference.noise
    if all(np.allclose(a, b, rtol=noise, atol=noise, equal_nan=True) for a, b in zip(mine, fit, strict=True)):
        return []
    told = (
        "with use_ema=True, .fit ends by replacing the weights with their averages, and your loop does "
        "not: call optimizer.finalize_variable_values(model.trainable_variables) after the last epoch"
    )
    return [Finding("", REPORT, Divergence("weights", training.problem.epochs - 1, None), told)]


def about_outputs(training: Training, replay: Replay) -> list[str]:
    """Return a note if the loss takes the outputs as probabilities, and they are none."""
    if replay.loss.get_config().get("from_logits", True) or not replay.output_shape:
        return []
    replay.put(training.recording.end)
    rows = training.problem.orders[0][: training.problem.batch_size]
    outputs = replay.twin(take(replay.x, rows), training=False).numpy()
    if outputs.min() >= 0 and outputs.max() <= 1:
        return []
    return [
        f"the outputs go from {outputs.min():.3g} to {outputs.max():.3g}, but the loss takes them as "
        "probabilities, and so does .fit: use from_logits=True, or a last layer with sigmoid or softmax"
    ]


def told_of(
    training: Training, reference: Reference, diagnosis: Diagnosis, shown: Reported | None, notes: list[str]
) -> TrainingCheck:
    """Put together what was found."""
    recording = training.recording
    mine = recording.history if shown else reference.history
    pairs = zip(recording.end, reference.recording.end, strict=True)
    apart = [abs_difference(a, b).max(initial=0) for a, b in pairs if a.dtype.name in EPSILONS]
    found = [with_line(finding, training, shown) for finding in diagnosis.findings]
    identical = not found and not recording.compiled and is_identical(training, shown)
    verdict = ProblemVerdict(
        training.problem,
        list(mine),
        reference.history,
        identical,
        max(map(float, apart), default=0.0),
        found,
        notes,
        diagnosis.steps,
    )
    mistakes = [as_mistake(finding, recording.replicas) for finding in found if finding.name]
    return TrainingCheck(training, verdict, shown, mistakes, [f for f in found if not f.name], notes)


def is_identical(training: Training, shown: Reported | None) -> bool:
    """Return whether a loop that its author runs eagerly has the bits of ``.fit`` as it is used, compiled."""
    if shown is None or shown.resolution or training.recording.reported is not None:
        return False
    model = training.problem.compiled(run_eagerly=False)
    losses = training.problem.fit(model)
    pairs = zip(training.recording.end, model.variables, strict=True)
    return losses == training.recording.history and all(np.array_equal(a, b.numpy()) for a, b in pairs)


def contradiction(training: Training) -> Finding:
    """Return the finding that rows were given other labels from epoch to epoch."""
    assert training.contradictions is not None
    labels, count = training.contradictions
    told = (
        f"{count} of {training.problem.row_count} rows are compared with one label in one epoch and with "
        "another in the next"
    )
    at = Divergence("rows", 1, None)
    return Finding("labels-of-other-rows", ROWS, at, told, labels.place)


def drawn_at_random(training: Training, diagnosis: Diagnosis) -> Finding:
    """Return the finding that a loop draws its batches, but the script's own ``.fit`` takes all rows."""
    rows = training.problem.orders[0]
    told = (
        f"of {len(rows)} rows that are fed, {len(np.unique(rows))} are distinct, but .fit takes each row "
        "once per epoch"
    )
    seen = diagnosis.steps[0].forward_place
    place = None if seen is None else line_with_sign(seen, "drawn-with-replacement")
    return Finding("drawn-with-replacement", ROWS, Divergence("rows", 0, 0, None), told, place)


def with_line(finding: Finding, training: Training, shown: Reported | None) -> Finding:
    """Return the finding with the line in which the loss is reported, or the labels are taken."""
    place = finding.place
    if finding.difference.what == "report" and shown is not None:
        place = shown.place
        files = [event.place.file for event in training.recording.events if event.place is not None]
        if place is None and training.network.own_fit is not None:
            place = line_of_return(type(training.network.model).train_step)
        elif place is None and files:
            inner = [name for name, value in training.network.lists.items() if _begins(value, shown)]
            places = [line_of_list(files[0], name) for name in (shown.name, *inner)]
            place = next((one for one in places if one is not None), None)
            first = Location(files[0], 1)
            near = line_with_sign(first, "report")
            place = place or (None if near == first else near)
        if finding.name == "loss-scaled-by-replicas" and (place is not None or files):
            place = line_with_sign(place or Location(files[0], 1), "report of replicas")
    if finding.name == "labels-of-other-rows" and place is not None:
        place = line_of_labels(place) or place
    if finding.name == "metric-never-reset" and place is not None:
        place = start_of_epoch(place) or place
    return replace(finding, place=place)


def _begins(value: Any, shown: Reported) -> bool:
    """Return whether a list of a function is the one that the script keeps under another name."""
    if not isinstance(value, list) or not value or not all(np.size(one) == 1 for one in value):
        return False
    return all(shown.values.get(epoch) == one for epoch, one in enumerate(value))


def as_mistake(finding: Finding, replicas: int) -> Mistake:
    """Return all that is known of a finding; under a strategy some mistakes have other cures."""
    found = mistake(finding.name, finding.evidence, finding.place, text_of(finding.place))
    if replicas == 1:
        return found
    is_of_report = (finding.name, finding.difference.what) == ("loss-scaled-by-replicas", "report")
    key = "report of replicas" if is_of_report else finding.name
    return replace(found, cure=UNDER_REPLICAS.get(key, found.cure))


def best_report(
    training: Training, reference: Reference, replay: Replay, candidates: Sequence[Reported]
) -> tuple[Diagnosis, Reported | None]:
    """Diagnose with the number that the script reports as the loss, if one of `candidates` is it."""
    recording, epochs = training.recording, training.problem.epochs
    tried: list[tuple[int, Diagnosis, Reported]] = []
    for one in candidates:
        recording.history, recording.reported = as_history(one, epochs)
        recording.resolution = one.resolution
        diagnosis = diagnose(training.problem, reference, recording, replay)
        of_report = [f for f in diagnosis.findings if f.difference.what == "report"]
        if not of_report:
            return diagnosis, one
        by_chance = one.resolution and len(one.values) == 1  # a printed number fits many rules
        if all(finding.name for finding in of_report) and not by_chance:
            tried.append((len(of_report), diagnosis, one))
    if tried:
        _, diagnosis, one = min(tried, key=lambda pair: pair[0])
        recording.history, recording.reported = as_history(one, epochs)
        return diagnosis, one
    named = [one for one in candidates if one.is_about_loss and not one.of_batches]
    if named:
        recording.history, recording.reported = as_history(named[0], epochs)
        recording.resolution = named[0].resolution
        return diagnose(training.problem, reference, recording, replay), named[0]
    recording.history, recording.reported, recording.resolution = list(reference.history), [], 0.0
    diagnosis = diagnose(training.problem, reference, recording, replay)
    return replace(diagnosis, findings=[f for f in diagnosis.findings if f.difference.what != "report"]), None
