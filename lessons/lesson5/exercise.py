"""Exercise of lesson 5: the training loop, for ten answers.

Copy this file, fill in the function, and run

    python -m companion.check lesson5 exercise.py

as often as you like. It runs your loop and says what is right, what is not and why; as long as it
raises NotImplementedError it is "not done yet". You are checked on the first 300 digits, so that it
is quick.
"""

from companion import lesson5

import keras
import numpy as np
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    """Train `model` with a loop of your own, so that it does what these two lines do, bit for bit.

        model.compile(keras.optimizers.SGD(learning_rate), keras.losses.SparseCategoricalCrossentropy())
        model.fit(x, y, batch_size=batch_size, epochs=epochs, shuffle=True)

    The labels are digits, not rows of ten zeros and ones: that is what "sparse" means.

    A seed is set before `train` is called. Under it ``.fit`` draws one order of the rows and keeps it in
    every epoch. That order is yours for the asking, and asking changes nothing for what comes later:

        from companion.batches import order_of_fit
        order = order_of_fit(len(x))
        x, y = x[order], y[order]

    Or take the batches as they are, shuffled and cut; go through them once an epoch:

        from companion.batches import batches_of_fit
        batches = batches_of_fit(x, y, batch_size, shuffle=True)

    In each epoch go through the rows in this order, `batch_size` at a time; keep the short last batch.
    For each batch:

    1. forward: inside a ``tf.GradientTape``, call the model with ``training=True``, and compute the loss;
    2. if layers have penalties, they are in ``model.losses``: they belong to the loss too;
    3. gradient: of the loss, for all of ``model.trainable_variables``;
    4. update: one step of one SGD optimizer, made once before the epochs;
    5. record: the loss as it was before the update, times the rows of the batch.

    The lesson counts the right answers beside that. Here the losses are enough.

    Without ``tf.function`` the last bit can come out differently: such a loop is "close", and as good.

    Parameters
    ----------
    model : keras.Model
        Built, with its initial weights, not compiled. Train it in place. It is not always the lesson's:
        it may have dropout, batch normalization, a penalty or a constraint.
    x : ndarray of shape (n, 784)
        The images, float32, from 0, the paper, to 1, the ink.
    y : ndarray of shape (n,)
        Which digit, int64, from 0 to 9.
    learning_rate : float
        Size of a step.
    batch_size : int
        Rows an update. It need not divide n, though 32 divides the lesson's 60,000.
    epochs : int
        Passes over the data.

    Returns
    -------
    list of float
        For each epoch the mean loss of its rows, so that a short batch counts by its rows.
    """
    raise NotImplementedError("not done yet")


if __name__ == "__main__":
    x, y = lesson5.load_data()
    losses = train(lesson5.build_model(), x, y, learning_rate=0.1, batch_size=32, epochs=1)
    print("loss of the first epoch:", losses[0], "(.fit reports 0.428537)")
