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
        What it is about, as its report says.
    about : str
        The same for the index, with what only this lesson shows.
    learning_rate, epochs, hidden, dtype : float, int, int and str
        Its own settings; `hidden` is 0 where there can be no hidden units.
    batch_size : int or None
        Rows an update; None for all.
    shuffle : bool
        As for ``.fit``.
    loss : str
        The class's name in ``keras.losses``.
    exercises_at : mapping of str to value, optional
        The settings with which the exercises of its page are; None where it has none.
    dial : pair of float, optional
        The lowest and the highest learning rate of its live dial; None where it has none.
    """

    title: str
    about: str
    learning_rate: float
    epochs: int
    hidden: int
    dtype: str
    batch_size: int | None
    shuffle: bool
    loss: str
    exercises_at: Mapping[str, Any] | None = None
    dial: tuple[float, float] | None = None


LESSONS = {
    "lesson1": Lesson(
        "one neuron, pass or fail",
        "one neuron, pass or fail: a loop and a .fit call, each as the other",
        *(0.1, 2000, 0, "float64"),
        *(None, False, "BinaryCrossentropy"),
    ),
    "lesson2": Lesson(
        "four pixels, 31 parameters",
        "four pixels, 31 parameters: every gradient three ways, one update",
        *(0.1, 200, 3, "float64"),
        *(None, False, "MeanSquaredError"),
    ),
    "lesson3": Lesson(
        "gradient descent on diabetes",
        "gradient descent on diabetes: NumPy, a GradientTape loop and .fit",
        *(0.1, 2000, 16, "float64"),
        *(None, False, "BinaryCrossentropy"),
        exercises_at={"epochs": 2000, "hidden": 16, "seed": 0, "dtype": "float64"},
    ),
    "lesson4": Lesson(
        "the learning-rate dial",
        "the learning-rate dial: two moons, shuffled batches of 32, six rates",
        *(0.1, 200, 8, "float32"),
        *(32, True, "BinaryCrossentropy"),
        dial=(0.001, 100.0),
    ),
    "lesson5": Lesson(
        "handwritten digits, 13,002 parameters",
        "handwritten digits, 13,002 parameters: MNIST, accuracy beside loss",
        *(0.1, 3, 16, "float32"),
        *(32, True, "SparseCategoricalCrossentropy"),
    ),
}
FIRST_TO_LAST = f"{min(LESSONS)} to {max(LESSONS)}"


def course_file(*names: str) -> Path:
    """Return the path of a file below ``lessons/``: in a checkout, or inside the package once installed."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "lessons"
    return (inside if inside.is_dir() else package.parent / "lessons").joinpath(*names)


def lesson_file(lesson: int | str, name: str) -> Path:
    """Return the path of a file in a lesson's folder.

    Parameters
    ----------
    lesson : int or str
        Such as 3 or "lesson3".
    name : str
        Such as "quiz.toml".
    """
    return course_file(f"lesson{str(lesson).removeprefix('lesson')}", name)
