"""Rows of the conformance table that differ in how the model is compiled: optimizers, losses, metrics."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import keras

from companion.conformance.combination import MULTIPLE, Combination
from companion.conformance.small_data import WEIGHTS

# Each metric that Keras ships, with a network whose answers it can judge.
METRICS = {
    "batch normalization": (
        *("AUC", "Accuracy", "BinaryAccuracy", "BinaryCrossentropy", "BinaryIoU", "CosineSimilarity"),
        *("FalseNegatives", "FalsePositives", "TrueNegatives", "TruePositives", "Hinge", "SquaredHinge"),
        *("LogCoshError", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredError"),
        *("MeanSquaredLogarithmicError", "Poisson", "Precision", "Recall", "RootMeanSquaredError", "R2Score"),
        *("PrecisionAtRecall", "RecallAtPrecision", "SensitivityAtSpecificity", "SpecificityAtSensitivity"),
        *("IoU", "MeanIoU"),
    ),
    "three answers": (
        *("CategoricalAccuracy", "CategoricalCrossentropy", "CategoricalHinge", "TopKCategoricalAccuracy"),
        *("F1Score", "FBetaScore", "KLDivergence", "OneHotIoU", "OneHotMeanIoU"),
    ),
    "three answers, numbered": (
        *("SparseCategoricalAccuracy", "SparseCategoricalCrossentropy", "SparseTopKCategoricalAccuracy"),
    ),
}
METRIC_ARGUMENTS: dict[str, dict[str, Any]] = {
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
    "IoU": {"num_classes": 2, "target_class_ids": [0]},
    "MeanIoU": {"num_classes": 2},
    "TopKCategoricalAccuracy": {"k": 2},
    "SparseTopKCategoricalAccuracy": {"k": 2},
    "OneHotIoU": {"num_classes": 3, "target_class_ids": [0, 2]},
    "OneHotMeanIoU": {"num_classes": 3},
}


def optimizer_classes() -> dict[str, type[keras.optimizers.Optimizer]]:
    """Find every optimizer that this Keras ships and that stands for itself."""
    wrap_others = ("Optimizer", "LossScaleOptimizer", "MultiOptimizer")
    return {
        name: kind
        for name, kind in vars(keras.optimizers).items()
        if isinstance(kind, type) and issubclass(kind, keras.optimizers.Optimizer) and name not in wrap_others
    }


def optimizers() -> Iterator[Combination]:
    """List each optimizer with each option, then schedules and loss scaling."""
    schedules = keras.optimizers.schedules
    options: dict[str, dict[str, Any]] = {
        "plain": {},
        "clipnorm": {"clipnorm": 0.05},
        "clipvalue": {"clipvalue": 0.02},
        "global_clipnorm": {"global_clipnorm": 0.05},
        "weight_decay": {"weight_decay": 0.01},
        "use_ema": {"use_ema": True, "ema_momentum": 0.9},
        "use_ema, overwriting": {"use_ema": True, "ema_overwrite_frequency": 3},
        "gradient_accumulation_steps": {"gradient_accumulation_steps": 2},
        "accumulation, clipping, decay, EMA": {
            "gradient_accumulation_steps": 3,
            "global_clipnorm": 0.1,
            "weight_decay": 0.01,
            "use_ema": True,
        },
        "loss_scale_factor": {"loss_scale_factor": 8.0},
        "schedule": {"learning_rate": schedules.ExponentialDecay(0.05, 3, 0.9)},
    }
    kinds: dict[str, Any] = optimizer_classes()
    for name, kind in kinds.items():
        for option, arguments in options.items():
            yield _optimizer(f"{name}, {option}", partial(kind, **arguments))
    for schedule in (
        schedules.CosineDecay(0.05, 8, warmup_target=0.1, warmup_steps=3),
        schedules.CosineDecayRestarts(0.05, 4),
        schedules.InverseTimeDecay(0.05, 3, 0.5),
        schedules.PiecewiseConstantDecay([3, 6], [0.1, 0.05, 0.01]),
        schedules.PolynomialDecay(0.05, 8),
    ):
        nesterov = partial(keras.optimizers.SGD, schedule, momentum=0.9, nesterov=True)
        yield _optimizer(f"SGD, {type(schedule).__name__}", nesterov)
    yield _optimizer(
        "LossScaleOptimizer, growing",
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(), dynamic_growth_steps=3),
    )


def _optimizer(name: str, make: Callable[[], keras.optimizers.Optimizer]) -> Combination:
    return Combination("optimizers", name, compiled={"optimizer": make}, arguments={"batch_size": 8})


def losses() -> Iterator[Combination]:
    """List each loss with each reduction."""
    kinds: dict[str, Any] = vars(keras.losses)
    for name, kind in sorted(kinds.items()):
        # Left out: CTC needs sequences, Circle needs scalar labels, and Loss is only the base class.
        if not isinstance(kind, type) or name in ("Loss", "CTC", "Circle"):
            continue
        network = "batch normalization"
        if name == "CategoricalGeneralizedCrossEntropy":  # takes the answers' numbers, despite its name
            network = "three answers, numbered"
        elif name.startswith(("Categorical", "KLD", "Tversky", "Dice")):
            network = "three answers"
        elif name.startswith("Sparse"):
            network = "three answers, numbered"
        for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight"):
            weights = {} if reduction == "sum" or name in ("Tversky", "Dice") else {"sample_weight": WEIGHTS}
            yield Combination(
                "losses",
                f"{name}, {reduction}",
                network,
                {"loss": partial(kind, reduction=reduction)},
                weights,
            )
    yield Combination("losses", "none but penalties", "L1 and L2 penalties", {"loss": None, "metrics": None})
    yield Combination("losses", "a function", compiled={"loss": lambda: _absolute_error})
    yield Combination("losses", "loss_weights", MULTIPLE[0], {"loss_weights": [0.3, 2.0]})
    yield Combination(
        "losses", "loss_weights by name", MULTIPLE[1], {"loss_weights": {"answer": 0.3, "more": 2}}
    )
    yield Combination("losses", "labels (n,) against (n, 1)", data=lambda x, y: (x, y[:, 0]))


def _absolute_error(y: Any, y_pred: Any) -> Any:
    return keras.ops.mean(keras.ops.abs(y - y_pred), axis=-1)


def metrics() -> Iterator[Combination]:
    """List each metric, plain and weighted."""
    for network, names in METRICS.items():
        for name in names:
            if not hasattr(keras.metrics, name):
                continue  # came to Keras later
            make = partial(getattr(keras.metrics, name), **METRIC_ARGUMENTS.get(name, {}))
            yield Combination(
                "metrics",
                name,
                network,
                # the same metric twice: once counting rows, once counting their weights
                {"metrics": partial(_one, make), "weighted_metrics": partial(_one, make, name="weighted")},
                {"sample_weight": WEIGHTS, "validation_split": 0.3},
            )
    yield Combination(
        "metrics",
        "one for each output",
        MULTIPLE[1],
        {"metrics": {"answer": ["accuracy", "mse"], "more": "mae"}},
    )


def _one(make: Callable[..., keras.metrics.Metric], **options: Any) -> list[keras.metrics.Metric]:
    return [make(**options)]
