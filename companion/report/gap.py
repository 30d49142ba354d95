"""From one call to another, one change at a time: what is it that makes two trainings differ?"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from companion.batches import order_of_fit
from companion.comparison.history import Comparison
from companion.precision import precision
from companion.report.runs import Run, Train
from companion.terminal.console import Report
from companion.terminal.formats import distance
from companion.terminal.quiet_start import expect_retracing

# A training by its settings: "initial weights" ("Keras'" or not), "learning rate", "order" ("shuffled" or
# not), "batch size", "precision", "clipping" ("none (logits)" or not).
FitCall = Mapping[str, Any]


class Ways(NamedTuple):
    """Two functions that train alike and report another loss: Keras' own, or the chapter's."""

    keras_loss: Train
    chapter_loss: Train


NOTE = (
    "The page does not show the model of its call; here it is the same neuron. Under a seed, .fit has the "
    "same order in all epochs. The last change is in what is reported, not in the training: Keras computes "
    "the loss from the logit, which is the sum before the sigmoid, and clips nothing."
)


def train_as(
    call: FitCall,
    ways: Ways,
    build_model: Callable[[int], keras.Model],
    rows: tuple[np.ndarray, np.ndarray],
    seed: int,
    epochs: int,
) -> Run:
    """Train a new network as `call` says."""
    with precision(call["precision"]), expect_retracing():
        model, (x, y) = build_model(seed), rows
        if call["initial weights"] == "Keras'":
            model.set_weights(keras_weights(build_model, seed))
        if call["order"] == "shuffled":
            # Under a seed .fit shuffles alike in every epoch: rows in that order are what it feeds.
            order = order_of_fit(len(x))
            x, y = x[order], y[order]
        train = ways.keras_loss if call["clipping"] == "none (logits)" else ways.chapter_loss
        how = {"learning_rate": call["learning rate"], "batch_size": call["batch size"], "epochs": epochs}
        return Run(model, train(model, x, y, **how))


def keras_weights(build_model: Callable[[int], keras.Model], seed: int) -> list[np.ndarray]:
    """Draw the weights that Keras gives the network when nobody says otherwise, in its usual float32."""
    with precision("float32"):
        model = build_model(seed)
        keras.utils.set_random_seed(seed)
        return keras.models.clone_model(model).get_weights()


def change_one_by_one(
    train: Callable[[FitCall], Run], start: FitCall, goal: FitCall, ends: tuple[Run, Run]
) -> dict[str, list[float]]:
    """Train as `start` says, then with one setting after the other as `goal` says."""
    call, losses = dict(start), {"": ends[0].history}
    for name, value in goal.items():
        if call[name] != value:
            call[name] = value
            losses[name] = (ends[1] if call == dict(goal) else train(dict(call))).history
    return losses


def print_gap(
    report: Report,
    start: FitCall,
    goal: FitCall,
    losses: Mapping[str, Sequence[float]],
    targets: Mapping[str, Sequence[float]],
    epochs: int,
) -> None:
    """Print how far each change has left the losses from each target."""
    rows = []
    for name, history in losses.items():
        change = [name, f"{start[name]}", f"{goal[name]}"] if name else ["as it stands", "", ""]
        left = [Comparison(history[:epochs], target[:epochs]).max_abs_diff for target in targets.values()]
        rows.append([*change, *(distance(difference) for difference in left)])
    columns = [f"largest difference\n{name}" if number == 0 else name for number, name in enumerate(targets)]
    report.table(["change", "from", "to", *columns], rows, text_columns=(0, 1, 2))
