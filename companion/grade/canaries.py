"""The two loops that are graded before all others: one is right, and one has a mistake that is known.

Where they do not get what they must, the grader, the sandbox or the machine is at fault.
"""

from companion.grade.marking.grade import RIGHT, Grade
from companion.terminal.lesson_list import LESSONS

FILE = "canary.py"
MISTAKE = "sum-instead-of-mean"
LOOP = """
import keras
import tensorflow as tf
from companion.batches import batches_of_fit


def train(model, x, y, *, learning_rate, batch_size, epochs):
    optimizer = keras.optimizers.SGD(learning_rate)
    loss_function = keras.losses.{loss}(reduction="{reduction}")
    batches = batches_of_fit(x, y, batch_size, shuffle={shuffle})
    history = []
    for _ in range(epochs):
        mean = keras.metrics.Mean()
        for xb, yb in batches:
            with tf.GradientTape() as tape:
                loss = loss_function(yb, model(xb, training=True)) + sum(model.losses)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables))
            mean.update_state(loss, sample_weight=len(xb))
        history.append(float(mean.result()))
    return history
"""


def canaries(number: int) -> tuple[str, str]:
    """Return the text of the loop that is right on a lesson's problem, and that of the mistaken one."""
    lesson = LESSONS[f"lesson{number}"]
    right, mistaken = (
        LOOP.format(loss=lesson.loss, shuffle=lesson.shuffle, reduction=reduction)
        for reduction in ("sum_over_batch_size", "sum")
    )
    return right, mistaken


def told_wrongly(right: Grade, mistaken: Grade) -> str:
    """Return what is wrong with the grades of the two; "" if they are as they must be."""
    wrong = [one for one in right.criteria if one.state != RIGHT]
    if wrong:
        return f"a right loop does not get full marks here: {wrong[0].told or wrong[0].name}"
    names = [one.name for one in mistaken.mistakes]
    if names != [MISTAKE] or all(one.state == RIGHT for one in mistaken.criteria):
        return (
            f"a loop that adds up its losses is judged otherwise here: {', '.join(names) or mistaken.status}"
        )
    return ""
