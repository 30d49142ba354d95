"""The epochs of the script: batches, validation, callbacks, reports."""

from collections.abc import Iterator

from companion.eject.data import ARRAYS, GENERATOR, SEQUENCE, Data
from companion.eject.data_lines import passed_to_step
from companion.eject.layout import indented
from companion.eject.plan import Plan
from companion.eject.step_lines import by_model


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
    data = plan.data
    counts = data.stops_early and data.batches is not None
    steps = {
        ARRAYS: f"-(-len({data.counted}) // BATCH_SIZE)",
        SEQUENCE: "sequence.num_batches",
        GENERATOR: "None",
    }.get(data.kind, "len(batches)" if data.batches is not None else "None")
    if data.kind == ARRAYS and (plan.callback_list or counts):
        lines.append(f"steps = {steps}  # rounded up")
        steps = "steps"
    if counts:
        lines.append(f"iterator, left = iter(batches), {steps}")
    elif data.stops_early:
        lines.append("iterator = iter(batches)  # an epoch begins where the last one stopped")
    if plan.callback_list:
        steps = "STEPS_PER_EPOCH" if data.stops_early else steps
        lines += [
            "# These callbacks are called as they are. They add the history that is returned.",
            "called = keras.callbacks.CallbackList("
            f"callbacks, add_history=True, model=model, verbose=0, epochs=epochs, steps={steps})",
            "model.stop_training = False",
            "called.on_train_begin()",
        ]
    else:
        start = '{"loss": []}' if _is_short(plan) else "{}"
        lines.append(f"history: dict[str, list[float]] = {start}")
    lines += ["stop = False"] if stops else []
    start = "INITIAL_EPOCH, " if plan.arguments.get("initial_epoch") else ""
    return [
        *lines,
        f"for epoch in range({start}epochs):",
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
        several = ["for metric in metrics:", "    metric.reset_state()"]
        lines += ["mean_loss.reset_state()"] if plan.reports_loss_only else several
    elif not plan.own_train_step:
        lines += ["mean_loss.reset_state()"]
    return lines


def _is_short(plan: Plan) -> bool:
    """Return whether an epoch reports the loss, and nothing reads it."""
    return plan.reports_loss_only and not (plan.validation or plan.callbacks or plan.callback_list)


def _one_epoch(plan: Plan) -> Iterator[str]:
    """Write the lines before the batches of an epoch; return where they come from."""
    data = plan.data
    if "on_epoch_begin" in data.methods:
        yield "sequence.on_epoch_begin()"
    if not data.stops_early or data.batches is None:
        return
    steps = {ARRAYS: "steps", SEQUENCE: "sequence.num_batches"}.get(data.kind, "len(batches)")
    yield "if left == 0:"
    yield f"    iterator, left = iter(batches), {steps}"
    yield "# An epoch begins where the last one stopped, and ends where the data end."
    yield "count = min(STEPS_PER_EPOCH, left)"
    yield "left -= count"


def _batches(data: Data, name: str, iterator: str, steps: str) -> str:
    """Write from where the batches of an epoch come."""
    return f"itertools.islice({iterator}, {steps})" if data.stops_early else name


def _epoch(plan: Plan, stops: bool) -> Iterator[str]:
    of_model, listed = by_model(plan), plan.callback_list
    yield from _reset(plan, of_model)
    for one in plan.callbacks:
        yield from one.epoch_begin
    if listed:
        yield "called.on_epoch_begin(epoch)"
    yield from _one_epoch(plan)
    data = plan.data
    count = "count" if data.batches is not None else "STEPS_PER_EPOCH"
    batches = _batches(data, "batches", "iterator", count)
    reported = _reported(plan, plan.own_train_step)
    call = f"train_step({passed_to_step(data, plan.own_train_step)})"
    call = "next_step(iterator)" if plan.fetches_in_graph else call
    step = [f"{'last = ' if of_model else ''}{call}"]
    if plan.hears_batches and listed:
        end = f"called.on_train_batch_end(step, {reported})"
        step = ["called.on_train_batch_begin(step)", *step, end, "if model.stop_training:", "    break"]
    step += [line for one in plan.callbacks for line in one.batch_end]
    if plan.fetches_in_graph:
        yield "iterator = iter(batches)"
        yield "with contextlib.suppress(tf.errors.OutOfRangeError):"
        yield f"    {'for step in itertools.count()' if plan.hears_batches and listed else 'while True'}:"
        yield from indented(indented(step))
    else:
        numbered = plan.hears_batches and listed
        yield f"for step, batch in enumerate({batches}):" if numbered else f"for batch in {batches}:"
        yield from indented(step)
    if data.starts_twice:
        yield "# As .fit does. A Dataset that reshuffles then draws one more order."
        yield "iter(batches)"
    if "on_epoch_end" in data.methods:
        yield "sequence.on_epoch_end()"
    if _is_short(plan):
        yield 'history["loss"].append(float(mean_loss.result()))'
        yield "print(f\"epoch {epoch}: loss {history['loss'][-1]:.4f}\")"
        return
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
    if plan.reports_loss_only:
        return '{"loss": float(mean_loss.result())}'
    return "{metric.name: float(metric.result()) for metric in metrics}"


def _validated(plan: Plan) -> Iterator[str]:
    whole = plan.own_train_step or plan.own_test_step
    of_model = by_model(plan) or plan.own_test_step
    data = plan.held_out
    assert data is not None
    given = "validation_data"  # a PyDataset
    yield from _reset(plan, of_model)
    if "on_epoch_end" in data.methods:
        yield f"{given}.on_epoch_end()"
    if plan.callback_list:
        yield "called.on_test_begin()"
    if "on_epoch_begin" in data.methods:
        yield f"{given}.on_epoch_begin()"
    batches = _batches(data, "validation", "validation", "VALIDATION_STEPS")
    numbered = plan.callback_list and plan.hears_test_batches
    yield f"for step, batch in enumerate({batches}):" if numbered else f"for batch in {batches}:"
    if numbered:
        yield "    called.on_test_batch_begin(step)"
    call = f"test_step({passed_to_step(data, whole)})"
    yield f"    {'last = ' if of_model else ''}{call}"
    reported = _reported(plan, whole)
    if numbered:
        yield f"    called.on_test_batch_end(step, {reported})"
    if data.starts_twice:
        yield "iter(validation)  # likewise" if plan.data.starts_twice else "iter(validation)  # as .fit does"
    if "on_epoch_end" in data.methods:
        yield f"{given}.on_epoch_end()"
    yield f"of_validation = {reported}"
    if plan.callback_list:
        yield "called.on_test_end(of_validation)"
    yield 'logs |= {f"val_{name}": value for name, value in of_validation.items()}'
