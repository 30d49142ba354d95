"""The text of a script that trains as ``.fit`` does, from a `Plan`."""

import io
import textwrap
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from companion.eject.plan import Plan

WIDTH = 88  # as formatters have it
PLACED = ("x", "y", "batches")  # arguments without their names
PRUNED = "# Without this output, TensorFlow may build another graph; the last bits change."


def write_script(plan: Plan, proved: str) -> str:
    """Write the whole script.

    Parameters
    ----------
    plan : Plan
        What the loop must do.
    proved : str
        What is known of it, for the docstring at its head.

    Returns
    -------
    str
        A file of Python, formatted.
    """
    title = f'"""The training of {plan.file}.py, written out.'
    needs = f"It needs TensorFlow, Keras and {plan.file}.py, and nothing else."
    head = [title, "", *textwrap.wrap(f"{needs} {proved}", WIDTH), '"""', ""]
    parts = [_constants(plan), _functions(plan), _train(plan), _main(plan)]
    lines = [line for part in parts if part for line in ("", "", *part)][1:]
    code = "\n".join(lines)
    return (
        "\n".join([*head, *_imports(plan, code), *(part for line in lines for part in wrapped(line))]) + "\n"
    )


def _imports(plan: Plan, code: str) -> list[str]:
    of_python = sorted({name for one in plan.callbacks for name in one.imports})
    lines = [f"import {name}" for name in of_python]
    lines += ["from typing import Any"] if "Any" in code else []
    lines += [""] if lines else []
    lines += ["import keras"]
    lines += ["import numpy as np"] if "np." in code else []
    lines += ["import tensorflow as tf"]
    if plan.expressions.imported:
        lines += ["", f"from {plan.file} import {', '.join(sorted(plan.expressions.imported))}"]
    return lines


def _constants(plan: Plan) -> list[str]:
    of, given = plan.expressions.of, plan.arguments
    lines = [f"EPOCHS = {given['epochs']}"]
    if given.get("initial_epoch"):
        lines.append(f"INITIAL_EPOCH = {given['initial_epoch']}")
    if not plan.is_dataset:
        lines.append(f"BATCH_SIZE = {given.get('batch_size') or 32}")
    if plan.validation == "split":
        lines.append(f"VALIDATION_SPLIT = {of(given['validation_split'])}")
    if plan.validation and given.get("validation_batch_size") and not plan.is_dataset:
        lines.append(f"VALIDATION_BATCH_SIZE = {given['validation_batch_size']}")
    if plan.validation and given.get("validation_freq", 1) != 1:
        lines.append(f"VALIDATION_FREQUENCY = {given['validation_freq']}")
    if given.get("class_weight"):
        lines.append(f"CLASS_WEIGHT = {of(given['class_weight'])}")
    return lines


def _functions(plan: Plan) -> list[str]:
    """Write the class that a loss may need, and how arrays become batches."""
    lines = []
    if plan.expressions.has_own_loss:
        lines += [
            f"class {plan.expressions.own_loss}(keras.losses.Loss):",
            '    """The mean of what a function returns, as compile(loss=function) takes it."""',
            "",
            "    def __init__(self, function, **arguments):",
            "        super().__init__()",
            "        self.function, self.arguments = function, arguments",
            "",
            "    def call(self, y_true, y_pred):",
            "        # .fit aligns targets of shape (n,) with predictions of shape (n, 1).",
            "        if len(y_true.shape) == 1 and len(y_pred.shape) == 2 and y_pred.shape[1] == 1:",
            "            y_true = y_true[:, None]",
            "        return self.function(y_true, y_pred, **self.arguments)",
            "",
            "",
        ]
    if plan.is_dataset:
        return lines[:-2]
    if any("as_fit_takes" in change for change in plan.changes.values()):
        lines += [
            "def as_fit_takes(array: Any) -> np.ndarray:",
            '    """Return an array as .fit takes it: floats become Keras\' float type."""',
            "    array = np.asarray(array)",
            "    is_float = np.issubdtype(array.dtype, np.floating)",
            "    return array.astype(keras.config.floatx()) if is_float else array",
            "",
            "",
        ]
    if plan.arguments.get("class_weight"):
        classes = "np.asarray(y).argmax(axis=-1)" if plan.one_hot else "np.round(np.asarray(y)).reshape(-1)"
        lines += [
            "def weights_of(y: Any) -> np.ndarray:",
            '    """Return how much each row counts, by its class."""',
            f"    classes = {classes}",
            "    weights = [CLASS_WEIGHT.get(int(one), 1.0) for one in classes]",
            "    return np.array(weights, keras.config.floatx())",
            "",
            "",
        ]
    return lines + _batches_of(plan)


def _shuffles(plan: Plan) -> bool:
    return bool(plan.arguments.get("shuffle", True))


def _batches_of(plan: Plan) -> list[str]:
    sized = bool(plan.validation and plan.arguments.get("validation_batch_size"))
    size = "batch_size" if sized else "BATCH_SIZE"
    shuffled = "tf.random.shuffle(numbers)"
    more = ", shuffle: bool" if _shuffles(plan) and plan.validation else ""
    more += ", batch_size: int" if sized else ""
    known = [
        "    # The graph knows the number of rows only if no batch is short. .fit does the",
        "    # same. This changes the last bits.",
    ]
    lines = [
        f"def batches_of(arrays: Any{more}) -> tf.data.Dataset:",
        '    """Return the batches of an epoch."""',
        f"    rows = len({'tf.nest.flatten(arrays)[0]' if plan.nested else 'arrays[0]'})",
    ]
    if plan.own_train_step and len(plan.parts) == 1 and not plan.nested:
        lines[-1] = "    rows = len(arrays)"
    if not _shuffles(plan):
        return [
            *lines,
            *known,
            f"    whole = rows % {size} == 0",
            "    batches = tf.data.Dataset.from_tensor_slices(arrays)",
            f"    batches = batches.batch({size}, drop_remainder=whole)",
            "    return batches.prefetch(tf.data.AUTOTUNE)",
        ]
    gathered = "tf.nest.map_structure(lambda array: tf.gather(array, batch), arrays)"
    return [
        *lines,
        "    arrays = tf.nest.map_structure(tf.constant, arrays)",
        "",
        "    def order(_):",
        "        # This must be the first random operation: then a seed gives the order of .fit.",
        "        numbers = tf.range(rows, dtype=tf.int64)",
        f"        return {shuffled + ' if shuffle else numbers' if plan.validation else shuffled}",
        "",
        "    def rows_of(batch):",
        f"        return {gathered}",
        "",
        "    numbers = tf.data.Dataset.range(1).map(order)",
        "    numbers = numbers.flat_map(tf.data.Dataset.from_tensor_slices)",
        *known,
        f"    numbers = numbers.batch({size}, drop_remainder=rows % {size} == 0)",
        "    return numbers.map(rows_of).prefetch(tf.data.AUTOTUNE)",
    ]


def _by_model(plan: Plan) -> bool:
    """Return whether the metrics are those that the model was compiled with."""
    return plan.own_train_step or plan.by_methods


def _parameters(plan: Plan) -> list[tuple[str, str, str]]:
    """Return what ``train`` takes beside the model: names as in ``.fit``, types, and what is passed."""
    given = getattr(plan.expressions.module, "fit_arguments", {})
    if plan.is_dataset:
        found = [("batches", "tf.data.Dataset", "batches"), ("y", "None = None", "")]
    else:
        found = [("x", "Any", "x"), ("y", "Any", "y") if "y" in plan.parts else ("y", "None = None", "")]
    if "weights" in plan.parts and not plan.is_dataset and not plan.arguments.get("class_weight"):
        own = _argument(given, "sample_weight") if "weights" not in plan.names else "weights"
        found.append(("sample_weight", "Any = None", own))
    if plan.validation in ("given", "argument"):
        own = "validation" if plan.is_dataset else _tuple([f"{name}_val" for name in plan.validation_parts])
        own = _argument(given, "validation_data") if plan.validation == "argument" else own
        found.append(("validation_data", "Any = None", own))
    if plan.callback_list:
        found.append(("callbacks", "Any = None", _argument(given, "callbacks")))
    return found


def _argument(given: Mapping[str, Any], name: str) -> str:
    """Write how an argument of ``.fit`` is read from the user's file."""
    return f'fit_arguments["{name}"]{"()" if callable(given.get(name)) else ""}'


def _passed_on(plan: Plan) -> str:
    """Write what ``train`` is called with, after the model."""
    return ", ".join(
        own if name in ("x", "y", "batches") else f"{name}={own}" for name, _, own in _parameters(plan) if own
    )


def _train(plan: Plan) -> list[str]:
    given = "".join(f", {name}: {kind}" for name, kind, _ in _parameters(plan))
    body = [
        *_optimizer(plan),
        *_losses_and_metrics(plan),
        "",
        *_data(plan),
        "",
        *_loss_function(plan),
        *_train_step(plan),
        *_test_step(plan),
        *_report(plan),
        *_epochs(plan),
    ]
    while body[0] == "":
        body.pop(0)
    return [
        f"def train(model: keras.Model{given}) -> dict[str, list[float]]:",
        '    """Train `model`; return the numbers that each epoch reports."""',
        *_indented(body),
    ]


def _optimizer(plan: Plan) -> list[str]:
    if plan.own_train_step:
        return []
    if plan.callback_list:
        return ["optimizer = model.optimizer  # callbacks read this optimizer"]
    if any(one.saves for one in plan.callbacks):
        return ["optimizer = model.optimizer  # it is saved with the model"]
    return ["# A new optimizer: that of the compiled model is not used.", *plan.optimizer]


def _losses_and_metrics(plan: Plan) -> list[str]:
    if plan.own_train_step:
        return []
    lines = []
    if not plan.by_methods:
        if len(plan.losses) == 1:
            lines.append(f"loss_function = {plan.losses[0].expression}")
        else:
            lines += [f"loss_of_{_word(one.name)} = {one.expression}" for one in plan.losses]
    lines.append('mean_loss = keras.metrics.Mean(name="loss")')
    if plan.by_methods:
        return lines
    listed = ["mean_loss"]
    if len(plan.losses) > 1:
        for one in plan.losses:
            lines.append(f'mean_{_word(one.name)} = keras.metrics.Mean(name="{one.name}_loss")')
            listed.append(f"mean_{_word(one.name)}")
    for metric in plan.metrics:
        lines.append(f"{metric.variable} = {metric.expression}")
        listed.append(metric.variable)
    return [*lines, f"metrics = [{', '.join(listed)}]"]


def _word(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in str(name))


def _data(plan: Plan) -> list[str]:
    """Write how what is given becomes batches."""
    if plan.is_dataset:
        return ["validation = validation_data"] if plan.validation else []
    lines = []
    if any(name == "sample_weight" for name, _, _ in _parameters(plan)):
        lines.append("weights = sample_weight")
    if plan.validation in ("given", "argument"):
        names = [f"{name}_val" for name in plan.validation_parts]
        lines.append(f"{_left(names) if plan.validation_is_tuple else names[0]} = validation_data")
    if plan.changes:
        lines.append("# As .fit does: floats become Keras' float type.")
        lines += [f"{name} = {change}" for name, change in plan.changes.items()]
    weighs = bool(plan.arguments.get("class_weight"))
    has_weights = "weights" in plan.parts
    held = [name for name in plan.parts if name != "weights" or not weighs]
    more, more_held = "", ""
    if plan.validation:
        more = ", shuffle=True" if _shuffles(plan) else ""
        more_held = ", shuffle=False" if _shuffles(plan) else ""
        if plan.arguments.get("validation_batch_size"):
            more += ", batch_size=BATCH_SIZE"
            more_held += ", batch_size=VALIDATION_BATCH_SIZE"
    if plan.validation == "split":
        counted = plan.counted
        lines += [
            f"rows = int(len({counted}) * (1 - VALIDATION_SPLIT))",
            "# The last rows are held out, before anything is shuffled.",
            f"held_out = tf.nest.map_structure(lambda array: array[rows:], {_tuple(held)})",
            f"{_left(held)} = tf.nest.map_structure(lambda array: array[:rows], {_tuple(held)})",
        ]
    if weighs and has_weights:
        lines.append("weights = weights_of(y)")
    alone = plan.own_train_step and len(plan.parts) == 1
    lines.append(f"batches = batches_of({'x' if alone else _tuple(plan.parts)}{more})")
    if plan.validation == "split":
        lines.append(f"validation = batches_of({'held_out[0]' if alone else 'held_out'}{more_held})")
    elif plan.validation:
        parts = _tuple([f"{name}_val" for name in plan.validation_parts])
        lines.append(f"validation = batches_of({'x_val' if alone else parts}{more_held})")
    return lines


def _tuple(names: Sequence[str]) -> str:
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


def _left(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) > 1 else f"({names[0]},)"


def _validation_parts(plan: Plan) -> tuple[str, ...]:
    if plan.validation == "split" and plan.arguments.get("class_weight"):
        return tuple(name for name in plan.parts if name != "weights")
    return plan.validation_parts


def _graph(plan: Plan, batches: str, parts: Sequence[str], whole: bool) -> list[str]:
    """Write the decorator that makes a graph of a step."""
    if plan.eager:
        return []
    spec = f"{batches}.element_spec"
    if whole or (plan.is_dataset and len(parts) == 1):
        spec = f"[{spec}]"
    jit = ", jit_compile=True" if plan.jit else ""
    return [f"@tf.function(input_signature={spec}, autograph=False{jit})"]


def _called(plan: Plan, training: bool) -> str:
    return f"model(x, training={training})" if plan.takes_training else "model(x)"


def _loss_call(plan: Plan, parts: Sequence[str], training: bool) -> str:
    y = "y" if "y" in parts else "None"
    weights = "weights" if "weights" in parts else ""
    if plan.by_methods:
        more = f", {weights}" if weights else ""
        more += f", training={training}" if plan.loss_takes_training else ""
        return f"model.compute_loss(x, {y}, y_pred{more})"
    if _has_loss_function(plan):
        return f"loss_of({y}, y_pred{', ' + weights if weights else ''})"
    weighed = f", sample_weight={weights}" if weights else ""
    factor = f" * {plan.losses[0].weight}" if plan.losses[0].weight else ""
    return f"loss_function({y}, y_pred{weighed}){factor}"


def _has_loss_function(plan: Plan) -> bool:
    several = len(plan.losses) != 1 or bool(plan.losses[0].output)
    return not _by_model(plan) and (several or plan.penalties)


def _loss_function(plan: Plan) -> list[str]:
    """Write a function for a loss that takes more than one call."""
    if not _has_loss_function(plan):
        return []
    weighed = "weights" in plan.parts or "weights" in plan.validation_parts
    lines = [f"def loss_of(y, y_pred{', weights=None' if weighed else ''}):"]
    terms = []
    for one in plan.losses:
        function = "loss_function" if len(plan.losses) == 1 else f"loss_of_{_word(one.name)}"
        more = ", sample_weight=weights" if weighed else ""
        call = f"{function}(y{one.output}, y_pred{one.output}{more})"
        factor = f" * {one.weight}" if one.weight else ""
        if len(plan.losses) == 1:
            terms.append(call + factor)
            continue
        name = f"{_word(one.name)}_loss"
        counted = f"sample_weight=y_pred{one.output}.shape[0]"
        lines += [f"    {name} = {call}", f"    mean_{_word(one.name)}.update_state({name}, {counted})"]
        terms.append(name + factor)
    if len(plan.losses) > 1:
        lines.insert(1, "    # If the graph does not know the number of rows, a batch counts as one row.")
    total = " + ".join(terms)
    if plan.penalties:
        lines.append("    # The penalties of the layers count, in validation too.")
        inside = ", ".join(part for part in (total, "*model.losses") if part)
        return [*lines, f"    return tf.reduce_sum([{inside}])", ""]
    return [*lines, f"    return {total}", ""]


def _train_step(plan: Plan) -> list[str]:
    if plan.own_train_step:
        return [
            *_graph(plan, "batches", plan.parts, whole=True),
            "def train_step(batch):",
            "    return model.train_step(batch)  # your own",
            "",
        ]
    differentiated = "scaled" if plan.scales else "loss"
    lines = [
        *_graph(plan, "batches", plan.parts, whole=False),
        f"def train_step({', '.join(plan.parts)}):",
        "    with tf.GradientTape() as tape:",
        f"        y_pred = {_called(plan, True)}",
        f"        loss = {_loss_call(plan, plan.parts, True)}",
    ]
    if plan.scales:
        lines += ["        # Small gradients would round to 0; the optimizer divides by the scale."]
        lines += ["        scaled = optimizer.scale_loss(loss)"]
    lines += [
        f"    gradients = tape.gradient({differentiated}, model.trainable_variables)",
        "    optimizer.apply_gradients(zip(gradients, model.trainable_variables))",
        *_indented(_updates(plan, plan.parts)),
    ]
    if not plan.by_methods:
        lines += [*([] if plan.eager else [f"    {PRUNED}"]), "    return loss"]
    return [*lines, ""]


def _updates(plan: Plan, parts: Sequence[str]) -> list[str]:
    """Write how the metrics see a batch."""
    lines = [
        "# The epoch's mean weights each batch by its rows.",
        f"mean_loss.update_state(loss, sample_weight=tf.shape({plan.counted})[0])",
    ]
    weights = "weights" if "weights" in parts else ""
    y = "y" if "y" in parts else "None"
    if plan.by_methods:
        more = f", {weights}" if weights else ", None"
        return [*lines, f"return model.compute_metrics(x, {y}, y_pred{more})"]
    for metric in plan.metrics:
        more = f", sample_weight={weights}" if metric.weighted and weights else ""
        lines.append(f"{metric.variable}.update_state({y}{metric.output}, y_pred{metric.output}{more})")
    return lines


def _test_step(plan: Plan) -> list[str]:
    if not plan.validation:
        return []
    parts = _validation_parts(plan)
    if plan.own_train_step or plan.own_test_step:
        whose = "  # your own" if plan.own_test_step else ""
        return [
            *_graph(plan, "validation", parts, whole=True),
            "def test_step(batch):",
            f"    return model.test_step(batch){whose}",
            "",
        ]
    return [
        *_graph(plan, "validation", parts, whole=False),
        f"def test_step({', '.join(parts)}):",
        f"    y_pred = {_called(plan, False)}",
        f"    loss = {_loss_call(plan, parts, False)}",
        *_indented(_updates(plan, parts)),
        *([] if plan.by_methods or plan.eager else ["    return loss"]),
        "",
    ]


def _report(plan: Plan) -> list[str]:
    """Write a function that reads the means of an epoch, where the model holds them."""
    if not _by_model(plan):
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


def _epochs(plan: Plan) -> list[str]:
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
        *_indented(list(_epoch(plan, stops))),
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


def _reset(plan: Plan, by_model: bool) -> list[str]:
    lines = ["model.reset_metrics()"] if by_model else []
    if not _by_model(plan):
        lines += ["for metric in metrics:", "    metric.reset_state()"]
    elif not plan.own_train_step:
        lines += ["mean_loss.reset_state()"]
    return lines


def _passed(plan: Plan, whole: bool, parts: Sequence[str]) -> str:
    return "batch" if whole or (plan.is_dataset and len(parts) == 1) else "*batch"


def _epoch(plan: Plan, stops: bool) -> Iterator[str]:
    by_model, listed = _by_model(plan), plan.callback_list
    yield from _reset(plan, by_model)
    for one in plan.callbacks:
        yield from one.epoch_begin
    if listed:
        yield "called.on_epoch_begin(epoch)"
        yield "for step, batch in enumerate(batches):"
        yield "    called.on_train_batch_begin(step)"
    else:
        yield "for batch in batches:"
    call = f"train_step({_passed(plan, plan.own_train_step, plan.parts)})"
    yield f"    {'last = ' if by_model else ''}{call}"
    reported = _reported(plan, plan.own_train_step)
    if listed:
        yield f"    called.on_train_batch_end(step, {reported})"
        yield "    if model.stop_training:"
        yield "        break"
    for one in plan.callbacks:
        yield from _indented(list(one.batch_end))
    if plan.is_dataset and plan.starts_twice:
        yield "# As .fit does. A Dataset that reshuffles then draws one more order."
        yield "iter(batches)"
    yield f"logs = {reported}"
    if plan.validation:
        yield ""
        if plan.arguments.get("validation_freq", 1) != 1:
            yield "if (epoch + 1) % VALIDATION_FREQUENCY == 0:"
            yield from _indented(list(_validated(plan)))
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
    if own_step and not _by_model(plan):
        return "{name: float(value) for name, value in last.items()}"
    if own_step:
        return "report(last)"
    if plan.by_methods:
        return 'report(last) | {"loss": float(mean_loss.result())}'
    return "{metric.name: float(metric.result()) for metric in metrics}"


def _validated(plan: Plan) -> Iterator[str]:
    whole = plan.own_train_step or plan.own_test_step
    by_model = _by_model(plan) or plan.own_test_step
    yield from _reset(plan, by_model)
    if plan.callback_list:
        yield "called.on_test_begin()"
        yield "for step, batch in enumerate(validation):"
        yield "    called.on_test_batch_begin(step)"
    else:
        yield "for batch in validation:"
    call = f"test_step({_passed(plan, whole, _validation_parts(plan))})"
    yield f"    {'last = ' if by_model else ''}{call}"
    reported = _reported(plan, whole)
    if plan.callback_list:
        yield f"    called.on_test_batch_end(step, {reported})"
    if plan.is_dataset and plan.starts_twice:
        yield "iter(validation)  # likewise"
    yield f"of_validation = {reported}"
    if plan.callback_list:
        yield "called.on_test_end(of_validation)"
    yield 'logs |= {f"val_{name}": value for name, value in of_validation.items()}'


def _imported(plan: Plan) -> str:
    """List what is imported from the user's file."""
    needed = any("fit_arguments" in own for _, _, own in _parameters(plan))
    return f"build_model, {'fit_arguments, ' if needed else ''}load_data"


def _main(plan: Plan) -> list[str]:
    return [
        "def main() -> tuple[keras.Model, dict[str, list[float]]]:",
        '    """Train your own network on your own data."""',
        f"    from {plan.file} import {_imported(plan)}",
        "",
        f"    keras.utils.set_random_seed({plan.seed})",
        "    model = build_model()",
        f"    {plan.names} = load_data()",
        f"    return model, train(model, {_passed_on(plan)})",
        "",
        "",
        'if __name__ == "__main__":',
        "    main()",
    ]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" if line else "" for line in lines]


def wrapped(line: str) -> list[str]:
    """Break a line that is too long as formatters do: at its brackets, then at the commas in them."""
    if len(line) <= WIDTH or line.lstrip().startswith(("#", '"""')):
        return [line]
    code, comment = _without_comment(line)
    if comment:
        indent = line[: len(line) - len(line.lstrip())]
        return [f"{indent}{comment}", *wrapped(code)]
    opened, closed = _brackets(code, last=not code.lstrip().startswith("def "))
    if opened < 0:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    first, inside, last = code[: opened + 1], code[opened + 1 : closed], code[closed:]
    parts = _split(inside)
    trailing = "," if len(parts) > 1 else ""
    is_literal = first[-1] in "[{" and trailing
    if len(indent) + 4 + len(inside) <= WIDTH and not is_literal:
        return [first, f"{indent}    {inside.strip()}", f"{indent}{last.strip()}"]
    broken = [piece for part in parts for piece in wrapped(f"{indent}    {part}{trailing}")]
    return [first, *broken, f"{indent}{last.strip()}"]


def _without_comment(line: str) -> tuple[str, str]:
    for token in tokenize.generate_tokens(io.StringIO(line.strip()).readline):
        if token.type == tokenize.COMMENT:
            indent = len(line) - len(line.lstrip())
            return line[: indent + token.start[1]].rstrip(), token.string
        if token.type in (tokenize.NEWLINE, tokenize.ENDMARKER):
            break
    return line, ""


def _brackets(line: str, last: bool) -> tuple[int, int]:
    """Find the first or last pair of outermost brackets that has something in it."""
    depth, found, opened, quote = 0, (-1, -1), -1, ""
    for number, letter in enumerate(line):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "([{":
            opened = number if depth == 0 else opened
            depth += 1
        elif letter in ")]}":
            depth -= 1
            if depth == 0 and number > opened + 1:
                found = (opened, number)
                if not last:
                    return found
    return found


def _split(inside: str) -> list[str]:
    """Split at the outermost commas."""
    parts, depth, start, quote = [], 0, 0, ""
    for number, letter in enumerate(inside):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter == "," and depth == 0:
            parts.append(inside[start:number].strip())
            start = number + 1
    return [*parts, inside[start:].strip()]


def write_test(plan: Plan, script: str, epochs: int | None, batch_size: int | None) -> str:
    """Write a test that fails once a script is no longer equal to ``.fit``."""
    given = getattr(plan.expressions.module, "fit_arguments", None)
    own = {"epochs": epochs, "batch_size": batch_size}
    settings = {name: value for name, value in own.items() if value is not None}
    if epochs is None and "epochs" not in (given or {}):
        settings["epochs"] = plan.arguments["epochs"]
    parts = ["**fit_arguments"] if given is not None else []
    parts += [f'"{name}": {own}' for name, _, own in _parameters(plan) if own and name not in PLACED]
    if callable((given or {}).get("callbacks")) and not plan.callback_list:
        parts.append('"callbacks": fit_arguments["callbacks"]()')
    parts += ['"verbose": 0', *(f'"{name}": {value}' for name, value in settings.items())]
    data = ", ".join(own for name, _, own in _parameters(plan) if own and name in PLACED)
    names = "build_model, load_data" if given is None else "build_model, fit_arguments, load_data"
    start = [f"keras.utils.set_random_seed({plan.seed})", "model = build_model()"]
    lines = [
        f'"""{script}.py leaves the same history and weights as model.fit, bit for bit."""',
        "",
        "import keras",
        "import numpy as np",
        f"from {plan.file} import {names}",
        "",
        f"import {script}",
        "",
        "",
        "def test_the_loop_is_fit():",
        "    keras.utils.clear_session()",
        f"    keras.utils.set_random_seed({plan.seed})",
        "    looped = build_model()",
        f"    {plan.names} = load_data()",
        f"    history = {script}.train(looped, {_passed_on(plan)})",
        "    keras.utils.clear_session()",
        *_indented(start),
        *([f"    {plan.names} = load_data()"] if plan.is_dataset else []),
        f"    arguments = {{{', '.join(parts)}}}",
        f"    np.testing.assert_equal(history, model.fit({data}, **arguments).history)",
        "    for one, other in zip(looped.variables, model.variables, strict=True):",
        "        np.testing.assert_array_equal(one.numpy(), other.numpy())",
    ]
    return "\n".join(part for line in lines for part in wrapped(line)) + "\n"
