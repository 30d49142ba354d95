"""The epochs of the script: batches, validation, callbacks, reports."""

from collections.abc import Iterator, Sequence

from companion.eject.layout import indented
from companion.eject.plan import Plan
from companion.eject.step_lines import by_model, validation_parts


def report_function(plan: Plan) -> list[str]:
    """Write a function that reads the means of an epoch, where the model holds them."""
    if not by_model(plan):
        return []
    lines = [
        "def report(of_last_batch):",
        '    """Return the means, or the last report if its names differ."""',
        "    means = model.get_metrics_result()",
        "    logs = means if means.keys() == of_last_batch.keys() else of_last_batch",
    ]
    if plan.nested_logs:
        lines += [
            "    flat = {}  # a dict becomes one entry per key",
            "    for name, value in logs.items():",
            "        flat |= value if isinstance(value, dict) else {name: value}",
            "    logs = flat",
        ]
    return [*lines, "    return {name: float(value) for name, value in logs.items()}", ""]


def epochs(plan: Plan) -> list[str]:
    """Write the loop over the epochs."""
    lines = [line for one in plan.callbacks for line in one.before]
    stops = any(one.stops for one in plan.callbacks)
    if plan.callback_list:
        steps = "len(batches)" if plan.starts_twice else "None"
        if not plan.is_dataset:
            lines.append(f"steps = -(-len({plan.counted}) // BATCH_SIZE)  # rounded up")
            steps = "steps"
        lines += [
            "# These callbacks are called as they are. They add the history that is returned.",
            "called = keras.callbacks.CallbackList("
            f"callbacks, add_history=True, model=model, verbose=0, epochs=EPOCHS, steps={steps})",
            "model.stop_training = False",
            "called.on_train_begin()",
        ]
    else:
        lines.append("history: dict[str, list[float]] = {}")
    lines += ["stop = False"] if stops else []
    start = "INITIAL_EPOCH, " if plan.arguments.get("initial_epoch") else ""
    return [
        *lines,
        f"for epoch in range({start}EPOCHS):",
        *indented(list(_epoch(plan, stops))),
        *_end(plan),
    ]


def _end(plan: Plan) -> Iterator[str]:
    if plan.averages and not plan.own_train_step:
        yield "# The weights become their moving average."
        yield "optimizer.finalize_variable_values(model.trainable_variables)"
    elif plan.averages:
        yield "# The weights become their moving average."
        yield "model.optimizer.finalize_variable_values(model.trainable_variables)"
    for one in plan.callbacks:
        yield from one.after
    if plan.callback_list:
        yield "called.on_train_end(logs)"
        yield "return model.history.history"
    else:
        yield "return history"


def _reset(plan: Plan, of_model: bool) -> list[str]:
    lines = ["model.reset_metrics()"] if of_model else []
    if not by_model(plan):
        lines += ["for metric in metrics:", "    metric.reset_state()"]
    elif not plan.own_train_step:
        lines += ["mean_loss.reset_state()"]
    return lines


def _passed(plan: Plan, whole: bool, parts: Sequence[str]) -> str:
    return "batch" if whole or (plan.is_dataset and len(parts) == 1) else "*batch"


def _epoch(plan: Plan, stops: bool) -> Iterator[str]:
    of_model, listed = by_model(plan), plan.callback_list
    yield from _reset(plan, of_model)
    for one in plan.callbacks:
        yield from one.epoch_begin
    if listed:
        yield "called.on_epoch_begin(epoch)"
        yield "for step, batch in enumerate(batches):"
        yield "    called.on_train_batch_begin(step)"
    else:
        yield "for batch in batches:"
    call = f"train_step({_passed(plan, plan.own_train_step, plan.parts)})"
    yield f"    {'last = ' if of_model else ''}{call}"
    reported = _reported(plan, plan.own_train_step)
    if listed:
        yield f"    called.on_train_batch_end(step, {reported})"
        yield "    if model.stop_training:"
        yield "        break"
    for one in plan.callbacks:
        yield from indented(list(one.batch_end))
    if plan.is_dataset and plan.starts_twice:
        yield "# As .fit does. A Dataset that reshuffles then draws one more order."
        yield "iter(batches)"
    yield f"logs = {reported}"
    if plan.validation:
        yield ""
        if plan.arguments.get("validation_freq", 1) != 1:
            yield "if (epoch + 1) % VALIDATION_FREQUENCY == 0:"
            yield from indented(list(_validated(plan)))
        else:
            yield from _validated(plan)
    for one in plan.callbacks:
        yield ""
        yield from one.epoch_end
    yield ""
    if listed:
        yield "called.on_epoch_end(epoch, logs)"
    else:
        yield "for name, value in logs.items():"
        yield "    history.setdefault(name, []).append(value)"
    yield 'shown = ", ".join(f"{name} {value:.4f}" for name, value in logs.items())'
    yield 'print(f"epoch {epoch}: {shown}")'
    if listed:
        yield "if model.stop_training:"
        yield "    break"
    elif stops:
        yield "if stop:"
        yield "    break"


def _reported(plan: Plan, own_step: bool) -> str:
    """Write what an epoch reports."""
    if own_step and not by_model(plan):
        return "{name: float(value) for name, value in last.items()}"
    if own_step:
        return "report(last)"
    if plan.by_methods:
        return 'report(last) | {"loss": float(mean_loss.result())}'
    return "{metric.name: float(metric.result()) for metric in metrics}"


def _validated(plan: Plan) -> Iterator[str]:
    whole = plan.own_train_step or plan.own_test_step
    of_model = by_model(plan) or plan.own_test_step
    yield from _reset(plan, of_model)
    if plan.callback_list:
        yield "called.on_test_begin()"
        yield "for step, batch in enumerate(validation):"
        yield "    called.on_test_batch_begin(step)"
    else:
        yield "for batch in validation:"
    call = f"test_step({_passed(plan, whole, validation_parts(plan))})"
    yield f"    {'last = ' if of_model else ''}{call}"
    reported = _reported(plan, whole)
    if plan.callback_list:
        yield f"    called.on_test_batch_end(step, {reported})"
    if plan.is_dataset and plan.starts_twice:
        yield "iter(validation)  # likewise"
    yield f"of_validation = {reported}"
    if plan.callback_list:
        yield "called.on_test_end(of_validation)"
    yield 'logs |= {f"val_{name}": value for name, value in of_validation.items()}'
