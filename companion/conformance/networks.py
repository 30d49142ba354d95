"""Small networks of every kind: what the conformance table trains."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from companion.conformance.own_steps import (
    Accumulated,
    Distilled,
    SharpnessAware,
    TwoOptimizers,
    own_metrics,
)
from companion.conformance.small_data import (
    RANDOM_CHANGES,
    XAndY,
    choices,
    films,
    images,
    named_pairs,
    numbered_choices,
    pairs,
    rows,
    sequences,
    tokens,
)


def _sequential(shape: tuple[int, ...], *inside: Callable[[], layers.Layer]) -> keras.Model:
    hidden = [make() for make in inside]
    end = [] if isinstance(hidden[-1], layers.Flatten | layers.GlobalAveragePooling2D) else [layers.Flatten()]
    return keras.Sequential(
        [keras.Input(shape), *hidden, *end, layers.Dense(1, activation="sigmoid", name="answer")]
    )


def _dense(**options: Any) -> Callable[[], layers.Layer]:
    return lambda: layers.Dense(7, **{"activation": "tanh", **options})


def _of_rows(*inside: Callable[[], layers.Layer]) -> tuple[Callable[[], keras.Model], Callable[[], XAndY]]:
    return partial(_sequential, (6,), _dense(), *inside), rows


def _of_images(*inside: Callable[[], layers.Layer]) -> tuple[Callable[[], keras.Model], Callable[[], XAndY]]:
    return partial(_sequential, (8, 8, 3), *inside), images


def _of_sequences(
    *inside: Callable[[], layers.Layer],
) -> tuple[Callable[[], keras.Model], Callable[[], XAndY]]:
    return partial(_sequential, (5, 3), *inside), sequences


def three_answers() -> keras.Model:
    """Make a network that gives a probability to each of three answers."""
    return keras.Sequential(
        [keras.Input((6,)), layers.Dense(7, activation="tanh"), layers.Dense(3, activation="softmax")]
    )


def two_inputs() -> keras.Model:
    """Make a network of two inputs and two outputs that share a layer."""
    left, right = keras.Input((4,), name="left"), keras.Input((2,), name="right")
    shared = layers.Dense(5, activation="tanh")(layers.Concatenate()([left, right]))
    return keras.Model(
        [left, right],
        [layers.Dense(1, activation="sigmoid", name="answer")(shared), layers.Dense(2, name="more")(shared)],
    )


def two_inputs_by_name() -> keras.Model:
    """Make the same, inputs and outputs in dicts."""
    model = two_inputs()
    return keras.Model(
        dict(zip(("left", "right"), model.inputs, strict=True)),
        dict(zip(("answer", "more"), model.outputs, strict=True)),
    )


class WithAddLoss(layers.Layer):
    """A layer that adds a loss of its own, from what passes through it."""

    def call(self, x: Any) -> Any:
        """Return `x` as it is."""
        self.add_loss(0.01 * keras.ops.mean(keras.ops.square(x)))
        return x


class Subclassed(keras.Model):
    """A model that is written as a class, is built when first called, and drops units in training."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.drop = layers.Dense(7, activation="tanh"), layers.Dropout(0.3)
        self.answer = layers.Dense(1, activation="sigmoid")

    def call(self, x: Any, training: bool = False) -> Any:
        """Predict."""
        return self.answer(self.drop(self.hidden(x), training=training))


class WithoutTrainingArgument(keras.Model):
    """The same, its `call` not told whether it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.drop = layers.Dense(7, activation="tanh"), layers.Dropout(0.3)
        self.answer = layers.Dense(1, activation="sigmoid")

    def call(self, x: Any) -> Any:
        """Predict."""
        return self.answer(self.drop(self.hidden(x)))


class OwnLossAndMetrics(Subclassed):
    """The same with its own ``compute_loss``, ``compute_metrics`` and a metric that it keeps itself."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = keras.metrics.Mean(name="largest")

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None
    ) -> Any:
        """Return the mean square; the argument `training`, which came later to Keras, is not taken."""
        return keras.ops.mean(keras.ops.square(y - y_pred))

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Report the largest prediction too, and a key that is no metric."""
        self.largest.update_state(keras.ops.max(y_pred))
        return {**super().compute_metrics(x, y, y_pred, sample_weight), "average": keras.ops.mean(y_pred)}


def frozen() -> keras.Model:
    """Make a network whose first layers are not trained, normalization among them."""
    model = _sequential((6,), _dense(), layers.BatchNormalization, _dense())
    for layer in model.layers[:2]:
        layer.trainable = False
    return model


def nested() -> keras.Model:
    """Make a network with a compiled network inside, used twice."""
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="tanh"), layers.Dropout(0.2)])
    inner.compile(optimizer="sgd", loss="mse", metrics=["mae"])
    x = keras.Input((6,))
    both = layers.Add()([inner(x[:, :3]), inner(x[:, 3:])])
    return keras.Model(x, layers.Dense(1, activation="sigmoid", name="answer")(both))


def adapted() -> keras.Model:
    """Make a network that begins with a normalization adapted to the data."""
    normalization = layers.Normalization()
    normalization.adapt(rows()[0])
    return keras.Sequential([keras.Input((6,)), normalization, layers.Dense(1, activation="sigmoid")])


def mixed(policy: str) -> keras.Model:
    """Make a network of several precisions: the weights in float32, the computing in less."""
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(7, activation="tanh", dtype=policy),
            layers.BatchNormalization(dtype=policy),
            layers.Dense(1, activation="sigmoid", dtype="float32", name="answer"),
        ]
    )
    model.dtype_policy = policy  # by which compile(...) decides whether the loss is to be scaled
    return model


class TensorFlowNoise(layers.Layer):
    """A layer that draws with ``tf.random``, not with Keras' seed generators."""

    def call(self, x: Any, training: bool = False) -> Any:
        """Return `x`, in training with noise."""
        return x + tf.random.normal(tf.shape(x), stddev=0.1) if training else x


def stateful() -> keras.Model:
    """Make a network that remembers where the last batch ended; all its batches are of 1 row."""
    return keras.Sequential(
        [
            keras.Input((5, 3), batch_size=1),
            layers.LSTM(4, stateful=True),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def attention() -> keras.Model:
    """Make a network in which each step looks at the others, with dropout."""
    x = keras.Input((5, 3))
    seen = layers.MultiHeadAttention(num_heads=2, key_dim=3, dropout=0.2)(x, x)
    pooled = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x + seen))
    return keras.Model(x, layers.Dense(1, activation="sigmoid", name="answer")(pooled))


NETWORKS: dict[str, tuple[Callable[[], keras.Model], Callable[[], XAndY]]] = {
    "one layer": (partial(_sequential, (6,), layers.Identity), rows),
    "dense": _of_rows(_dense(activation="relu")),
    "not built": (
        lambda: keras.Sequential([layers.Dense(7, activation="tanh"), layers.Dense(1, activation="sigmoid")]),
        rows,
    ),
    "batch normalization": _of_rows(layers.BatchNormalization),
    "layer normalization": _of_rows(layers.LayerNormalization),
    "group normalization": _of_rows(partial(layers.GroupNormalization, 7)),
    "unit normalization": _of_rows(layers.UnitNormalization),
    "spectral normalization": _of_rows(lambda: layers.SpectralNormalization(layers.Dense(5))),
    "normalization": (adapted, rows),
    "dropout": _of_rows(partial(layers.Dropout, 0.3)),
    "dropout with a seed": _of_rows(partial(layers.Dropout, 0.3, seed=5)),
    "alpha dropout": _of_rows(partial(layers.AlphaDropout, 0.3)),
    "gaussian noise": _of_rows(partial(layers.GaussianNoise, 0.3)),
    "noise by tf.random": _of_rows(TensorFlowNoise),
    "gaussian dropout": _of_rows(partial(layers.GaussianDropout, 0.3)),
    "parametric relu": _of_rows(layers.PReLU),
    "L1 and L2 penalties": _of_rows(_dense(kernel_regularizer="L1L2", bias_regularizer="l2")),
    "activity penalty": _of_rows(_dense(activity_regularizer="l2"), layers.ActivityRegularization),
    "orthogonal penalty": _of_rows(
        lambda: layers.Dense(7, kernel_regularizer=keras.regularizers.OrthogonalRegularizer())
    ),
    "max-norm constraint": _of_rows(
        lambda: layers.Dense(7, kernel_constraint=keras.constraints.MaxNorm(0.5))
    ),
    "unit-norm constraint": _of_rows(_dense(kernel_constraint="unit_norm")),
    "non-negative constraint": _of_rows(_dense(kernel_constraint="non_neg", bias_constraint="non_neg")),
    "add_loss": _of_rows(WithAddLoss),
    "low-rank adaptation": _of_rows(lambda: _with_lora(layers.Dense(7))),
    "frozen": (frozen, rows),
    "nested": (nested, rows),
    "subclassed": (Subclassed, rows),
    "subclassed, no training argument": (WithoutTrainingArgument, rows),
    "subclassed, own loss and metrics": (OwnLossAndMetrics, rows),
    "three answers": (three_answers, choices),
    "three answers, numbered": (three_answers, numbered_choices),
    "two inputs and outputs": (two_inputs, pairs),
    "inputs and outputs by name": (two_inputs_by_name, named_pairs),
    "convolution": _of_images(partial(layers.Conv2D, 4, 3, activation="relu"), layers.MaxPooling2D),
    "convolution, normalized": _of_images(
        partial(layers.Conv2D, 4, 3, padding="same"), layers.BatchNormalization, layers.GlobalAveragePooling2D
    ),
    "separable convolution": _of_images(partial(layers.SeparableConv2D, 4, 3)),
    "depthwise convolution": _of_images(partial(layers.DepthwiseConv2D, 3)),
    "transposed convolution": _of_images(partial(layers.Conv2DTranspose, 3, 3, strides=2)),
    "spatial dropout": _of_images(partial(layers.Conv2D, 4, 3), partial(layers.SpatialDropout2D, 0.3)),
    **{
        name: _of_images(partial(getattr(layers, name), **options))
        for name, options in RANDOM_CHANGES.items()
        if hasattr(layers, name)  # some came to Keras later
    },
    "RandomCrop": _of_images(partial(layers.RandomCrop, 6, 6), layers.GlobalAveragePooling2D),
    "embedding": (partial(_sequential, (7,), partial(layers.Embedding, 11, 4)), tokens),
    "embedding with mask, LSTM": (
        partial(_sequential, (7,), partial(layers.Embedding, 11, 4, mask_zero=True), partial(layers.LSTM, 4)),
        tokens,
    ),
    "masking, GRU": _of_sequences(layers.Masking, partial(layers.GRU, 4)),
    "simple recurrent": _of_sequences(partial(layers.SimpleRNN, 4)),
    "LSTM": _of_sequences(partial(layers.LSTM, 4)),
    "LSTM with dropout": _of_sequences(partial(layers.LSTM, 4, dropout=0.2, recurrent_dropout=0.2)),
    "LSTM, stateful": (stateful, sequences),
    "LSTM, unrolled": _of_sequences(partial(layers.LSTM, 4, unroll=True)),
    "GRU": _of_sequences(partial(layers.GRU, 4)),
    "GRU with dropout": _of_sequences(partial(layers.GRU, 4, dropout=0.2, recurrent_dropout=0.2)),
    "bidirectional LSTM": _of_sequences(lambda: layers.Bidirectional(layers.LSTM(3))),
    "stacked cells": _of_sequences(lambda: layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)])),
    "time-distributed": _of_sequences(lambda: layers.TimeDistributed(layers.Dense(4)), layers.Flatten),
    "spatial dropout of sequences": _of_sequences(partial(layers.SpatialDropout1D, 0.3)),
    "dropout inside a cell": _of_sequences(lambda: layers.RNN(layers.SimpleRNNCell(4, dropout=0.3))),
    "1d convolution": _of_sequences(partial(layers.Conv1D, 4, 3, padding="causal")),
    "attention": (attention, sequences),
    "convolutional LSTM": (partial(_sequential, (3, 5, 5, 1), partial(layers.ConvLSTM2D, 2, 3)), films),
    "float64": _of_rows(partial(layers.Dense, 7, dtype="float64")),
    "mixed float16": (partial(mixed, "mixed_float16"), rows),
    "mixed bfloat16": (partial(mixed, "mixed_bfloat16"), rows),
    "own step, as in the guide": (own_metrics, rows),
    "own step, two optimizers": (TwoOptimizers, rows),
    "own step, distillation": (Distilled, rows),
    "own step, accumulation": (Accumulated, rows),
    "own step, sharpness-aware": (SharpnessAware, rows),
}


def _with_lora(layer: layers.Dense) -> layers.Dense:
    layer.build((None, 7))
    layer.enable_lora(2)
    return layer
