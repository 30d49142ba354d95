"""Lesson 3: gradient descent on diabetes.

A network of 161 numbers learns to tell from eight measurements whether a patient has
diabetes. It is trained three times from the same start: by a loop that knows only
NumPy, by a loop around ``tf.GradientTape``, and by ``model.fit``. Read `train_by_hand`
and `train_with_fit` side by side: lines with the same tag do the same job.

"The page" is Lesson 3, Gradient Descent for Neural Networks, of the module Deep Learning
Foundations (datatweets.com). The network, the settings and the exercises come from it.

Run it with ``python -m companion.lesson3``; ``--help`` lists the options.
"""

import keras
import numpy as np
import tensorflow as tf

from companion.batches import batches_of_fit
from companion.datasets import diabetes

LEARNING_RATE = 0.1
EPOCHS = 2000
HIDDEN = 16


def load_data() -> tuple[np.ndarray, np.ndarray]:
    """Return eight standardized measurements of 576 patients, (576, 8), and 1 for diabetes, (576, 1)."""
    return diabetes()[0]


def build_model(seed: int = 0, hidden: int = HIDDEN) -> keras.Model:
    """Build the network with the initial weights that NumPy draws from `seed`, not yet compiled."""
    relu = keras.layers.Dense(hidden, activation="relu")
    sigmoid = keras.layers.Dense(1, activation="sigmoid")
    model = keras.Sequential([keras.Input((8,)), relu, sigmoid])
    # NumPy draws the weights, so that all three trainings start from the same numbers.
    rng = np.random.default_rng(seed)
    w1 = rng.standard_normal((8, hidden)) * 0.1
    w2 = rng.standard_normal((hidden, 1)) * 0.1
    model.set_weights([w1, np.zeros(hidden), w2, np.zeros(1)])
    return model


@np.errstate(over="ignore", invalid="ignore")  # with a rate far too large, the loss ends as infinity or NaN
def train_with_numpy(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with nothing but NumPy, the gradients derived by hand; return the loss of each epoch."""
    w1, b1, w2, b2 = model.get_weights()
    x, y = x.astype(w1.dtype), y.astype(w1.dtype)
    history = []
    for _ in range(epochs):
        total = 0
        for start in range(0, len(x), batch_size):
            xb, yb = x[start : start + batch_size], y[start : start + batch_size]
            z1 = xb @ w1 + b1
            a1 = np.maximum(z1, 0)
            z2 = a1 @ w2 + b2
            probability = 1 / (1 + np.exp(-z2))
            # The cross-entropy from z2 instead of the probability, as Keras takes it: no log(0) at the ends.
            total += np.sum(np.maximum(z2, 0) - z2 * yb + np.log1p(np.exp(-np.abs(z2))))

            dz2 = (probability - yb) / len(xb)
            dz1 = dz2 @ w2.T * (z1 > 0)
            gradients = xb.T @ dz1, dz1.sum(axis=0), a1.T @ dz2, dz2.sum(axis=0)
            for weights, gradient in zip((w1, b1, w2, b2), gradients, strict=True):
                weights -= weights.dtype.type(learning_rate) * gradient
        history.append(float(total / len(x)))
    model.set_weights([w1, b1, w2, b2])
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
            loss = loss_function(yb, model(xb, training=True))  # [5] forward
        gradients = tape.gradient(loss, model.trainable_variables)  # [6] gradient
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))  # [7] update
        return loss  # as it was before the update

    history = []
    for _ in range(epochs):  # [8] the epochs
        total = 0
        for xb, yb in batches:
            total += step(xb, yb).numpy() * len(xb)  # a batch's loss is a mean over its rows
        history.append(float(total / len(x)))  # [9] record
    return history


def train_with_fit(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with ``model.fit``; return the loss of each epoch."""
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),  # [1]
        loss=keras.losses.BinaryCrossentropy(),  # [2]
    )
    history = model.fit(  # [4] [5] [6] [7] in here, unseen
        x,
        y,
        batch_size=batch_size,  # [3]
        shuffle=False,
        epochs=epochs,  # [8]
        verbose=0,
    )
    return history.history["loss"]  # [9]


if __name__ == "__main__":
    from companion.report.lesson3 import main

    raise SystemExit(main())
