"""What a model, its data and the arguments of ``.fit`` need of a loop; or why it cannot be written."""

import inspect
import keyword
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import keras
import numpy as np

from companion.compare.model_file import ModelData
from companion.eject.callbacks import PlainCallback, plain_callbacks
from companion.eject.data import DATASET, PARTS, Data, first_batch, held_out, look_at_data, look_at_validation
from companion.eject.expressions import Expressions
from companion.errors import UserError
from companion.fit.keras_private import (
    excluded_from_decay,
    has_further_metrics,
    is_of_keras,
    parts_of_compile,
    strategy_of,
)
from companion.fit.unsupported import refuse_what_cannot_be_equal

KNOWN = (
    "epochs", "initial_epoch", "batch_size", "shuffle", "class_weight", "sample_weight", "validation_split",
    "validation_freq", "validation_batch_size", "validation_steps", "steps_per_epoch",
)  # fmt: skip
# Names that the loop has for something else.
TAKEN = (
    *PARTS, "sequence", "generator", "iterator", "left", "count", "random", "itertools", "loss", "metrics",
    "model", "optimizer", "batches", "batch", "validation", "logs", "history", "epoch", "stop", "rate",
    "file", "rows", "held_out", "metric", "name", "value", "shown", "callbacks", "called", "step", "last",
    "report", "train_step", "test_step", "keras", "tf", "np", "csv", "math", "writer", "loss_function",
    "mean_loss", "loss_of", "of_validation", "x_val", "y_val", "weights_val",
)  # fmt: skip
OWN_METHODS = ("compute_loss", "compute_metrics", "metrics", "reset_metrics")


@dataclass(frozen=True)
class LossOfOutput:
    """A compiled loss: its name, its output and target ("" for the only one), its expression, its weight."""

    name: str
    output: str
    target: str
    expression: str
    weight: str


@dataclass(frozen=True)
class MetricOfOutput:
    """A compiled metric: its variable, its expression, of which output and target, whether weights count."""

    variable: str
    expression: str
    output: str
    target: str
    weighted: bool


@dataclass
class Plan:
    """All that decides how a loop is written.

    Attributes
    ----------
    file : str
        The name of the user's module.
    names : str
        What its ``load_data()`` gives, as the left side of an assignment.
    arguments : dict
        Of ``.fit``, without data, validation and callbacks.
    data : Data
        Those of the training.
    held_out : Data, optional
        Those of the validation.
    one_hot : bool
        Whether the classes are given by one number per class.
    validation : {"", "split", "given", "argument"}
        From where the validation comes: the last rows, ``load_data()``, or ``fit_arguments``.
    own_train_step, own_test_step : bool
        Whether the model has them.
    nested_logs : bool
        Whether its own step reports dicts.
    by_methods : bool
        Whether the model has its own ``compute_loss`` or metrics, which must be called.
    takes_training, loss_takes_training : bool
        Whether its ``call`` and its ``compute_loss`` take the argument ``training``.
    eager, jit : bool
        How it was compiled.
    optimizer : list of str
        Lines that make it.
    takes_optimizer : bool
        Whether it is the one of the compiled model, since it cannot be written.
    scales, averages : bool
        Whether the optimizer scales the loss, and whether it keeps an average of the weights.
    losses, metrics : list
        As they were compiled.
    reported : list of str
        The names of the metrics in the history.
    penalties : bool
        Whether layers have some.
    callbacks : list of PlainCallback
        Those that are written as plain lines.
    callback_list : bool
        Whether the callbacks are called as they are.
    hears_batches, hears_test_batches : bool
        Whether one of these does something before or after a batch.
    """

    file: str
    names: str
    seed: int
    arguments: dict[str, Any]
    expressions: Expressions
    data: Data
    held_out: Data | None = None
    one_hot: bool = False
    validation: str = ""
    own_train_step: bool = False
    own_test_step: bool = False
    nested_logs: bool = False
    by_methods: bool = False
    takes_training: bool = True
    loss_takes_training: bool = False
    eager: bool = False
    jit: bool = False
    optimizer: list[str] = field(default_factory=list)
    takes_optimizer: bool = False
    scales: bool = False
    averages: bool = False
    losses: list[LossOfOutput] = field(default_factory=list)
    metrics: list[MetricOfOutput] = field(default_factory=list)
    reported: list[str] = field(default_factory=list)
    penalties: bool = False
    callbacks: list[PlainCallback] = field(default_factory=list)
    callback_list: bool = False
    hears_batches: bool = False
    hears_test_batches: bool = False

    @property
    def fetches_in_graph(self) -> bool:
        """Whether the graph of a step fetches the batch: only ``.fit`` notices the end of data so late."""
        data = self.data
        return data.kind == DATASET and data.batches is None and not data.steps and not self.eager

    @property
    def reports_loss_only(self) -> bool:
        """Whether the mean loss is the only metric."""
        return not (self.own_train_step or self.by_methods or self.metrics or len(self.losses) > 1)


def make_plan(
    module: ModuleType, name: str, data: ModelData, arguments: Mapping[str, Any], seed: int
) -> Plan:
    """Look at a model, its data and the arguments of ``.fit``.

    Raises
    ------
    UserError
        If there is something in them for which no loop is written, with the reason.
    """
    keras.utils.set_random_seed(seed)
    model = module.build_model()
    if (strategy := strategy_of(model)) is not None:
        raise UserError(
            f"eject writes no loop under a {type(strategy).__name__}: make the model outside of its scope, "
            "or use fit_by_hand"
        )
    try:
        refuse_what_cannot_be_equal(model)
    except (ValueError, TypeError) as error:
        raise UserError(str(error)) from None
    own = {key: value for key, value in arguments.items() if key not in ("verbose", "validation_data")}
    callbacks = own.pop("callbacks", None)
    if own.get("initial_epoch", 0) >= own["epochs"]:
        first = own["initial_epoch"]
        raise UserError(f"initial_epoch={first} leaves nothing to train: epochs={own['epochs']}")
    if arguments.get("validation_data") is not None:
        own.pop("validation_split", None)
    for key in own:
        if key not in KNOWN:
            raise UserError(f"eject writes no loop with {key}: leave it out, or use fit_by_hand")

    def x() -> Any:  # anew each time: a look at a generator moves it
        return data.x() if callable(data.x) else data.x

    plan = Plan(name, data.names, seed, own, Expressions(module), look_at_data(x(), data.y, own))
    if not keras.tree.is_nested(data.y) and np.ndim(data.y) > 1:
        plan.one_hot = np.shape(data.y)[-1] > 1
    _look_at_validation(plan, x, arguments.get("validation_data"))
    _look_at_model(plan, model, first_batch(plan.data, x(), data.y))
    made = callbacks() if callable(callbacks) else callbacks
    first = plan.arguments.get("initial_epoch", 0)
    plan.callbacks, plan.callback_list = plain_callbacks(made, plan.expressions, model, _reports(plan), first)
    if plan.own_train_step and plan.callbacks:
        plan.callbacks, plan.callback_list = [], True
    if plan.callback_list:  # callbacks read the compiled metrics, so the script must update those
        plan.expressions, plan.losses, plan.metrics, plan.reported = Expressions(module), [], [], []
        _look_at_model(plan, model, first_batch(plan.data, x(), data.y))
    plan.hears_batches, plan.hears_test_batches = (_hears(made, one) for one in ("train", "test"))
    return plan


def _hears(callbacks: Any, what: str) -> bool:
    """Return whether a callback has a method of its own for a batch of the training or the validation."""
    names = [f"on_{what}_batch_begin", f"on_{what}_batch_end"]
    names += ["on_batch_begin", "on_batch_end"] if what == "train" else []
    return any(
        getattr(getattr(one, name), "__func__", None) is not getattr(keras.callbacks.Callback, name)
        for one in keras.tree.flatten(callbacks or [])
        for name in names
    )


def _reports(plan: Plan) -> list[str]:
    """List what every epoch reports, as far as that is known."""
    if plan.own_train_step:
        return []
    names = ["loss", *plan.reported]
    validated = plan.validation and plan.arguments.get("validation_freq", 1) == 1 and not plan.own_test_step
    return names + ([f"val_{name}" for name in names] if validated else [])


def _look_at_validation(plan: Plan, x: Callable[[], Any], given: Any) -> None:
    if not isinstance(plan.arguments.get("validation_freq", 1), int):
        raise UserError("eject writes no loop with a list as validation_freq: give a whole number")
    if given is None:
        if plan.arguments.get("validation_split"):
            plan.validation, plan.held_out = "split", held_out(x(), plan.data, plan.arguments)
        return
    in_arguments = getattr(plan.expressions.module, "fit_arguments", {}).get("validation_data")
    plan.validation = "given" if in_arguments is None else "argument"
    plan.held_out = look_at_validation(given() if callable(given) else given, plan.arguments)


def _look_at_model(plan: Plan, model: keras.Model, batch: list[Any]) -> None:
    plan.eager, plan.jit = model.run_eagerly, bool(model.jit_compile) and not model.run_eagerly
    plan.own_train_step = not is_of_keras(model, "train_step")
    plan.own_test_step = not is_of_keras(model, "test_step")
    plan.by_methods = plan.callback_list or any(
        inspect.getattr_static(type(model), name) is not inspect.getattr_static(keras.Model, name)
        for name in OWN_METHODS
    )
    plan.takes_training = "training" in inspect.signature(type(model).call).parameters
    plan.loss_takes_training = "training" in inspect.signature(type(model).compute_loss).parameters
    plan.expressions.compiled_loss = model.loss
    optimizer = model.optimizer
    inner = getattr(optimizer, "inner_optimizer", None)
    plan.averages = any(getattr(one, "use_ema", False) for one in (optimizer, inner))
    plan.scales = inner is not None or bool(getattr(optimizer, "loss_scale_factor", None))
    if plan.own_train_step:
        logs = model.train_step(tuple(batch) if len(batch) > 1 else batch[0])
        plan.nested_logs = any(isinstance(value, Mapping) for value in logs.values())
        return
    try:
        plan.optimizer = [f"optimizer = {plan.expressions.of(optimizer)}"]
    except UserError as error:
        told = str(error).partition(":")[0]
        plan.optimizer, plan.takes_optimizer = [f"optimizer = model.optimizer  # {told}"], True
    names, variables = excluded_from_decay(optimizer)
    if variables:
        raise UserError("eject writes no loop with exclude_from_weight_decay(var_list=...): give var_names")
    if names and not plan.takes_optimizer:
        plan.optimizer.append(f"optimizer.exclude_from_weight_decay(var_names={plan.expressions.of(names)})")
    if plan.own_test_step:  # either builds losses and metrics; evaluate would call this step
        model.train_on_batch(*batch)
    else:
        model.evaluate(*batch, batch_size=len(keras.tree.flatten(batch)[0]), verbose=0)
    plan.penalties = bool(model.losses)
    plan.by_methods |= has_further_metrics(model)
    if not plan.by_methods:
        _look_at_losses_and_metrics(plan, model, batch[1] if len(batch) > 1 else None)


def _look_at_losses_and_metrics(plan: Plan, model: keras.Model, y: Any) -> None:
    def named(key: Any) -> Any:
        """Return the name of an output: targets may be in a dict where the model returns a list."""
        return model.output_names[key] if isinstance(y, Mapping) and isinstance(key, int) else key

    losses, metrics = parts_of_compile(model)
    of = plan.expressions.of
    for one in losses:
        output = "".join(f"[{of(key)}]" for key in one.path)
        target = "".join(f"[{of(named(key))}]" for key in one.path)
        weight = "" if one.loss_weights is None else of(one.loss_weights)
        plan.losses.append(LossOfOutput(one.name, output, target, of(one.loss), weight))
    names = [metric.name for metric in metrics]
    for metric in metrics:
        if names.count(metric.name) > 1:
            raise UserError(f"eject writes no loop with two metrics of the name {metric.name!r}: rename one")
        if np.ndim(metric.metric.result()):
            raise UserError(f"eject writes no loop with a metric of several numbers, such as {metric.name!r}")
    for metric in metrics:
        nested = any(one.path for one in losses)
        output, target = (f"[{of(key)}]" if nested else "" for key in (metric.output, named(metric.output)))
        metric.metric.name = metric.name  # in the loop each has the name of its report
        variable = _variable(metric.name, plan)
        plan.metrics.append(MetricOfOutput(variable, of(metric.metric), output, target, metric.weighted))
        plan.reported.append(metric.name)
    plan.reported += [f"{one.name}_loss" for one in losses if len(losses) > 1]


def _variable(name: str, plan: Plan) -> str:
    """Return a name for a variable of the loop, one that means nothing else in it."""
    variable = re.sub(r"\W+", "_", name).strip("_")
    taken = variable in TAKEN or hasattr(plan.expressions.module, variable) or keyword.iskeyword(variable)
    return f"metric_{variable}" if taken or not variable.isidentifier() else variable
