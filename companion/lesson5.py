"""Lesson 5: handwritten digits, 13,002 parameters.

A network learns to read digits. It has 784 pixels in, two layers of 16, and ten answers out. It
is trained on 60,000 images in shuffled batches of 32. By hand and by ``.fit``, the loss, the
accuracy and all 13,002 parameters come out the same. Before the training, the lesson looks at one
parameter alone: the loss along it, its slope, and a step down. After the training, it looks at
the gradient, which is the slope in all 13,002 directions at once, and at the gradient's length.

"The page" is a post on gradient descent from a series on neural networks. The network comes from
it. The post names no settings: this lesson chose ReLU, softmax, batches of 32, three epochs and
the learning rate.

Run it with ``python -m companion.lesson5``; ``--help`` lists the options.
"""

import keras
import numpy as np
import tensorflow as tf

from companion.batches import batches_of_fit
from companion.datasets import digits

LEARNING_RATE = 0.1
EPOCHS = 3
HIDDEN = 16
BATCH_SIZE = 32


def load_data() -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels of 60,000 digits, from 0 to 1, (60000, 784), and which digit each is, (60000,)."""
    return digits()[0]


def build_model(seed: int = 0, hidden: int = HIDDEN) -> keras.Model:
    """Build the network, not yet compiled; the global seed decides its weights, and the order of the rows."""
    keras.utils.set_random_seed(seed)
    first, second = (keras.layers.Dense(hidden, activation="relu") for _ in range(2))
    return keras.Sequential(
        [keras.Input((784,)), first, second, keras.layers.Dense(10, activation="softmax")]
    )


def train_by_hand(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with a loop around ``tf.GradientTape``; return the loss of each epoch."""
    optimizer = keras.optimizers.SGD(learning_rate)  # [1] the optimizer
    loss_function = keras.losses.SparseCategoricalCrossentropy()  # [2] the loss, and the accuracy beside it
    batches = batches_of_fit(x, y, batch_size, shuffle=True)  # [3] the batches, shuffled

    @batches.compiled  # [4] a tf.function, traced for batches of these shapes
    def step(xb: tf.Tensor, yb: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            probabilities = model(xb, training=True)
            loss = loss_function(yb, probabilities)  # [5] forward
        gradients = tape.gradient(loss, model.trainable_variables)  # [6] gradient
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))  # [7] update
        right = keras.metrics.sparse_categorical_accuracy(yb, probabilities)  # 1 or 0 for each row
        return loss, tf.reduce_sum(right)  # both as before the update

    history, accuracies = [], []
    for _ in range(epochs):  # [8] the epochs
        total = total_right = 0
        for xb, yb in batches:
            loss, right = step(xb, yb)
            total += loss.numpy() * len(xb)  # a batch's loss is a mean over its rows
            total_right += right.numpy()
        history.append(float(total / len(x)))  # [9] record
        accuracies.append(float(total_right / len(x)))
    model.accuracies = accuracies  # .fit leaves them in model.history
    return history


def train_with_fit(
    model: keras.Model, x: np.ndarray, y: np.ndarray, *, learning_rate: float, batch_size: int, epochs: int
) -> list[float]:
    """Train `model` with ``model.fit``; return the loss of each epoch."""
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),  # [1]
        loss=keras.losses.SparseCategoricalCrossentropy(),  # [2]
        metrics=["accuracy"],
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
    from companion.report.lesson5 import main

    raise SystemExit(main())
