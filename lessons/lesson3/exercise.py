"""Exercises of lesson 3: the training loop, and the three of the lesson's page.

Copy this file, fill in the functions, one after the other, and run

    python -m companion.check lesson3 exercise.py

as often as you like. It runs each function and says what is right, what is not and why; what still
raises NotImplementedError is "not done yet".
"""

from companion import lesson3

import keras
import numpy as np
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    """Train `model` with a loop of your own, so that it does what these two lines do, bit for bit.

        model.compile(keras.optimizers.SGD(learning_rate), keras.losses.BinaryCrossentropy())
        model.fit(x, y, batch_size=batch_size, epochs=epochs, shuffle=False)

    In each epoch go through the rows as they stand, `batch_size` at a time; the last batch may be short.
    For each batch:

    1. forward: inside a ``tf.GradientTape``, call the model with ``training=True``, and compute the loss;
    2. if layers have penalties, they are in ``model.losses``: they belong to the loss too;
    3. gradient: of the loss, for all of ``model.trainable_variables``;
    4. update: one step of one SGD optimizer, made once before the epochs;
    5. record: the loss as it was before the update.

    Without ``tf.function`` the last bit can come out differently: such a loop is "close", and as good.

    Parameters
    ----------
    model : keras.Model
        Built, with its initial weights, not compiled. Train it in place. It is not always the lesson's:
        it may have dropout, batch normalization, a penalty or a constraint.
    x : ndarray of shape (n, 8)
        The inputs.
    y : ndarray of shape (n, 1)
        The labels, 0 or 1.
    learning_rate : float
        Size of a step.
    batch_size : int
        Rows an update.
    epochs : int
        Passes over the data.

    Returns
    -------
    list of float
        For each epoch the mean loss of its rows, so that a short batch counts by its rows.
    """
    raise NotImplementedError("not done yet")


def loss_of_one(truth, probability):
    """Compute the binary cross-entropy of a single answer, without calling Keras.

    The page asks for truth 0 and probability 0.2. Which of the two terms of the formula is left there?

    Parameters
    ----------
    truth : float
        0.0 or 1.0.
    probability : float
        What the network answers: between 0 and 1, not 0 or 1 itself.

    Returns
    -------
    float
    """
    raise NotImplementedError("not done yet")


def final_losses(rates, epochs):
    """Train the lesson's network from the same start at each learning rate; give the last losses.

    ``lesson3.load_data``, ``lesson3.build_model`` and ``lesson3.train_by_hand``, or your own train, are
    all you need; all 576 rows make one batch. The page asks for rates 0.05, 0.1 and 0.3 and 2000 epochs:
    which is lowest? (You are checked with fewer epochs.)

    Parameters
    ----------
    rates : list of float
        The learning rates.
    epochs : int
        Passes over the data.

    Returns
    -------
    list of float
        For each rate, the loss of the last epoch.
    """
    raise NotImplementedError("not done yet")


def train_longer(epochs):
    """Train the lesson's network at rate 0.1; say how it does on the rows it has not seen.

    ``companion.datasets.diabetes`` gives the rows to train on and those to test on. The page compares 5000
    epochs with 2000: does the loss still fall, and does the accuracy rise with it? (You are checked
    with fewer epochs.)

    Parameters
    ----------
    epochs : int
        Passes over the data.

    Returns
    -------
    loss : float
        Of the last epoch.
    accuracy : float
        The share of the 192 test rows, from 0 to 1, on which the trained network is right: on the right
        side of one half.
    """
    raise NotImplementedError("not done yet")


if __name__ == "__main__":
    print("loss of 0.2 where 0 is true:", loss_of_one(0.0, 0.2))
    print("final losses:", final_losses([0.05, 0.1, 0.3], 2000))
    print("after 2000 epochs:", train_longer(2000))
    print("after 5000 epochs:", train_longer(5000))
