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
from companion.check.recording.script_network import trains_by_own_step
from companion.check.script.losses import compiled_loss
from companion.compare.model_file import ModelData
from companion.comparison.training import history_of
from companion.fit.keras_private import loss_weights_of

JUDGED = ("epochs", "batch_size", "shuffle", "class_weight", "verbose")  # check handles these
LEFT_OUT = (  # check ignores these, so it judges without them
    "callbacks",
    "validation_data",
    "validation_split",
    "validation_steps",
    "validation_batch_size",
    "validation_freq",
)


def mistakes_of(
    load: Callable[[], Callable[..., Any]],
    taken: Mapping[str, Any],
    module: ModuleType,
    data: ModelData,
    arguments: Mapping[str, Any],
    seed: int,
) -> tuple[list[Mistake], str]:
    """Have `check` judge a loop on the model and the data of the user.

    Parameters
    ----------
    load : callable
        Runs the file of the loop anew, and returns the loop: a ``tf.function`` of the file that has made
        variables for one model takes no other.
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
    other = [name for name in arguments if name not in JUDGED + LEFT_OUT]
    if other:
        return [], f"check judges no training with {', '.join(other)}"
    if not (isinstance(data.x, np.ndarray) and isinstance(data.y, np.ndarray)):
        return [], "check judges loops on arrays only"
    rows, what = len(data.x), "this difference"
    ways, train = [taken], load()
    if any(name in arguments for name in LEFT_OUT):
        # The training alone is judged, on the rows that are left for it; some loops insist on the rest.
        if arguments.get("validation_data") is None:
            rows = int(rows * (1 - arguments.get("validation_split", 0.0)))
        ways = [_training_alone(train, taken), taken]
        what = "this difference in the training; look at the validation and the callbacks"
    keras.utils.set_random_seed(seed)
    model = module.build_model()
    if isinstance(model.loss, dict | list | tuple) or model.loss is None:
        return [], "check judges models with one loss"
    if loss_weights_of(model) is not None or trains_by_own_step(model):
        return [], "check judges no model with loss_weights, or with a train_step or compute_loss of its own"
    kind = type(model.optimizer)
    try:
        config = model.optimizer.get_config()
        kind.from_config(dict(config))
    except (NotImplementedError, TypeError) as error:  # a class of the file's own
        told = " ".join(str(error).split())
        return [], f"check cannot make the optimizer anew: {type(error).__name__}: {told}"
    rate = config.get("learning_rate", {})  # a LossScaleOptimizer has none of its own

    def optimizer(learning_rate: float) -> Any:
        own = config if isinstance(rate, dict) else config | {"learning_rate": learning_rate}
        return kind.from_config(own)

    def as_check_calls(way: Mapping[str, Any]) -> Callable[..., Any]:
        @functools.wraps(train)
        def called(model: Any, x: Any, y: Any, *, learning_rate: float, batch_size: int, epochs: int) -> Any:
            given = {name: value() if callable(value) else value for name, value in way.items()}
            return history_of(load()(model, x, y, **given)).get("loss")

        parameters = ("model", "x", "y"), ("learning_rate", "batch_size", "epochs")
        # check reads the parameters, and those of `train` are what `wraps` would show.
        called.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                *(inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in parameters[0]),
                *(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in parameters[1]),
            ]
        )
        return called

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
    for way in ways:
        found = check_loop(as_check_calls(way), problem=problem)
        if found.error is None:
            break
    else:
        return [], f"the loop fails where check runs it: {found.error}"
    return found.mistakes, "" if found.mistakes else f"check knows no mistake that explains {what}"


def _training_alone(train: Callable[..., Any], taken: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a loop without validation and callbacks; None for what has no default."""
    kept = {name: value for name, value in taken.items() if name not in LEFT_OUT}
    for one in inspect.signature(train).parameters.values():
        if one.name in LEFT_OUT and one.default is one.empty:
            kept[one.name] = 0.0 if one.name == "validation_split" else None
    return kept
