"""The text of a script that trains as ``.fit`` does, from a `Plan`."""

import argparse
import re
import textwrap

from companion.eject.data_lines import PLACED, constants, data_lines, functions, parameters, passed_on
from companion.eject.epoch_lines import epochs, report_function
from companion.eject.layout import WIDTH, as_word, indented, wrapped
from companion.eject.plan import Plan
from companion.eject.step_lines import loss_function, test_step, train_step


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
    is_file = "." not in plan.file
    title = f'"""The training of {plan.file}{".py" * is_file}, written out.'
    file = f"{plan.file}.py" if is_file else f"the module {plan.file}"
    needs = f"It needs TensorFlow, Keras and {file}, and nothing else."
    head = [title, "", *textwrap.wrap(f"{needs} {proved}", WIDTH), '"""', ""]
    parts = [_constants(plan), _own_loss(plan), functions(plan), _train(plan), _main(plan)]
    lines = [line for part in parts if part for line in ("", "", *part)][1:]
    code = "\n".join(lines)
    return (
        "\n".join([*head, *_imports(plan, code), *(part for line in lines for part in wrapped(line))]) + "\n"
    )


def _imports(plan: Plan, code: str) -> list[str]:
    of_python = {name for one in plan.callbacks for name in one.imports}
    of_python |= {
        name for name in ("contextlib", "itertools", "random") if re.search(rf"(?<![\w.]){name}\.\w", code)
    }
    lines = [f"import {name}" for name in sorted(of_python)]
    lines += ["from collections.abc import Iterator"] if "Iterator[" in code else []
    lines += ["from typing import Any"] if "Any" in code else []
    lines += [""] if lines else []
    lines += ["import keras"]
    lines += ["import numpy as np"] if "np." in code else []
    lines += ["import tensorflow as tf"]
    if plan.expressions.imported:
        lines += ["", f"from {plan.file} import {', '.join(sorted(plan.expressions.imported))}"]
    return lines


def _constants(plan: Plan) -> list[str]:
    lines = [f"EPOCHS = {plan.arguments['epochs']}"]
    if plan.arguments.get("initial_epoch"):
        lines.append(f"INITIAL_EPOCH = {plan.arguments['initial_epoch']}")
    return lines + constants(plan)


def _own_loss(plan: Plan) -> list[str]:
    """Write the class that a function needs to be a loss."""
    if not plan.expressions.has_own_loss:
        return []
    return [
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
    ]


def _train(plan: Plan) -> list[str]:
    given = "".join(f"{', *' * (name == 'callbacks')}, {name}: {kind}" for name, kind, _ in parameters(plan))
    body = [
        *_optimizer(plan),
        *_losses_and_metrics(plan),
        "",
        *data_lines(plan),
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
        f"def train(model: keras.Model{given}, epochs: int = EPOCHS) -> dict[str, list[float]]:",
        '    """Train `model`; return the numbers that each epoch reports."""',
        *indented(body),
    ]


def _optimizer(plan: Plan) -> list[str]:
    if plan.own_train_step:
        return []
    if plan.takes_optimizer:
        return plan.optimizer
    return [*plan.optimizer, "model.optimizer = optimizer  # callbacks and model.save find it there"]


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
    return [*lines, f"metrics = [{', '.join(listed)}]"] if len(listed) > 1 else lines


def _imported(plan: Plan) -> str:
    """List what is imported from the user's file."""
    needed = any("fit_arguments" in own for _, _, own in parameters(plan))
    return f"build_model, {'fit_arguments, ' if needed else ''}load_data"


def _main(plan: Plan) -> list[str]:
    return [
        'if __name__ == "__main__":',
        f"    from {plan.file} import {_imported(plan)}",
        "",
        f"    keras.utils.set_random_seed({plan.seed})",
        "    model = build_model()",
        f"    {plan.names} = load_data()",
        f"    history = train(model, {passed_on(plan)})",
    ]


def write_test(plan: Plan, script: str, options: argparse.Namespace) -> str:
    """Write a test that fails once a script is no longer equal to ``.fit``."""
    file = plan.file.rpartition(".")[2]
    given = getattr(plan.expressions.module, "fit_arguments", None)
    parts = [f"**{file}.fit_arguments"] if given is not None else []
    for name, _, own in parameters(plan):
        if own and name not in PLACED and name not in (given or {}):
            parts.append(f'"{name}": {own}')
    if callable((given or {}).get("callbacks")):
        parts.append(f'"callbacks": {file}.fit_arguments["callbacks"]()')
    if callable((given or {}).get("validation_data")):
        parts.append(f'"validation_data": {file}.fit_arguments["validation_data"]()')
    parts += ['"verbose": 0', f'"epochs": {script}.EPOCHS']
    if options.batch_size is not None:
        parts.append(f'"batch_size": {options.batch_size}')
    data = ", ".join(own for name, _, own in parameters(plan) if own and name in PLACED)
    passed = passed_on(plan).replace("fit_arguments[", f"{file}.fit_arguments[")
    begun = [
        f"    importlib.reload({file})  # callbacks and data begin anew",
        "    keras.utils.clear_session()",
        f"    keras.utils.set_random_seed({plan.seed})",
    ]
    package, _, name = plan.file.rpartition(".")
    lines = [
        f'"""{script}.py leaves the same history and weights as model.fit, bit for bit."""',
        "",
        "import importlib",
        "",
        "import keras",
        f"import {script}",
        "import numpy as np",
        "",
        f"from {package} import {name}" if package else f"import {file}",
        "",
        "",
        "def test_the_loop_is_fit(tmp_path, monkeypatch):",
        *begun,
        f"    looped = {file}.build_model()",
        f"    {plan.names} = {file}.load_data()",
        "    with monkeypatch.context() as elsewhere:",
        "        elsewhere.chdir(tmp_path)  # for the files of callbacks",
        f"        history = {script}.train(looped, {passed})",
        *begun,
        f"    model = {file}.build_model()",
        f"    {plan.names} = {file}.load_data()",
        f"    arguments = {{{', '.join(parts)}}}",
        "    with monkeypatch.context() as elsewhere:",
        "        elsewhere.chdir(tmp_path)",
        f"        expected = model.fit({data}, **arguments).history",
        "    np.testing.assert_equal(history, expected)",
        "    for one, other in zip(looped.variables, model.variables, strict=True):",
        "        np.testing.assert_array_equal(one.numpy(), other.numpy(), one.path)",
    ]
    return "\n".join(part for line in lines for part in wrapped(line)) + "\n"
