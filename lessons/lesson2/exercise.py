"""Exercise of lesson 2: the training loop.

Copy this file, fill in the function, and run

    python -m companion.check lesson2 exercise.py

as often as you like. It runs the function and says what is right, what is not and why; what still raises
NotImplementedError is "not done yet".
"""

from companion import lesson2

import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    """Train `model` with a loop of your own, so that it does what these two lines do, bit for bit.

        model.compile(keras.optimizers.SGD(learning_rate), keras.losses.MeanSquaredError())
        model.fit(x, y, batch_size=batch_size, epochs=epochs, shuffle=False)

    In each epoch go through the rows as they stand, `batch_size` at a time; the last batch may be short.
    For each batch:

    1. forward: inside a ``tf.GradientTape``, call the model with ``training=True``, and compute the loss,
       the mean over the rows and over the four outputs;
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
    x : ndarray of shape (n, 4)
        The inputs. The lesson's is one image, a row of four pixels.
    y : ndarray of shape (n, 4)
        The targets, four numbers a row. The lesson's are the pixels of the flipped image.
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
    model, (x, y) = lesson2.build_model(), lesson2.load_data()
    losses = train(model, x, y, learning_rate=0.1, batch_size=len(x), epochs=200)
    print("first and last loss:", losses[0], losses[-1])
    print("image:  ", x.ravel())
    print("answer: ", model(x).numpy().ravel().round(3))
    print("loss one update later:", float(tf.reduce_mean((model(x) - y) ** 2)))
