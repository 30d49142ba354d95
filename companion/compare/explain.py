"""What `check` says of a loop that is not ``.fit``."""

import functools
import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import keras
import numpy as np

from companion.check.catalogue import Mistake
from companion.check.check_loop import check_loop
from companion.check.problem import Problem
from companion.check.script.losses import compiled_loss
from companion.compare.model_file import ModelData
from companion.comparison.training import history_of

JUDGED = ("epochs", "batch_size", "shuffle", "class_weight", "verbose")  # with which check can judge
OF_VALIDATION = (
    "validation_data",
    "validation_split",
    "validation_steps",
    "validation_batch_size",
    "validation_freq",
)  # without which it judges


def mistakes_of(
    train: Callable[..., Any],
    taken: Mapping[str, Any],
    module: ModuleType,
    data: ModelData,
    arguments: Mapping[str, Any],
    seed: int,
) -> tuple[list[Mistake], str]:
    """Have `check` judge a loop on the model and the data of the user.

    Parameters
    ----------
    train : callable
        The loop.
    taken : mapping
        The arguments that it takes.
    module : ModuleType
        The user's file.
    data : ModelData
        What it trains on.
    arguments : mapping
        Of ``.fit``.
    seed : int
        Of both trainings.

    Returns
    -------
    mistakes : list of Mistake
        Those that `check` names.
    why_not : str
        Why it cannot judge the loop, or "".
    """
    other = [name for name in arguments if name not in JUDGED + OF_VALIDATION]
    if other:
        return [], f"check judges no training with {', '.join(other)}"
    if not (isinstance(data.x, np.ndarray) and isinstance(data.y, np.ndarray)):
        return [], "check judges loops on arrays only"
    rows, what = len(data.x), "it"
    if any(name in arguments for name in OF_VALIDATION):
        # The training alone is judged, on the rows that are left for it.
        if arguments.get("validation_data") is None:
            rows = int(rows * (1 - arguments.get("validation_split", 0.0)))
        taken = _without_validation(train, taken)
        what = "it in the training itself; look at the validation"
    keras.utils.set_random_seed(seed)
    model = module.build_model()
    if isinstance(model.loss, dict | list | tuple) or model.loss is None:
        return [], "check judges models with one loss"
    kind, config = type(model.optimizer), model.optimizer.get_config()
    rate = config["learning_rate"]

    def optimizer(learning_rate: float) -> Any:
        own = config if isinstance(rate, dict) else config | {"learning_rate": learning_rate}
        return kind.from_config(own)

    @functools.wraps(train)
    def as_check_calls(
        model: Any, x: Any, y: Any, *, learning_rate: float, batch_size: int, epochs: int
    ) -> Any:
        return history_of(train(model, x, y, **taken)).get("loss")

    parameters = ("model", "x", "y"), ("learning_rate", "batch_size", "epochs")
    as_check_calls.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            *(inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in parameters[0]),
            *(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in parameters[1]),
        ]
    )
    problem = Problem(
        title="your data",
        build_model=module.build_model,
        x=data.x[:rows],
        y=data.y[:rows],
        loss=lambda: compiled_loss(model.loss),
        learning_rate=float(rate) if not isinstance(rate, dict) else 0.0,
        batch_size=int(arguments.get("batch_size") or 32),
        epochs=int(arguments.get("epochs", 1)),
        shuffle=bool(arguments.get("shuffle", True)),
        seed=seed,
        optimizer=optimizer,
        class_weight=arguments.get("class_weight"),
    )
    found = check_loop(as_check_calls, problem=problem)
    return found.mistakes, "" if found.mistakes else f"check knows no mistake that explains {what}"


def _without_validation(train: Callable[..., Any], taken: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a loop without those of the validation; None for what it insists on."""
    kept = {name: value for name, value in taken.items() if name not in OF_VALIDATION}
    for one in inspect.signature(train).parameters.values():
        if one.name in OF_VALIDATION and one.default is one.empty:
            kept[one.name] = 0.0 if one.name == "validation_split" else None
    return kept
