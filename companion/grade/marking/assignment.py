"""What submissions are graded on: ``assignment.toml``, read and checked."""

from dataclasses import dataclass
from pathlib import Path

from companion.grade.marking.grade import CRITERIA
from companion.grade.sandbox.limits import RANGES, Limits
from companion.terminal.toml_file import TomlFile

ROWS = 22  # of the problem that submissions are graded on
MOST_EPOCHS = 20


@dataclass(frozen=True)
class Assignment:
    """What submissions are graded on.

    Attributes
    ----------
    lesson : str
        Such as "lesson3".
    title : str
        For the pages.
    epochs, batch_size : int
        As ``train`` is called.
    maximum : float
        The sum of the points.
    points : dict of str to float
        By criterion.
    limits : Limits
        What a submission may use.
    """

    lesson: str
    title: str
    epochs: int
    batch_size: int
    maximum: float
    points: dict[str, float]
    limits: Limits

    @property
    def setting(self) -> str:
        """Return a sentence: what a submission is run on."""
        return (
            "Graded on a small network with a penalty, dropout, batch normalization and a constraint. It "
            f"trains on {ROWS} new random rows in batches of {self.batch_size} for {self.epochs} epochs, so "
            f"that every mistake shows. For a similar run: python -m companion.check {self.lesson} FILE "
            "--problem revealing"
        )


def read_assignment(path: Path, lesson: str) -> Assignment:
    """Read and check an assignment."""
    reader = TomlFile(path)
    content = reader.content
    reader.know(content, {"title", "epochs", "batch_size", "maximum", "points", "limits"}, "")
    points, limits = reader.table(content, "points"), reader.table(content, "limits")
    reader.know(points, set(CRITERIA), "points")
    reader.know(limits, set(RANGES), "limits")
    title = content.get("title", "")
    if not isinstance(title, str):
        raise reader.error("title", "", f"is {title!r}: it must be a text in quotes")
    assignment = Assignment(
        lesson,
        title,
        reader.number(content, "epochs", "", 1, MOST_EPOCHS, whole=True),
        reader.number(content, "batch_size", "", 1, ROWS, whole=True),
        reader.number(content, "maximum", "", 0, 1e6),
        {name: reader.number(points, name, "points", 0, 1e6) for name in CRITERIA},
        Limits(
            **{
                name: reader.number(limits, name, "limits", *between, whole=name != "seconds")
                for name, between in RANGES.items()
                if name in limits
            }
        ),
    )
    _check_sum(assignment, reader)
    return assignment


def _check_sum(assignment: Assignment, reader: TomlFile) -> None:
    total = sum(assignment.points.values())
    if abs(total - assignment.maximum) > 1e-9 or total <= 0:
        told = f"is {assignment.maximum:g}, but the points add up to {total:g}; change one of them"
        raise reader.error("maximum", "", told)
    if ROWS % assignment.batch_size == 0 and assignment.points["short_batch"]:
        told = (
            f"is {assignment.batch_size}, which leaves no short last batch of {ROWS} rows: set short_batch "
            "to 0 points, or take 8"
        )
        raise reader.error("batch_size", "", told)
