"""Which lessons there are, and where their files are: in a checkout, or inside the package once installed."""

from pathlib import Path

LESSONS = ("lesson1", "lesson2", "lesson3", "lesson4", "lesson5")


def course_file(*names: str) -> Path:
    """Give the path of a file below ``lessons/``."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "lessons"
    return (inside if inside.is_dir() else package.parent / "lessons").joinpath(*names)


def lesson_file(lesson: int | str, name: str) -> Path:
    """Give the path of a file in a lesson's folder.

    Parameters
    ----------
    lesson : int or str
        Such as 3 or "lesson3".
    name : str
        Such as "quiz.toml".
    """
    return course_file(f"lesson{str(lesson).removeprefix('lesson')}", name)
