"""Lesson 4: the learning-rate dial.

A network of 33 numbers learns to tell two half moons apart. It is trained in the usual way: in
shuffled batches of 32, and the last batch is short. The order is shuffled, and the losses are
still equal bit for bit. The reason: under a seed, ``.fit`` feeds the rows in the same order in
every epoch, and `companion.batches` knows this order. Then comes the dial: the same training at
six learning rates, from one that crawls to one that blows up.

"The page" is Module 4, Gradient Descent in Practice, of a course on neural networks and deep
learning. The call of ``.fit`` comes from it.

Run it with ``python -m companion.lesson4``; ``--help`` lists the options.
"""

import keras
import numpy as np
import tensorflow as tf

from companion.batches import batches_of_fit
from companion.datasets import moons

LEARNING_RATE = 0.1
EPOCHS = 200
HIDDEN = 8
BATCH_SIZE = 32  # what .fit takes when it is told nothing


def load_data() -> tuple[np.ndarray, np.ndarray]:
    """Return 200 points of two half moons, (200, 2), and which moon, 0 or 1, (200, 1)."""
    return moons()[0]


def build_model(seed: int = 0, hidden: int = HIDDEN) -> keras.Model:
    """Build the network, not yet compiled; the global seed decides its weights, and the order of the rows."""
    keras.utils.set_random_seed(seed)
    tanh = keras.layers.Dense(hidden, activation="tanh")
    sigmoid = keras.layers.Dense(1, activation="sigmoid")
    return keras.Sequential([keras.Input((2,)), tanh, sigmoid])


def train_by_hand(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with a loop around ``tf.GradientTape``; return the loss of each epoch."""
    optimizer = keras.optimizers.SGD(learning_rate)  # [1] the optimizer
    loss_function = keras.losses.BinaryCrossentropy()  # [2] the loss
    batches = batches_of_fit(x, y, batch_size, shuffle=True)  # [3] the batches, shuffled

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
            total += step(xb, yb).numpy() * len(xb)  # the short last batch counts for its rows only
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
        shuffle=True,
        epochs=epochs,  # [8]
        verbose=0,
    )
    return history.history["loss"]  # [9]


if __name__ == "__main__":
    from companion.report.lesson4 import main

    raise SystemExit(main())
