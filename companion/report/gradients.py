"""The gradient of a small network, three ways: by wiggling, by the chain rule, by ``tf.GradientTape``.

The network has one hidden layer of ReLU units and linear outputs; its weights are the four
arrays ``[W1, b1, W2, b2]`` of ``model.get_weights()``, a row of ``W1`` an input.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

WIGGLE = 1e-4

Arrays = Sequence[np.ndarray]


def forward(weights: Arrays, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take rows through the network: the hidden units before ReLU and after it, and the outputs.

    Parameters
    ----------
    weights : sequence of ndarray
        ``W1, b1, W2, b2``, of shapes (k, h), (h,), (h, m) and (m,).
    x : ndarray of shape (n, k)
        The rows.

    Returns
    -------
    z1, a1 : ndarray of shape (n, h)
    output : ndarray of shape (n, m)
    """
    w1, b1, w2, b2 = weights
    z1 = x @ w1 + b1
    a1 = np.maximum(z1, 0)
    return z1, a1, a1 @ w2 + b2


def mean_squared_error(weights: Arrays, x: np.ndarray, y: np.ndarray) -> float:
    """Give the mean over rows and outputs of the squared error: one forward pass."""
    return ((forward(weights, x)[2] - y) ** 2).mean()


def by_wiggling(weights: Arrays, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Work out each slope from the loss a little above and a little below: two forward passes a number.

    Parameters
    ----------
    weights, x, y
        As for `forward`; `y` has the shape of the outputs. Taken as float64.

    Returns
    -------
    list of ndarray of float64
        Shaped like `weights`. Exact but for rounding where the loss is quadratic within
        `WIGGLE` of a weight; at a corner of ReLU the mean of its two slopes.
    """
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
    """Go back from the loss to each weight: one forward pass, one backward pass.

    Parameters
    ----------
    weights, x, y
        As for `by_wiggling`, in any float type.

    Returns
    -------
    list of ndarray
        Shaped like `weights`.
    """
    z1, a1, output = forward(weights, x)
    d_output = 2 * (output - y) / y.size  # of a mean over rows and outputs
    dz1 = d_output @ weights[2].T * (z1 > 0)  # ReLU's slope: 1 above 0, and 0 below and at the corner
    return [x.T @ dz1, dz1.sum(axis=0), a1.T @ d_output, d_output.sum(axis=0)]


def by_tape(model: keras.Model, x: np.ndarray, y: np.ndarray) -> Callable[[], list[tf.Tensor]]:
    """Compile one forward pass under a tape, and one backward pass.

    Parameters
    ----------
    model : keras.Model
        Its weights may change between calls.
    x, y : ndarray
        As for `by_wiggling`; cast to the type of the model.

    Returns
    -------
    callable
        Without arguments; gives the gradient of the mean squared error, a tensor for each
        of the model's weights.
    """
    inputs, targets = (tf.constant(array, model.dtype) for array in (x, y))
    loss_function = keras.losses.MeanSquaredError(dtype=model.dtype)

    @tf.function
    def gradients() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = loss_function(targets, model(inputs))
        return tape.gradient(loss, model.trainable_variables)

    return gradients


def names_of(weights: Arrays) -> list[str]:
    """Name every number of a network of dense layers: "W1[0,2]", "b1[2]", counted from 0."""
    names = []
    for number, array in enumerate(weights):
        array_name = f"{'W' if array.ndim == 2 else 'b'}{number // 2 + 1}"
        names += [f"{array_name}[{','.join(map(str, index))}]" for index in np.ndindex(array.shape)]
    return names


def flat(arrays: Sequence[Any]) -> np.ndarray:
    """Put all numbers of some arrays one after the other, as float64."""
    return np.concatenate([np.asarray(array, dtype="float64").ravel() for array in arrays])
