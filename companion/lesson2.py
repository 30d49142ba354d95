"""Lesson 2: four pixels, 31 parameters.

This network is so small that you can see all of it. It learns to flip a 2x2 image along its
diagonal. The lesson computes its 31 gradients in three ways: by wiggling each weight, which takes
62 forward passes; by the chain rule in NumPy; and by ``tf.GradientTape``. Then it trains the
network, by hand and by ``.fit``, on the one image of the page and on all 16 possible images.

"The page" is a section on gradient descent, from a course that builds this network by hand.
The initial weights follow from the figures that it prints, except for two rows. These rows have
no effect at the start, and were chosen here: see `build_model`.

Run it with ``python -m companion.lesson2``; ``--help`` lists the options.
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from companion.batches import batches_of_fit

LEARNING_RATE = 0.1
EPOCHS = 200
HIDDEN = 3
WIGGLE = 1e-4

Arrays = Sequence[np.ndarray]


def load_data() -> tuple[np.ndarray, np.ndarray]:
    """Return the page's image, (1, 4), and its flip; pixels from left to right, top row first."""
    x = np.array([[1.0, 0, 1, 1]])
    return x, x[:, [0, 2, 1, 3]]


def load_all_images() -> tuple[np.ndarray, np.ndarray]:
    """Return all 16 images of four pixels, (16, 4), and their flips."""
    x = np.array(list(np.ndindex(2, 2, 2, 2)), dtype="float64")
    return x, x[:, [0, 2, 1, 3]]


def build_model(seed: int = 0, hidden: int = HIDDEN) -> keras.Model:
    """Build the network, not yet compiled; seed 0 gives the page's own weights, else they are drawn.

    The page's figures do not say what the first two rows of W2 are, because their units are
    silent on its image. The input of the first unit is at the corner of ReLU, where rounding
    decides. Its row of W2 is all zeros, so this matters little.
    """
    layers = keras.layers.Dense(hidden, activation="relu"), keras.layers.Dense(4)
    model = keras.Sequential([keras.Input((4,)), *layers])
    rng = np.random.default_rng(seed)
    w1, b1 = rng.standard_normal((4, hidden)) / 2, np.zeros(hidden)
    w2, b2 = rng.standard_normal((hidden, 4)) / 2, np.zeros(4)
    weights = [w1, b1, w2, b2]
    if (seed, hidden) == (0, HIDDEN):
        w1 = np.array([[0.2, -0.5, 0.1], [-0.3, 0.4, -0.2], [0.1, 0.3, 0.5], [-0.4, 0.2, -0.1]])
        w2 = np.array([[0, 0, 0, 0], [-0.1, 0.5, 0.2, -0.3], [0.2, -0.4, 0.1, -0.5]])
        weights = [w1, np.array([0.1, -0.1, 0]), w2, np.array([0, 0.1, -0.1, 0])]
    model.set_weights(weights)
    return model


def forward(weights: Arrays, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the hidden units before and after ReLU, (n, h), and the outputs, (n, m)."""
    w1, b1, w2, b2 = weights
    z1 = x @ w1 + b1
    a1 = np.maximum(z1, 0)
    return z1, a1, a1 @ w2 + b2


def mean_squared_error(weights: Arrays, x: np.ndarray, y: np.ndarray) -> float:
    """Return the mean over rows and outputs of the squared error: one forward pass."""
    return ((forward(weights, x)[2] - y) ** 2).mean()


def by_wiggling(weights: Arrays, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Return each slope from the loss a little above and a little below: two forward passes per slope."""
    weights = [array.astype("float64") for array in weights]
    gradients = [np.zeros_like(array) for array in weights]
    for array, gradient in zip(weights, gradients, strict=True):
        for index in np.ndindex(array.shape):
            there = array[index]
            array[index] = there + WIGGLE
            above = mean_squared_error(weights, x, y)
            array[index] = there - WIGGLE
            below = mean_squared_error(weights, x, y)
            array[index] = there
            gradient[index] = (above - below) / (2 * WIGGLE)
    return gradients


def by_chain_rule(weights: Arrays, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Return the same by going back from the loss to each weight: one forward pass, one backward pass."""
    z1, a1, output = forward(weights, x)
    d_output = 2 * (output - y) / y.size  # of a mean over rows and outputs
    dz1 = d_output @ weights[2].T * (z1 > 0)  # ReLU's slope: 1 above 0, and 0 below and at the corner
    return [x.T @ dz1, dz1.sum(axis=0), a1.T @ d_output, d_output.sum(axis=0)]


def by_tape(model: keras.Model, x: np.ndarray, y: np.ndarray) -> Callable[[], list[tf.Tensor]]:
    """Return a compiled function that gives the same by one forward pass under a tape, and one backward."""
    inputs, targets = (tf.constant(array, model.dtype) for array in (x, y))
    loss_function = keras.losses.MeanSquaredError(dtype=model.dtype)

    @tf.function
    def gradients() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = loss_function(targets, model(inputs))
        return tape.gradient(loss, model.trainable_variables)

    return gradients


@np.errstate(over="ignore", invalid="ignore")  # with a rate far too large, the loss ends as infinity or NaN
def train_with_numpy(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with nothing but NumPy; return the mean loss of each epoch."""
    weights = model.get_weights()
    x, y, rate = x.astype(weights[0].dtype), y.astype(weights[0].dtype), weights[0].dtype.type(learning_rate)
    history = []
    for _ in range(epochs):
        total = 0.0
        for start in range(0, len(x), batch_size):
            xb, yb = x[start : start + batch_size], y[start : start + batch_size]
            total += mean_squared_error(weights, xb, yb) * len(xb)  # a mean over the batch's rows
            gradients = by_chain_rule(weights, xb, yb)
            weights = [array - rate * slope for array, slope in zip(weights, gradients, strict=True)]
        history.append(float(total / len(x)))
    model.set_weights(weights)
    return history


def train_by_hand(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with a loop around ``tf.GradientTape``; return the loss of each epoch."""
    optimizer = keras.optimizers.SGD(learning_rate)  # [1] the optimizer
    loss_function = keras.losses.MeanSquaredError()  # [2] the loss
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
        loss=keras.losses.MeanSquaredError(),  # [2]
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
    from companion.report.lesson2 import main

    raise SystemExit(main())
