"""Keras' callbacks as plain lines of a loop: those that are used most, with their usual options."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from companion.eject.expressions import Expressions
from companion.errors import UserError
from companion.fit.keras_private import watches_for_more


@dataclass(frozen=True)
class PlainCallback:
    """The lines that replace a callback, by place.

    Attributes
    ----------
    imports : tuple of str
        Modules of Python.
    before : tuple of str
        Lines before the epochs.
    epoch_begin, batch_end, epoch_end : tuple of str
        Lines in the loop. In `epoch_end`, ``logs`` has what the epoch reports; ``stop = True`` ends the
        training.
    after : tuple of str
        Lines after the epochs.
    stops : bool
        Whether it may end the training.
    """

    imports: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    epoch_begin: tuple[str, ...] = ()
    batch_end: tuple[str, ...] = ()
    epoch_end: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    stops: bool = False


@dataclass(frozen=True)
class Context:
    """What a callback is written for: names, the model, what each epoch reports, the first epoch."""

    expressions: Expressions
    model: keras.Model
    reports: Sequence[str]
    first_epoch: int


class NotPlainError(Exception):
    """The callback has no plain lines."""


def plain_callbacks(
    callbacks: Any, expressions: Expressions, model: keras.Model, reports: Sequence[str], first_epoch: int
) -> tuple[list[PlainCallback], bool]:
    """Return the lines for each callback, and whether they must all be called as they are instead."""
    made: Sequence[Any] = keras.tree.flatten(callbacks or [])
    context = Context(expressions, model, reports, first_epoch)
    kinds = [type(one) for one in made]
    if len(set(kinds)) == len(kinds):
        try:
            return [_plain(one, context) for one in made if type(one) is not keras.callbacks.History], False
        except NotPlainError:
            pass
    return [], True


def _plain(callback: Any, context: Context) -> PlainCallback:
    write = WRITERS.get(type(callback))
    if write is None or getattr(callback, "verbose", False):
        raise NotPlainError
    return write(callback, context)


def _is_better(callback: Any, context: Context, monitor: str, best: str) -> str:
    """Write the condition that a report is better than the best one."""
    if callback.monitor not in context.reports:
        raise NotPlainError
    callback.set_model(context.model)
    grows = watches_for_more(callback)
    if grows is None:
        raise NotPlainError
    sign, margin = (">", "-") if grows else ("<", "+")
    least = float(abs(getattr(callback, "min_delta", 0)))
    worse = f" {margin} {context.expressions.of(least)}" if least else ""
    return f"{monitor}{worse} {sign} {best}"


def _early_stopping(callback: Any, context: Context) -> PlainCallback:
    if callback.baseline is not None or callback.start_from_epoch:
        raise NotPlainError
    of, restores = context.expressions.of, callback.restore_best_weights
    monitor = f"logs[{of(callback.monitor)}]"
    better = _is_better(callback, context, monitor, "best_so_far")
    options = f"monitor={of(callback.monitor)}, patience={callback.patience}"
    options += ", restore_best_weights=True" if restores else ""
    keep = ("    best_weights = model.get_weights()",) if restores else ()
    return PlainCallback(
        before=("best_so_far, epochs_without = None, 0",),
        epoch_end=(
            f"# EarlyStopping({options})",
            "epochs_without += 1",
            f"if best_so_far is None or {better}:",
            f"    best_so_far, epochs_without = {monitor}, 0",
            *keep,
            f"elif epochs_without >= {callback.patience} and epoch > 0:",
            "    stop = True",
        ),
        after=("model.set_weights(best_weights)",) if restores else (),
        stops=True,
    )


def _reduce_on_plateau(callback: Any, context: Context) -> PlainCallback:
    of = context.expressions.of
    monitor = f"logs[{of(callback.monitor)}]"
    better = _is_better(callback, context, monitor, "plateau_best")
    factor, least = of(float(callback.factor)), of(float(callback.min_lr))
    cools = ("cooldown",) if callback.cooldown else ()
    lines = [
        f"# ReduceLROnPlateau({of(callback.monitor)}, factor={factor}, patience={callback.patience}, ...)",
        "rate = float(optimizer.learning_rate)",
        'logs["learning_rate"] = rate',
    ]
    if cools:
        lines += ["if cooldown > 0:", "    cooldown, plateau_length = cooldown - 1, 0"]
    lines += [
        f"if plateau_best is None or {better}:",
        f"    plateau_best, plateau_length = {monitor}, 0",
        f"el{'if cooldown == 0' if cools else 'se'}:",
        "    plateau_length += 1",
        f"    if plateau_length >= {callback.patience} and rate > {of(float(np.float32(callback.min_lr)))}:",
        f"        optimizer.learning_rate = max(rate * {factor}, {least})",
        "        plateau_length = 0",
        *([f"        cooldown = {callback.cooldown}"] if cools else []),
    ]
    start = "plateau_best, plateau_length" + (", cooldown = None, 0, 0" if cools else " = None, 0")
    return PlainCallback(before=(start,), epoch_end=tuple(lines))


def _scheduler(callback: Any, context: Context) -> PlainCallback:
    try:
        name = context.expressions.name_of(callback.schedule)
    except UserError:
        raise NotPlainError from None
    try:
        callback.schedule(0, 0.1)
        given = "epoch, float(optimizer.learning_rate)"
    except TypeError:
        given = "epoch"
    return PlainCallback(
        epoch_begin=(f"optimizer.learning_rate = {name}({given})  # LearningRateScheduler",),
        epoch_end=('logs["learning_rate"] = float(optimizer.learning_rate)',),
    )


def _checkpoint(callback: Any, context: Context) -> PlainCallback:
    of, path = context.expressions.of, str(callback.filepath)
    if callback.save_freq != "epoch" or callback.best not in (None, np.inf, -np.inf) or "/" in path:
        raise NotPlainError
    name = f"{of(path)}.format(epoch=epoch + 1, **logs)" if "{" in path else of(path)
    save = f"model.save{'_weights' if callback.save_weights_only else ''}({name}, overwrite=True)"
    monitor = f"logs[{of(callback.monitor)}]"
    lines: tuple[str, ...] = ("# ModelCheckpoint", save)
    before: tuple[str, ...] = ()
    if callback.save_best_only:
        better = _is_better(callback, context, monitor, "best_saved")
        before = ("best_saved = None",)
        lines = (
            f"# ModelCheckpoint(monitor={of(callback.monitor)}, save_best_only=True)",
            f"if best_saved is None or {better}:",
            f"    best_saved = {monitor}",
            f"    {save}",
        )
    return PlainCallback(before=before, epoch_end=lines)


def _csv_logger(callback: Any, context: Context) -> PlainCallback:
    validated = any(name.startswith("val_") for name in context.reports)  # else there are more columns
    if callback.append or callback.sep != "," or context.first_epoch or not validated:
        raise NotPlainError
    file = context.expressions.of(str(callback.filename))
    return PlainCallback(
        imports=("csv",),
        epoch_end=(
            f'with open({file}, "a" if epoch else "w", newline="") as file:  # CSVLogger',
            '    writer = csv.DictWriter(file, ["epoch", *sorted(logs)])',
            "    if epoch == 0:",
            "        writer.writeheader()",
            '    writer.writerow({"epoch": epoch, **logs})',
        ),
    )


def _terminate_on_nan(callback: Any, context: Context) -> PlainCallback:
    if getattr(callback, "raise_error", False) or "loss" not in context.reports:
        raise NotPlainError
    return PlainCallback(
        imports=("math",),
        batch_end=(
            "if not math.isfinite(float(mean_loss.result())):  # TerminateOnNaN",
            "    stop = True",
            "    break",
        ),
        stops=True,
    )


WRITERS: dict[type, Callable[[Any, Context], PlainCallback]] = {
    keras.callbacks.EarlyStopping: _early_stopping,
    keras.callbacks.ReduceLROnPlateau: _reduce_on_plateau,
    keras.callbacks.LearningRateScheduler: _scheduler,
    keras.callbacks.ModelCheckpoint: _checkpoint,
    keras.callbacks.CSVLogger: _csv_logger,
    keras.callbacks.TerminateOnNaN: _terminate_on_nan,
}
