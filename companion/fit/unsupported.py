"""Refuse, before anything is trained, what `fit_by_hand` cannot do exactly as ``.fit`` does."""

import warnings

import keras
import tensorflow as tf

from companion.fit.graph import is_by_hand
from companion.fit.keras_private import is_of_keras, strategy_of, was_frozen_after_fit

# Methods that .fit calls and the loop does not: a model with its own takes other steps.
OWN_STEPS = (
    *("fit", "evaluate", "make_train_function", "make_test_function"),
    *("_make_function", "_compute_loss", "_should_eval", "_get_metrics_result_or_logs"),
)


def refuse_what_fit_refuses(model: keras.Model) -> None:
    """Refuse what is no model, or is not compiled; errors as in `refuse_what_cannot_be_equal`."""
    if not isinstance(model, keras.Model):
        hint = "; does the function that makes it return it?" if model is None else ""
        raise TypeError(f"model is of type {type(model).__name__}: it must be a keras.Model, compiled{hint}")
    if not model.compiled:
        raise ValueError(f"model {model.name!r} is not compiled: call model.compile(...) first, as for .fit")


def refuse_what_cannot_be_equal(model: keras.Model) -> None:
    """Refuse a model that ``.fit`` trains in other steps than `fit_by_hand`.

    Raises
    ------
    ValueError
        If it is not compiled, has its own version of one of `OWN_STEPS`, was frozen after ``.fit``, or
        is under a distribution strategy of several processes.
    TypeError
        If it is no Keras model.
    """
    refuse_what_fit_refuses(model)
    for name in OWN_STEPS:
        if hasattr(keras.Model, name) and not is_of_keras(model, name):
            raise ValueError(
                f"model {model.name!r} has its own {name}, which .fit would run and this loop would not: "
                "the two could not be equal; override train_step or compute_loss instead, or use .fit"
            )
    for name in ("train_function", "test_function"):
        function = getattr(model, name)
        is_known = is_by_hand(function) or getattr(function, "__module__", "").startswith("keras.")
        if function is not None and not is_known:
            raise ValueError(
                f"model {model.name!r} has its own {name}, which .fit would run and this loop would not: set "
                "it to None, or use .fit"
            )
    if not is_by_hand(model.train_function) and was_frozen_after_fit(model):
        raise ValueError(
            f"layers of model {model.name!r} were frozen or unfrozen since .fit trained it, but .fit would "
            "still use its old graph: call model.compile(...) again, then both train the layers that are "
            "trainable now"
        )
    _refuse_strategy(model)
    if keras.distribution.distribution() is not None:
        raise ValueError(
            "keras.distribution is set: .fit divides data or model among devices and this loop does not; "
            "call keras.distribution.set_distribution(None), or use .fit"
        )


def _refuse_strategy(model: keras.Model) -> None:
    """Refuse strategies that need more than this process, and what ``.fit`` itself cannot do under one."""
    strategy, current = strategy_of(model), tf.distribute.get_strategy()
    if tf.distribute.has_strategy() and current is not strategy:
        raise ValueError(
            f"model {model.name!r} was not made in the scope of the {type(current).__name__} in which it is "
            "trained: make and compile it in this scope, or leave the scope"
        )
    if strategy is None:
        return
    kind, replicas = type(strategy), strategy.num_replicas_in_sync
    if not isinstance(strategy, tf.distribute.OneDeviceStrategy | tf.distribute.MirroredStrategy):
        several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        name = "MultiWorkerMirroredStrategy" if several else kind.__name__
        raise ValueError(
            f"model {model.name!r} is under {name}, but this loop knows only .fit under "
            "OneDeviceStrategy and MirroredStrategy: use one of these, or .fit"
            if kind is tf.distribute.experimental.CentralStorageStrategy
            else f"model {model.name!r} is under {name}, which trains in several processes or on a TPU: "
            "this loop and .fit can be compared in one process only; use OneDeviceStrategy or "
            "MirroredStrategy, or .fit"
        )
    told = f"model {model.name!r} is under {kind.__name__} with"
    mirrored = isinstance(strategy, tf.distribute.MirroredStrategy) and model.optimizer is not None
    optimizer = model.optimizer
    fails = {
        "gradient_accumulation_steps": mirrored and optimizer.gradient_accumulation_steps,
        "ema_overwrite_frequency": mirrored and optimizer.use_ema and optimizer.ema_overwrite_frequency,
        "steps_per_execution": replicas > 1 and model.steps_per_execution > 1,
        "jit_compile=True": replicas > 1 and model.jit_compile and not model.run_eagerly,
    }
    for name, is_set in fails.items():
        if is_set:
            raise ValueError(f"{told} {name}: .fit itself fails there, so leave out one")


def most_epochs(epochs: int) -> int:
    """Limit `epochs` to ``keras.config.max_epochs()``, where that is set for a trial run."""
    most = keras.config.max_epochs() if hasattr(keras.config, "max_epochs") else None
    if most and most < epochs:
        warnings.warn(f"Limiting epochs to {most}", stacklevel=2)
        return most
    return epochs
