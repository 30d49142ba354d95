"""The lessons: what each is about, its own settings, and where its files are. No TensorFlow here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Lesson:
    """What commands must know of a lesson before its file, which imports TensorFlow, is loaded.

    Attributes
    ----------
    title : str
        What it is about.
    shows : str
        What only this lesson shows.
    rows : str
        What it trains on, and in which batches.
    page : str
        The page that it follows.
    learning_rate, epochs, hidden, dtype : float, int, int and str
        Its own settings; `hidden` is 0 where there can be no hidden units.
    batch_size : int or None
        Rows per update; None for all.
    shuffle : bool
        As for ``.fit``.
    loss : str
        The class's name in ``keras.losses``.
    exercises_at : mapping of str to value, optional
        The settings with which the exercises of its page are; None where it has none.
    activity : str
        What is played in its page of `companion.live`.
    dial : pair of float
        The lowest and the highest learning rate there.
    """

    title: str
    shows: str
    rows: str
    page: str
    learning_rate: float
    epochs: int
    hidden: int
    dtype: str
    batch_size: int | None
    shuffle: bool
    loss: str
    activity: str
    dial: tuple[float, float]
    exercises_at: Mapping[str, Any] | None = None


LESSONS = {
    "lesson1": Lesson(
        title="one neuron, pass or fail",
        shows="a loop turned into a .fit call, and back",
        rows="4 students in one batch",
        page="a chapter on gradient descent and backpropagation",
        learning_rate=0.1,
        epochs=2000,
        hidden=0,
        dtype="float64",
        batch_size=None,
        shuffle=False,
        loss="BinaryCrossentropy",
        activity="the ball on the loss surface",
        dial=(0.01, 1.0),
    ),
    "lesson2": Lesson(
        title="four pixels, 31 parameters",
        shows="every gradient three ways, one update",
        rows="one image of 4 pixels",
        page="a section on gradient descent, from a course that builds this network by hand",
        learning_rate=0.1,
        epochs=200,
        hidden=3,
        dtype="float64",
        batch_size=None,
        shuffle=False,
        loss="MeanSquaredError",
        activity="the gradient flows",
        dial=(0.01, 10.0),
    ),
    "lesson3": Lesson(
        title="gradient descent on diabetes",
        shows="NumPy, a GradientTape loop and .fit",
        rows="576 patients in one batch",
        page="Lesson 3, Gradient Descent for Neural Networks, at datatweets.com",
        learning_rate=0.1,
        epochs=2000,
        hidden=16,
        dtype="float64",
        batch_size=None,
        shuffle=False,
        loss="BinaryCrossentropy",
        exercises_at={"epochs": 2000, "hidden": 16, "seed": 0, "dtype": "float64"},
        activity="inside one call of .fit",
        dial=(0.01, 10.0),
    ),
    "lesson4": Lesson(
        title="the learning-rate dial",
        shows="two moons, shuffled batches of 32, six rates",
        rows="200 points in shuffled batches of 32",
        page="a module on gradient descent in practice, of a course on neural networks",
        learning_rate=0.1,
        epochs=200,
        hidden=8,
        dtype="float32",
        batch_size=32,
        shuffle=True,
        loss="BinaryCrossentropy",
        activity="the learning-rate dial",
        dial=(0.001, 100.0),
    ),
    "lesson5": Lesson(
        title="handwritten digits, 13,002 parameters",
        shows="MNIST, accuracy beside loss",
        rows="60,000 digits in shuffled batches of 32",
        page="a post on gradient descent, from a series on neural networks",
        learning_rate=0.1,
        epochs=3,
        hidden=16,
        dtype="float32",
        batch_size=32,
        shuffle=True,
        loss="SparseCategoricalCrossentropy",
        activity="your own digit",
        dial=(0.001, 10.0),
    ),
}
FIRST_TO_LAST = f"{min(LESSONS)} to {max(LESSONS)}"


def course_file(*names: str) -> Path:
    """Return the path of a file below ``lessons/``: in a checkout, or inside the package once installed."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "lessons"
    return (inside if inside.is_dir() else package.parent / "lessons").joinpath(*names)


def lesson_file(lesson: int | str, name: str) -> Path:
    """Return the path of a file in a lesson's folder."""
    return course_file(f"lesson{str(lesson).removeprefix('lesson')}", name)
