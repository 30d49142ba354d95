"""What submissions are graded on: ``assignment.toml``, read and checked."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from companion.errors import UserError
from companion.grading.criteria import CRITERIA
from companion.grading.limits import RANGES, Limits

ROWS = 22  # of the problem that submissions are graded on
MOST_EPOCHS = 20


@dataclass(frozen=True)
class Assignment:
    """What submissions are graded on.

    Attributes
    ----------
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

    title: str
    epochs: int
    batch_size: int
    maximum: float
    points: dict[str, float]
    limits: Limits

    @property
    def setting(self) -> str:
        """Say in a sentence what a submission is run on."""
        return (
            "Graded on a small network with a penalty, dropout, batch normalization and a constraint, and "
            f"on {ROWS} rows drawn anew, in batches of {self.batch_size}, for {self.epochs} epochs: made so "
            "that every mistake shows. To run one like it: python -m companion.check LESSON FILE --problem "
            "revealing"
        )


def own_assignment(lesson: int) -> Path:
    """Give the file that comes with a lesson: in a checkout beside the package, once installed inside it."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "lessons"
    folder = inside if inside.is_dir() else package.parent / "lessons"
    return folder / f"lesson{lesson}" / "assignment.toml"


def read_assignment(path: Path) -> Assignment:
    """Read and check an assignment.

    Parameters
    ----------
    path : Path
        Of a TOML file.

    Returns
    -------
    Assignment

    Raises
    ------
    UserError
        With the line, if something in it is unknown, missing, out of range, or does not add up.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{str(path)!r} cannot be read ({error}); name a TOML file in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not TOML: {error}") from None
    reader = _Reader(path, text)
    reader.know(content, {"title", "epochs", "batch_size", "maximum", "points", "limits"}, "")
    points, limits = reader.table(content, "points"), reader.table(content, "limits")
    reader.know(points, set(CRITERIA), "points")
    reader.know(limits, set(RANGES), "limits")
    title = content.get("title", "")
    if not isinstance(title, str):
        raise reader.error("title", "", f"is {title!r}: it must be a text in quotes")
    assignment = Assignment(
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


def _check_sum(assignment: Assignment, reader: "_Reader") -> None:
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


class _Reader:
    """Reads values, and finds their lines to complain about."""

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.lines = path, text.splitlines()

    def error(self, key: str, table: str, told: str) -> UserError:
        line = self.line(key, table)
        where = f", line {line}" if line else ""
        return UserError(f"{self.path}{where}: {key} {told}")

    def line(self, key: str, table: str) -> int | None:
        """Find the line of a key in a table; "" is what stands before the first."""
        inside = ""
        for number, line in enumerate(self.lines, start=1):
            if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line):
                inside = header[1].strip("\"'")
                if inside == key and not table:
                    return number
            quoted = rf"\s*({re.escape(table)}\.)?[\"']?{re.escape(key)}[\"']?\s*[.=]"
            if inside in (table, "") and re.match(quoted, line):
                return number
        return None

    def know(self, content: dict[str, Any], known: set[str], table: str) -> None:
        for key in content:
            if key not in known:
                what = f"of [{table}]" if table else "of an assignment"
                raise self.error(key, table, f"is no key {what}: there are {', '.join(sorted(known))}")

    def table(self, content: dict[str, Any], name: str) -> dict[str, Any]:
        value = content.get(name, {})
        if not isinstance(value, dict):
            raise self.error(name, "", f"is {value!r}: it must be a table, [{name}]")
        return value

    def number(
        self, content: dict[str, Any], key: str, table: str, least: float, most: float, *, whole: bool = False
    ) -> Any:
        if key not in content:
            where = f" in [{table}]" if table else ""
            raise UserError(f"{self.path}: {key} is missing{where}: add a number from {least:g} to {most:g}")
        value = content[key]
        is_number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not (is_number and least <= value <= most):
            kind = "whole number" if whole else "number"
            raise self.error(key, table, f"is {value!r}: it must be a {kind} from {least:g} to {most:g}")
        return value
