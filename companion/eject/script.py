"""The text of a script that trains as ``.fit`` does, from a `Plan`."""

import textwrap
from collections.abc import Mapping
from typing import Any

from companion.eject.epoch_lines import epochs, report_function
from companion.eject.layout import WIDTH, as_targets, as_word, in_tuple, indented, wrapped
from companion.eject.plan import Plan
from companion.eject.step_lines import loss_function, test_step, train_step

PLACED = ("x", "y", "batches")  # arguments without their names


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
        own = "validation" if plan.is_dataset else in_tuple([f"{name}_val" for name in plan.validation_parts])
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
        *loss_function(plan),
        *train_step(plan),
        *test_step(plan),
        *report_function(plan),
        *epochs(plan),
    ]
    while body[0] == "":
        body.pop(0)
    return [
        f"def train(model: keras.Model{given}) -> dict[str, list[float]]:",
        '    """Train `model`; return the numbers that each epoch reports."""',
        *indented(body),
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
            lines += [f"loss_of_{as_word(one.name)} = {one.expression}" for one in plan.losses]
    lines.append('mean_loss = keras.metrics.Mean(name="loss")')
    if plan.by_methods:
        return lines
    listed = ["mean_loss"]
    if len(plan.losses) > 1:
        for one in plan.losses:
            lines.append(f'mean_{as_word(one.name)} = keras.metrics.Mean(name="{one.name}_loss")')
            listed.append(f"mean_{as_word(one.name)}")
    for metric in plan.metrics:
        lines.append(f"{metric.variable} = {metric.expression}")
        listed.append(metric.variable)
    return [*lines, f"metrics = [{', '.join(listed)}]"]


def _data(plan: Plan) -> list[str]:
    """Write how what is given becomes batches."""
    if plan.is_dataset:
        return ["validation = validation_data"] if plan.validation else []
    lines = []
    if any(name == "sample_weight" for name, _, _ in _parameters(plan)):
        lines.append("weights = sample_weight")
    if plan.validation in ("given", "argument"):
        names = [f"{name}_val" for name in plan.validation_parts]
        lines.append(f"{as_targets(names) if plan.validation_is_tuple else names[0]} = validation_data")
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
            f"held_out = tf.nest.map_structure(lambda array: array[rows:], {in_tuple(held)})",
            f"{as_targets(held)} = tf.nest.map_structure(lambda array: array[:rows], {in_tuple(held)})",
        ]
    if weighs and has_weights:
        lines.append("weights = weights_of(y)")
    alone = plan.own_train_step and len(plan.parts) == 1
    lines.append(f"batches = batches_of({'x' if alone else in_tuple(plan.parts)}{more})")
    if plan.validation == "split":
        lines.append(f"validation = batches_of({'held_out[0]' if alone else 'held_out'}{more_held})")
    elif plan.validation:
        parts = in_tuple([f"{name}_val" for name in plan.validation_parts])
        lines.append(f"validation = batches_of({'x_val' if alone else parts}{more_held})")
    return lines


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
        *indented(start),
        *([f"    {plan.names} = load_data()"] if plan.is_dataset else []),
        f"    arguments = {{{', '.join(parts)}}}",
        f"    np.testing.assert_equal(history, model.fit({data}, **arguments).history)",
        "    for one, other in zip(looped.variables, model.variables, strict=True):",
        "        np.testing.assert_array_equal(one.numpy(), other.numpy())",
    ]
    return "\n".join(part for line in lines for part in wrapped(line)) + "\n"
