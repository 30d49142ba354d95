"""From what a script was seen to do with one network: the ``.fit`` that it should equal."""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from companion.check.learner.lines import Location
from companion.check.recording.events import Event, Forward, Gradient, ReadyMade, Recording, Update
from companion.check.recording.network import joined
from companion.check.recording.script_network import FitCall, Labels, Network, trains_by_own_step
from companion.check.recording.script_watcher import ScriptWatcher
from companion.check.script.data import data_of, labels_of, orders_of
from companion.check.script.losses import (
    as_fit_reduces,
    compiled_loss,
    described,
    loss_by_hand,
    plain_rate,
    weighted_losses,
)
from companion.check.script.not_comparable import IN_INPUTS, name_of, not_compared, refuse_what_fit_cannot
from companion.check.script.problem import FedProblem, NotComparableError, RatesOfLoop, TotalLoss
from companion.check.steps import steps_of
from companion.errors import UserError
from companion.terminal.arguments import did_you_mean


@dataclass
class Training:
    """One network that a script trained: what it did, and the ``.fit`` that it should equal.

    Attributes
    ----------
    name : str
        The variable of the script that holds the network.
    network : Network
        What was written down.
    problem : FedProblem
        The ``.fit`` it should equal.
    recording : Recording
        What the rules read.
    fit : FitCall or None
        The script's own call of ``.fit`` on a network of the same form.
    assumed : list of str
        What this takes for granted, in sentences.
    apart : list of str
        In what the two trainings of the script differ before any step.
    contradictions : Labels and int, or None
        Where the labels of a row changed, and of how many rows.
    drawn : bool
        Whether each batch is drawn at random, so that there are no epochs.
    place : Location or None
        The line of the file from which the loop is run, where several loops train this network.
    other_fit : FitCall or None
        If `fit` is None, a call of ``.fit`` on a network of another form.
    """

    name: str
    network: Network
    problem: FedProblem
    recording: Recording
    fit: FitCall | None
    assumed: list[str] = field(default_factory=list)
    apart: list[str] = field(default_factory=list)
    contradictions: tuple[Labels, int] | None = None
    drawn: bool = False
    place: Location | None = None
    other_fit: FitCall | None = None


MANY = 0.4  # of the batches
ROUNDING = 1e-5  # how far an earlier loop and an earlier .fit may have carried weights apart


@dataclass(frozen=True)
class Given:
    """What the user says of the ``.fit`` that the loop should equal: each may be left out.

    Attributes
    ----------
    loss : str or callable
        Its loss.
    batch_size : int
        Its batch size.
    x, y : str
        The variables that hold all rows and all labels.
    """

    loss: Any = None
    batch_size: int | None = None
    x: str | None = None
    y: str | None = None


def trainings(
    watcher: ScriptWatcher, names: dict[str, Any], given: Given, *, failed: bool = False
) -> tuple[list[Training], list[str]]:
    """Return what a script trained, and why some of it cannot be compared; it may have failed."""
    for name in (given.x, given.y):
        if name is not None and name not in names:
            meant = did_you_mean(name, names)
            raise UserError(f"your file has no variable {name!r} at its end: {meant}name one that it has")
    if given.loss is not None:
        own = names.get(given.loss)
        given = replace(given, loss=own if callable(own) else given.loss)  # a function of the file
        compiled_loss(given.loss)
    own_tapes = set(watcher.recording.own_tapes)
    trained = [network for network in watcher.networks if network.was_trained_by(own_tapes)]
    found: list[Training] = []
    reasons = []
    if not trained and "train_on_batch" in watcher.ready_made:
        reasons.append(
            "nothing to compare with .fit, because this file trains by train_on_batch, which is the step of "
            ".fit itself: a loop by hand computes its gradients with a tf.GradientTape"
        )
    for network in trained:
        name = name_of(network, names)
        if failed and not any(isinstance(event, Update) for event in network.events):
            reasons.append(f"nothing to compare with .fit yet: your file fails before it has updated {name}")
            continue
        try:
            refuse_what_fit_cannot(network, trained, names)
            found.append(training_of(network, name, watcher, names, given))
            if found[-1].fit is None and watcher.fit_calls:
                found[-1].other_fit = watcher.fit_calls[-1]
        except NotComparableError as error:
            reasons.append(IN_INPUTS if watcher.in_inputs else str(error))
        except UserError:
            raise
        except Exception as error:  # whatever the network and the loss of the file raise
            reasons.append(not_compared(name, error))
    return found, list(dict.fromkeys(reasons))


def training_of(
    network: Network, name: str, watcher: ScriptWatcher, names: dict[str, Any], given: Given
) -> Training:
    """Work out which ``.fit`` a network's training should equal."""
    drawn = is_drawn(network)
    events, epochs = (network.events, 1) if drawn else whole_epochs(network)
    events = joined(without_reset(events, network), network.of_replicas)
    passes = [event for event in events if isinstance(event, Forward) and event.tapes]
    fit = network.own_fit or matching_fit(network, watcher.fit_calls)
    if fit is not None and fit is not network.own_fit and trains_by_own_step(fit.model):
        raise NotComparableError(
            "nothing to compare with .fit yet, because your file calls .fit for a network with its own "
            "train_step or compute_loss: check knows the steps of Keras only"
        )
    has_all = not network.is_cut
    size = rows_of_an_update(events, epochs)
    x, rows_of = data_of(network, fit if has_all else None, names if has_all else {}, given.x, size)
    y, weights, contradictions = labels_of(network, rows_of, x, name, names, given.y)
    fed = [rows_of[forward.rows] for forward in passes if forward.rows is not None]
    batch_size = given.batch_size or size
    events = [
        replace(event, rows=rows_of[event.rows])
        if isinstance(event, Forward) and event.rows is not None
        else event
        for event in events
    ]
    count = len(tf.nest.flatten(x)[0])
    orders = [np.concatenate(fed)] if drawn else orders_of(fed, epochs, count)
    recording = recording_of(network, events, watcher)
    assumed: list[str] = []
    problem = FedProblem(
        title=name,
        build_model=lambda: network.model,
        x=x,
        y=y,
        loss=keras.losses.MeanSquaredError,
        learning_rate=float(network.first_optimizer.get("learning_rate", 0.0)),
        batch_size=batch_size,
        epochs=epochs,
        optimizer=optimizer_that_goes_on(network),
        network=network.model,
        state=network.start,
        orders=orders,
        sample_weight=weights,
    )
    if network.is_cut:
        assumed.append(
            f"the recording ended within the first epoch, after {network.updates} updates: rows that are "
            "left out, and the loss of an epoch, could not be judged; --seconds and --memory let it go on"
        )
    if drawn:
        assumed.append(
            "each batch is drawn at random: the steps are judged, and there are no epochs to judge"
        )
    if recording.replicas > 1:
        assumed.append(
            f"the {recording.replicas} replicas run in turn and eagerly, to the end of your file: --stop "
            "ends it earlier"
        )
    if recording.copies_apart is not None:
        assumed.append("the copies that the replicas have of each weight were watched as one")
    several = sum(other.model is network.model for other in watcher.networks) > 1
    place = network.begun_in[-1] if several and network.begun_in else None
    training = Training(name, network, problem, recording, fit, assumed, [], contradictions, drawn, place)
    if fit is not None and fit is not network.own_fit:
        set_by_fit(training, fit, given)
    else:
        set_by_loop(training, events, fit, given)
    return training


def is_drawn(network: Network) -> bool:
    """Return whether batches of what should be the first epoch repeat some rows, as random draws do."""
    known: set[int] = set()
    mixed = batches = 0
    for event in network.events:
        if not isinstance(event, Forward) or not event.tapes or event.rows is None:
            continue
        rows = set(event.rows.tolist())
        if 2 * len(rows & known) > len(rows):
            break  # the next epoch, or as good as
        batches += bool(known)
        mixed += bool(rows & known) or len(rows) < len(event.rows)
        known |= rows
    return batches > 1 and mixed > MANY * batches


def whole_epochs(network: Network) -> tuple[list[Event], int]:
    """Return the events of all complete epochs, and their number."""
    begins = network.begins
    if not begins:
        raise NotComparableError(
            "nothing to compare with .fit, because the rows of the batches could not be seen"
        )
    ends = [*begins[1:], len(network.events)]
    lengths = [_updates(network.events[a:b]) for a, b in zip(begins, ends, strict=True)]
    if len(lengths) > 1 and lengths[-1] < lengths[0]:
        begins, ends, lengths = begins[:-1], ends[:-1], lengths[:-1]  # it was cut short
    return network.events[: ends[-1]], len(begins)


def without_reset(events: Sequence[Event], network: Network) -> list[Event]:
    """Leave out that a script sets a network back to its initial weights, to train it once more."""
    last = events[-1]
    if isinstance(last, Update) and last.optimizer is None and last.gradients is None:
        start = [network.start[number] for number in network.trainable]
        if all(np.array_equal(a, b) for a, b in zip(last.after, start, strict=True)):
            return list(events[:-1])
    return list(events)


def _updates(events: Sequence[Event]) -> int:
    return sum(isinstance(event, Update) for event in events)


def rows_of_an_update(events: Sequence[Event], epochs: int) -> int:
    """Return of how many rows the largest update is made: of several batches where gradients are added up."""
    recording = Recording([], [], [], events=list(events))
    return max((len(step.rows) for step in steps_of(recording, epochs).steps), default=1)


def matching_fit(network: Network, calls: Sequence[FitCall]) -> FitCall | None:
    """Return the script's call of ``.fit`` on a network of the same form: with the same weights, or the nth.

    The second loop on a network stands beside the second call.
    """
    shapes = [a.shape for a in network.start]
    alike = [call for call in calls if [a.shape for a in call.start] == shapes]
    for call in alike:
        if all(np.array_equal(a, b) for a, b in zip(call.start, network.start, strict=True)):
            return call
    return next(itertools.islice(alike, network.number, None), None)


def recording_of(network: Network, events: Sequence[Event], watcher: ScriptWatcher) -> Recording:
    """Return what the rules read."""
    mine = {event.tape for event in events if isinstance(event, Gradient)}
    mine |= {tape for event in events if isinstance(event, Forward) for tape in event.tapes}
    recording = Recording(network.names, network.trainable, network.start)
    recording.events = list(events)
    recording.own_tapes = [tape for tape in watcher.recording.own_tapes if tape in mine]
    seen = watcher.recording
    recording.compiled, recording.replicas = seen.compiled, seen.replicas
    recording.joined_twice, recording.copies_apart = seen.joined_twice, seen.copies_apart
    recording.frozen = sorted(network.frozen)
    before = [call for call in network.fits_before if call is not network.own_fit]
    if before:
        recording.events.insert(0, ReadyMade(f"{type(before[-1].model).__name__}.fit", before[-1].place))
    recording.end = list(network.end)
    updates = [event for event in events if isinstance(event, Update)]
    if updates:  # an epoch that was cut short has moved them further
        for position, number in enumerate(network.trainable):
            recording.end[number] = updates[-1].after[position]
    return recording


def optimizer_of(settings: dict[str, Any]) -> Callable[[float], Any]:
    """Return what makes an optimizer with the same settings, from a learning rate."""

    def make(rate: float) -> Any:
        if not settings:
            return keras.optimizers.SGD(rate)
        config = dict(settings["config"])
        has_schedule = isinstance(config.get("learning_rate"), dict)
        config["learning_rate"] = settings["schedule"] if has_schedule else rate
        return settings["class"].from_config(config)

    return make


def optimizer_that_goes_on(network: Network) -> Callable[[float], Any]:
    """Return what makes the optimizer of a network, with what it had kept from an earlier loop."""
    make = optimizer_of(network.first_optimizer)
    if not network.optimizer_state:
        return make

    def make_and_fill(rate: float) -> Any:
        optimizer = make(rate)
        optimizer.build(network.model.trainable_variables)
        for variable, value in zip(optimizer.variables, network.optimizer_state, strict=True):
            variable.assign(value)
        return optimizer

    return make_and_fill


def set_by_fit(training: Training, fit: FitCall, given: Given) -> None:
    """Take loss, optimizer, batch size and weights from the script's own call of ``.fit``."""
    arguments, problem, network = fit.arguments, training.problem, training.network
    changes: dict[str, Any] = {
        "loss": functools.partial(loss_of_fit, fit, given),
        "optimizer": optimizer_of(fit.optimizer),
        "learning_rate": fit.optimizer["learning_rate"],
        "class_weight": arguments.get("class_weight"),
    }
    size = fit.batch_size
    if given.batch_size is None and size is not None:
        changes["batch_size"] = size
    rows, weights = fit.training_rows
    if fit.is_of_arrays and arguments["validation_split"]:
        count = len(tf.nest.flatten(rows)[0])
        if count < problem.row_count:
            training.apart.append(
                f"the loop trains on {problem.row_count} rows, .fit on {count}: it validates on the others"
            )
    if weights is not None and len(weights) == problem.row_count:
        changes["sample_weight"] = np.asarray(weights, dtype="float32")
    elif weights is None and fit.is_of_arrays:
        changes["sample_weight"] = None
        if problem.sample_weight is not None and arguments["class_weight"] is None:
            training.apart.append("the loop gives its rows weights, but .fit has no sample_weight")
    if fit.model is network.model:
        changes["state"] = fit.start
    elif not all(np.allclose(a, b, atol=ROUNDING) for a, b in zip(fit.start, network.start, strict=True)):
        training.apart.append("the two networks begin with different weights: no seed makes them equal")
    if len(set(fit.rates)) > 1 and not isinstance(_rate_of(fit.optimizer), dict):
        changes |= {"callbacks": lambda: [RatesOfLoop(fit.rates)], "learning_rate": fit.rates[0]}
    if arguments["shuffle"] and fit.is_of_arrays:
        training.apart.append(
            ".fit shuffles the rows in an order of its own; the steps are judged on the loop's rows"
        )
    training.problem = replace(problem, **changes)
    training.recording.start = network.start


def set_by_loop(training: Training, events: Sequence[Event], fit: FitCall | None, given: Given) -> None:
    """Take loss and learning rates from what the loop itself uses, and say so."""
    updates = [event for event in events if isinstance(event, Update)]
    rates = [update.settings["learning_rate"] for update in updates if update.settings]
    problem, has_schedule = training.problem, isinstance(_rate_of(training.network.first_optimizer), dict)
    if updates and not rates:
        rate = plain_rate(events)
        problem = replace(problem, learning_rate=rate)
        training.assumed.append(f"the moves of the weights say that .fit has SGD({rate:g})")
    elif len(set(rates)) > 1 and not has_schedule:
        problem = replace(problem, callbacks=lambda: [RatesOfLoop(rates)])
        training.assumed.append(
            f"the learning rate of .fit changes as your loop's does: {rates[0]:g} at first, "
            f"{rates[-1]:g} in the last update that was watched"
        )
    training.problem = with_loss(problem, training.network, training.recording, fit, given)
    loss = training.problem.loss
    if fit is None and getattr(loss, "func", None) is not as_fit_reduces:
        training.assumed.insert(0, f"the loss of .fit is {described(loss())}")


def _rate_of(settings: dict[str, Any]) -> Any:
    return settings["config"].get("learning_rate") if settings else None


def _by_output(compiled: Any, names: Sequence[str]) -> list[Any]:
    """Return what was compiled for each output: one for all, or one for each, by name or in order."""
    if isinstance(compiled, Mapping):
        return [compiled.get(name) for name in names]
    return list(compiled) if isinstance(compiled, list | tuple) else [compiled] * len(names)


def loss_of_fit(fit: FitCall, given: Given) -> keras.losses.Loss:
    """Return the loss that a call of ``.fit`` has, of all outputs together."""
    if given.loss is not None:
        return compiled_loss(given.loss)
    names = getattr(fit.model, "output_names", None) or [""]
    losses = _by_output(fit.loss, names)
    weights = [1.0 if one is None else float(one) for one in _by_output(fit.loss_weights, names)]
    if None in losses:
        raise NotComparableError(
            "nothing to compare with .fit yet, because .fit has no loss for one of the outputs: give it one"
        )
    if weights == [1.0]:
        return compiled_loss(losses[0])
    return TotalLoss(list(map(compiled_loss, losses)), weights)


def with_loss(
    problem: FedProblem, network: Network, recording: Recording, fit: FitCall | None, given: Given
) -> FedProblem:
    """Give a problem the loss of ``.fit``: the one that is named, called, compiled or computed."""
    if given.loss is not None:
        return replace(problem, loss=functools.partial(compiled_loss, given.loss))
    if network.own_fit is not None and network.own_fit.loss is not None:
        return replace(problem, loss=functools.partial(loss_of_fit, network.own_fit, given))
    called = {
        labels.output: labels.loss
        for found in network.labels.values()
        for labels in reversed(found)
        if labels.loss is not None
    }
    outputs = len(tf.nest.flatten(problem.y))
    in_parts = [replace(problem, replicas=recording.replicas)] * network.depends_on_parts()
    problems = [*in_parts, problem]
    if len(called) == outputs == 1:
        return replace(problem, loss=functools.partial(as_fit_reduces, called[0]))
    if len(called) == outputs:
        all_of = [called[number] for number in sorted(called)]
        return replace(problem, loss=weighted_losses(problems[0], recording, all_of))
    if fit is not None and fit.loss is not None:
        return replace(problem, loss=functools.partial(loss_of_fit, fit, given))
    loss, variant = loss_by_hand(problems, recording)
    if variant.weights == "unweighted":  # what the loop multiplies by is no weight of a row
        return replace(problem, loss=loss, sample_weight=None)
    return replace(problem, loss=loss)
