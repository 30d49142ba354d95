"""What submissions are graded on: ``assignment.toml``, read and checked."""

from dataclasses import dataclass
from pathlib import Path

from companion.grade.marking.grade import CRITERIA
from companion.grade.sandbox.limits import RANGES, Limits
from companion.terminal.formats import count_of
from companion.terminal.toml_file import TomlFile

ROWS = 22  # of the problem that submissions are graded on
MOST_EPOCHS = 20
POINTS_OF = {"none": "no points", "half": "half of its points", "full": "all of its points"}
FOLLOW_UPS = {"none": 0.0, "half": 0.5, "full": 1.0}  # which share of its points a follow-up gives


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
    follow_ups : str
        A key of `FOLLOW_UPS`: what a criterion gives that depends on one that does not hold.
    packages : tuple of str
        What submissions may import beside the companion's own, as ``pip`` names them.
    """

    lesson: str
    title: str
    epochs: int
    batch_size: int
    maximum: float
    points: dict[str, float]
    limits: Limits
    follow_ups: str = "none"
    packages: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Return which share of its points a criterion gives that depends on one that does not hold."""
        return FOLLOW_UPS[self.follow_ups]

    @property
    def setting(self) -> str:
        """Return a sentence: what a submission is run on."""
        return (
            "Graded on a small network with a penalty, dropout, batch normalization and a constraint. It "
            f"trains on {ROWS} new random rows in batches of {self.batch_size} for "
            f"{count_of(self.epochs, 'epoch')}, so that every mistake shows. For a similar run: "
            f"python -m companion.check {self.lesson} FILE --problem revealing. What depends on a criterion "
            "that does not hold is not judged, and gives "
            f"{POINTS_OF[self.follow_ups]}."
        )


def read_assignment(path: Path, lesson: str) -> Assignment:
    """Read and check an assignment."""
    reader = TomlFile(path)
    content = reader.content
    known = {"title", "epochs", "batch_size", "maximum", "follow_ups", "packages", "points", "limits"}
    reader.know(content, known, "")
    points, limits = reader.table(content, "points"), reader.table(content, "limits")
    reader.know(points, set(CRITERIA), "points")
    reader.know(limits, set(RANGES), "limits")
    title = content.get("title", "")
    if not isinstance(title, str):
        raise reader.error("title", "", f"is {title!r}: it must be a text in quotes")
    follow_ups, packages = content.get("follow_ups", "none"), content.get("packages", [])
    if follow_ups not in FOLLOW_UPS:
        raise reader.error("follow_ups", "", f"is {follow_ups!r}: it must be one of {', '.join(FOLLOW_UPS)}")
    if not isinstance(packages, list) or not all(isinstance(one, str) and one for one in packages):
        raise reader.error("packages", "", f'is {packages!r}: it must be a list such as ["tqdm"]')
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
        follow_ups,
        tuple(packages),
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
