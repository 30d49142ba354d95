"""Lesson 1: one neuron, pass or fail.

A neuron of three numbers learns from four students whether hours of study and sleep lead
to a pass. A chapter prints this neuron's loop in NumPy and then a call of ``model.fit``. It says
that the loop happens inside the call. This is true, but not as printed: six things differ. Here
the loop is turned into the call, and the call into the loop, one change at a time, until the
losses are the same bit for bit.

"The page" is this chapter, on gradient descent and backpropagation. The neuron and the calls come
from it.

Run it with ``python -m companion.lesson1``; ``--help`` lists the options.
"""

import keras
import numpy as np
import tensorflow as tf

from companion.batches import batches_of_fit

LEARNING_RATE = 0.1
EPOCHS = 2000
HIDDEN = 0  # a single neuron
IN_THE_LOG = 1e-9  # what the chapter adds, against log(0)


def load_data() -> tuple[np.ndarray, np.ndarray]:
    """Return hours of study and sleep of four students, (4, 2), and 1 for a pass or 0 for a fail, (4, 1)."""
    return np.array([[5.0, 7], [3, 4], [8, 6], [2, 3]]), np.array([[1.0], [0], [1], [0]])


def build_model(seed: int = 0, hidden: int = HIDDEN) -> keras.Model:
    """Build the neuron, not yet compiled; seed 0 gives the chapter's own weights. Sets the global seed."""
    if hidden != HIDDEN:
        raise ValueError(f"hidden is {hidden}: one neuron has no hidden units, it must be 0")
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])
    rng = np.random.RandomState(42) if seed == 0 else np.random.default_rng(seed)
    model.set_weights([rng.standard_normal((2, 1)), np.zeros(1)])
    return model


def chapter_loss(y: tf.Tensor, probability: tf.Tensor) -> tf.Tensor:
    """Return the loss of each row as the chapter computes it, with 1e-9 inside the logarithms."""
    # The maximum changes nothing, but keeps TensorFlow from computing (1 + 1e-9) - p, which loses the 1e-9.
    passed, failed = probability + IN_THE_LOG, tf.maximum(1 - probability, 0) + IN_THE_LOG
    return -tf.reduce_mean(y * tf.math.log(passed) + (1 - y) * tf.math.log(failed), axis=-1)


@np.errstate(over="ignore", invalid="ignore")  # with a rate far too large, the loss ends as infinity or NaN
def train_with_numpy(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with the chapter's own arithmetic; return the mean of `chapter_loss` in each epoch."""
    weights, bias = model.get_weights()
    x, y, rate = x.astype(weights.dtype), y.astype(weights.dtype), weights.dtype.type(learning_rate)
    tiny = weights.dtype.type(IN_THE_LOG)
    history = []
    for _ in range(epochs):
        total = 0
        for start in range(0, len(x), batch_size):
            xb, yb = x[start : start + batch_size], y[start : start + batch_size]
            probability = 1 / (1 + np.exp(-(xb @ weights + bias)))
            total -= np.sum(yb * np.log(probability + tiny) + (1 - yb) * np.log(1 - probability + tiny))
            error = probability - yb  # the gradient of the plain cross-entropy: no 1e-9 in it
            weights -= rate * (xb.T @ error / len(xb))
            bias -= rate * error.mean(axis=0)
        history.append(float(total / len(x)))
    model.set_weights([weights, bias])
    return history


def train_by_hand(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with a loop around ``tf.GradientTape``; return the loss of each epoch."""
    optimizer = keras.optimizers.SGD(learning_rate)  # [1] the optimizer
    loss_function = keras.losses.BinaryCrossentropy()  # [2] the loss
    batches = batches_of_fit(x, y, batch_size, shuffle=False)  # [3] the batches

    @batches.compiled  # [4] a tf.function, traced for batches of these shapes
    def step(xb: tf.Tensor, yb: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            probability = model(xb, training=True)
            loss = loss_function(yb, probability)  # [5] forward
        gradients = tape.gradient(loss, model.trainable_variables)  # [6] gradient
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))  # [7] update
        return tf.reduce_sum(chapter_loss(yb, probability))  # as it was before the update

    history = []
    for _ in range(epochs):  # [8] the epochs
        total = 0
        for xb, yb in batches:
            total += step(xb, yb).numpy()
        history.append(float(total / len(x)))  # [9] record
    return history


def train_with_fit(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with ``model.fit``; return the loss of each epoch."""
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),  # [1]
        loss=keras.losses.BinaryCrossentropy(),  # [2]
        metrics=[chapter_loss],
    )
    history = model.fit(  # [4] [5] [6] [7] in here, unseen
        x,
        y,
        batch_size=batch_size,  # [3]
        shuffle=False,
        epochs=epochs,  # [8]
        verbose=0,
    )
    return history.history["chapter_loss"]  # [9]


if __name__ == "__main__":
    from companion.report.lesson1 import main

    raise SystemExit(main())
