"""Where the files of a lesson are: beside the package in a checkout, inside it once installed."""

from pathlib import Path


def lesson_file(lesson: int | str, name: str) -> Path:
    """Give the path of a file in a lesson's folder.

    Parameters
    ----------
    lesson : int or str
        Such as 3 or "lesson3".
    name : str
        Such as "quiz.toml".
    """
    package = Path(__file__).resolve().parent
    inside = package / "lessons"
    folder = inside if inside.is_dir() else package.parent / "lessons"
    return folder / f"lesson{str(lesson).removeprefix('lesson')}" / name
