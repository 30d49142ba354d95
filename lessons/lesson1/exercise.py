"""Exercise of lesson 1: the training loop.

Copy this file, fill in the function, and run

    python -m companion.check lesson1 exercise.py

as often as you like. It runs the function and says what is right, what is not and why; what still raises
NotImplementedError is "not done yet".
"""

from companion import lesson1

import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    """Train `model` with a loop of your own, so that it does what these two lines do, bit for bit.

        model.compile(keras.optimizers.SGD(learning_rate), keras.losses.BinaryCrossentropy())
        model.fit(x, y, batch_size=batch_size, epochs=epochs, shuffle=False)

    The loss is Keras' own here, without the 1e-9 of the lesson's page. In each epoch go through the rows as
    they stand, `batch_size` at a time; the last batch may be short. For each batch:

    1. forward: inside a ``tf.GradientTape``, call the model with ``training=True``, and compute the loss;
    2. if layers have penalties, they are in ``model.losses``: they belong to the loss too;
    3. gradient: of the loss, for all of ``model.trainable_variables``;
    4. update: one step of one SGD optimizer, made once before the epochs;
    5. record: the loss as it was before the update.

    Without ``tf.function`` the last bit can come out differently: such a loop is "close", and as good.

    Parameters
    ----------
    model : keras.Model
        Built, with its initial weights, not compiled. Train it in place. It is not always the lesson's
        neuron: it may have more layers, dropout, batch normalization, a penalty or a constraint.
    x : ndarray of shape (n, 2)
        The inputs. The lesson's: hours of study, hours of sleep.
    y : ndarray of shape (n, 1)
        The labels: 1 for a pass, 0 for a fail.
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


if __name__ == "__main__":
    keras.config.set_floatx("float64")  # as the lesson
    model, (x, y) = lesson1.build_model(), lesson1.load_data()
    losses = train(model, x, y, learning_rate=0.1, batch_size=len(x), epochs=2000)
    print("first and last loss:", losses[0], losses[-1])
    print("answers:", model(x).numpy().ravel())
    print("loss one update later:", float(tf.reduce_mean(keras.losses.binary_crossentropy(y, model(x)))))
