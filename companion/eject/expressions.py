"""An optimizer, a loss, a metric or a schedule as the Python expression that makes it."""

import contextlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import keras
import numpy as np

from companion.errors import UserError
from companion.fit.keras_private import arguments_of, plain_rate, rate_of

WITHOUT_NAME = ("learning_rate", "initial_learning_rate", "inner_optimizer")  # as people write them
PLACES = {
    "keras": keras,
    "keras.losses": keras.losses,
    "keras.metrics": keras.metrics,
    "keras.optimizers": keras.optimizers,
    "keras.optimizers.schedules": keras.optimizers.schedules,
    "keras.regularizers": keras.regularizers,
}


@dataclass
class Expressions:
    """Writes objects as expressions, and collects what must be imported from the user's file for them.

    Attributes
    ----------
    module : ModuleType
        The user's file, which may define classes and functions.
    imported : list of str
        The names that the expressions need from it.
    has_own_loss : bool
        Whether a loss is a function: then the script needs the class ``FunctionLoss``.
    compiled_loss : object
        What the model was compiled with.
    """

    module: ModuleType
    imported: list[str] = field(default_factory=list)
    has_own_loss: bool = False
    compiled_loss: Any = None

    def of(self, thing: Any) -> str:
        """Return an expression that makes `thing` anew.

        Raises
        ------
        UserError
            If it cannot be written as Python.
        """
        if isinstance(thing, str):
            return json.dumps(thing, ensure_ascii=False)
        if thing is None or isinstance(thing, bool | int):
            return repr(thing)
        if isinstance(thing, np.integer):
            return repr(int(thing))
        if isinstance(thing, float | np.floating):
            return _number(float(thing))
        if isinstance(thing, np.ndarray):
            return self.of(thing.tolist())
        if isinstance(thing, list | tuple):
            inside = ", ".join(self.of(part) for part in thing)
            if isinstance(thing, list):
                return f"[{inside}]"
            return f"({inside},)" if len(thing) == 1 else f"({inside})"
        if isinstance(thing, Mapping):
            return self._of_mapping(thing)
        if isinstance(thing, keras.dtype_policies.DTypePolicy):
            return self.of(thing.name)
        if hasattr(thing, "get_config"):
            return self._of_configured(thing)
        if callable(thing):
            return self.name_of(thing)
        raise UserError(f"{thing!r} cannot be written as Python")

    def _of_mapping(self, thing: Mapping[Any, Any]) -> str:
        if set(thing) >= {"class_name", "config"}:  # as Keras serializes an object
            own = {name: value for name, value in vars(self.module).items() if callable(value)}
            return self.of(keras.saving.deserialize_keras_object(dict(thing), custom_objects=own))
        return "{" + ", ".join(f"{self.of(key)}: {self.of(value)}" for key, value in thing.items()) + "}"

    def _of_configured(self, thing: Any) -> str:
        """Write a call of a class with the arguments that are not the default."""
        kind = type(thing)
        if kind.__name__ in ("LossFunctionWrapper", "MeanMetricWrapper"):
            return self._of_function_wrapper(thing)
        name = self.name_of(kind)
        given = _configuration(thing)
        if isinstance(thing, keras.losses.Loss):
            given |= arguments_of(thing)
        lost = () if name.startswith("keras.") else _lost(thing, given)
        if lost:
            names = " and ".join(lost)
            raise UserError(
                f"{kind.__name__} cannot be made anew: its get_config() does not return {names}, which its "
                "__init__ takes: let get_config() return it"
            )
        return self.call(name, kind, given, self._left_out(thing))

    def _left_out(self, thing: Any) -> tuple[str, ...]:
        if isinstance(thing, keras.metrics.Metric):
            return ("dtype",)
        if isinstance(thing, keras.losses.Loss):
            return ("name", "dtype", "fn")
        return ("name", "is_legacy_optimizer") if isinstance(thing, keras.optimizers.Optimizer) else ()

    def _of_function_wrapper(self, thing: Any) -> str:
        """Write a loss or a metric that Keras has made of a function."""
        function = thing.fn if hasattr(thing, "fn") else thing._fn
        options = dict(arguments_of(thing))
        if isinstance(thing, keras.losses.Loss):
            for name, kind in vars(keras.losses).items():
                if _wraps(kind, function) and not options:
                    return self.call(f"keras.losses.{name}", kind, {"reduction": thing.reduction})
            return self._of_own_loss(function, options)
        inside = [self.name_of(function), f"name={self.of(thing.name)}"]
        inside += [f"{name}={self.of(value)}" for name, value in options.items()]
        return f"keras.metrics.MeanMetricWrapper({', '.join(inside)})"

    def _of_own_loss(self, function: Any, options: Mapping[str, Any]) -> str:
        """Write a loss that is a function of the user's, or one of Keras' with other arguments."""
        self.has_own_loss = True
        try:
            name = self.name_of(function)
        except UserError:  # a lambda, or a function in a function: the model has it, as it was compiled
            if function is not self.compiled_loss:
                raise
            name = "model.loss"
        more = "".join(f", {key}={self.of(value)}" for key, value in options.items())
        return f"{self.own_loss}({name}{more})"

    @property
    def own_loss(self) -> str:
        """Return the name of the script's class for them, one that the user's file does not have."""
        return next(name for name in ("FunctionLoss", "LossOfFunction") if not hasattr(self.module, name))

    def call(self, name: str, kind: type, given: Mapping[str, Any], left_out: tuple[str, ...] = ()) -> str:
        """Write a call with those of the arguments that are not the default."""
        parts, parameters = [], inspect.signature(kind).parameters
        for number, (argument, parameter) in enumerate(parameters.items()):
            shown = number == 0 and argument in WITHOUT_NAME  # a rate is always written
            if argument in left_out or argument not in given:
                continue
            if _same(given[argument], parameter.default) and not shown:
                continue
            text = self.of(given[argument])
            parts.append(text if shown else f"{argument}={text}")
        if not name.startswith("keras.") and any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
            more = [key for key in given if key not in parameters and key not in left_out]
            parts += [f"{key}={self.of(given[key])}" for key in more if given[key] is not None]
        return f"{name}({', '.join(parts)})"

    def name_of(self, thing: Any) -> str:
        """Return under which name a class or a function can be had.

        Raises
        ------
        UserError
            If neither Keras nor the user's file has it under a name.
        """
        name = getattr(thing, "__name__", "")
        for place, module in PLACES.items():
            if getattr(module, name, None) is thing:
                return f"{place}.{name}"
        for known, value in vars(self.module).items():
            if value is thing and known.isidentifier():
                if known not in self.imported:
                    self.imported.append(known)
                return known
        for known, value in vars(self.module).items():
            if isinstance(value, ModuleType) and getattr(value, name, None) is thing:
                if known not in self.imported:
                    self.imported.append(known)
                return f"{known}.{name}"
        raise UserError(
            f"{name or thing!r} has no name in your file or in Keras: define it or import it at the "
            "top of your file, outside of functions"
        )


def _configuration(thing: Any) -> dict[str, Any]:
    """Return what an object was made with; of what is inside an optimizer, the objects themselves."""
    if isinstance(thing, keras.optimizers.Optimizer):
        rate, inner = rate_of(thing), getattr(thing, "inner_optimizer", None)
        if inner is not None:
            with _without_schedule(inner):
                return dict(thing.get_config()) | {"inner_optimizer": inner}
        if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            with _without_schedule(thing):
                return dict(thing.get_config()) | {"learning_rate": rate}
    try:
        return dict(thing.get_config())
    except NotImplementedError:
        return {}


def _without_schedule(optimizer: keras.optimizers.Optimizer) -> contextlib.AbstractContextManager[None]:
    """Let an optimizer whose schedule has no configuration have one itself, in the ``with`` block."""
    schedule = isinstance(rate_of(optimizer), keras.optimizers.schedules.LearningRateSchedule)
    return plain_rate(optimizer) if schedule else contextlib.nullcontext()


def _lost(thing: Any, given: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the arguments of a user's class that its configuration leaves out, but for obvious defaults."""
    found = []
    for name, one in inspect.signature(type(thing)).parameters.items():
        plain = one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
        if not plain or name in given or name in ("name", "dtype", "reduction"):
            continue
        kept = getattr(thing, name, getattr(thing, f"_{name}", _UNKNOWN))
        if one.default is one.empty or kept is _UNKNOWN or not _same(kept, one.default):
            found.append(name)
    return tuple(found)


_UNKNOWN = object()


def _same(value: Any, default: Any) -> bool:
    if isinstance(value, float | np.floating) and isinstance(default, int | float):
        return float(value) in (float(default), float(np.float32(default)))
    return type(value) is type(default) and bool(value == default)


def _number(value: float) -> str:
    """Write a number in the shortest way that gives the same float32, if it is one, else the same float."""
    if not np.isfinite(value):
        return f'float("{value}")'
    is_float32 = float(np.float32(value)) == value
    return repr(float(str(np.float32(value))) if is_float32 else value)


def _wraps(kind: Any, function: Any) -> bool:
    """Return whether a class of losses wraps this function, and needs no argument."""
    if not (inspect.isclass(kind) and issubclass(kind, keras.losses.Loss)):
        return False
    needed = [
        one for one in inspect.signature(kind).parameters.values()
        if one.default is one.empty and one.kind is not one.VAR_KEYWORD
    ]  # fmt: skip
    return not needed and getattr(kind(), "fn", None) is function
