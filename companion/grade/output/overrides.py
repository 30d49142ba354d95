"""Grades that an instructor has changed by hand."""

from pathlib import Path

from companion.errors import UserError
from companion.grade.intake.roster import read_csv_text, rows_of_csv
from companion.grade.marking.assignment import Assignment
from companion.grade.marking.grade import CRITERIA, Override

FILE = "overrides.csv"
COLUMNS = "id,score,reason"


def read_overrides(path: Path, assignment: Assignment) -> dict[str, Override]:
    """Read the file if it is there: a score for a student, or points for some criteria, or both."""
    if not path.exists():
        return {}
    rows = rows_of_csv(read_csv_text(path))
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    if "id" not in header or not {"score", "as", *CRITERIA} & set(header):
        raise UserError(
            f"{path}, line 1: the columns must be {COLUMNS}, or criteria such as updates in place of score; "
            f"they are {','.join(header) or 'none'}"
        )
    twice = [name for name in header if name and header.count(name) > 1]
    if twice:
        raise UserError(f"{path}, line 1: the column {twice[0]!r} comes twice; take one out")
    found: dict[str, Override] = {}
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        cells = dict(zip(header, (cell.strip() for cell in row), strict=False))
        student, text = cells.get("id", ""), cells.get("score", "")
        if "zero" in (text.lower(), cells.get("as", "").lower()):
            text = "0"
        where = f"{path}, line {number}"
        points = {
            name: _number(cells[name], 2 * assignment.points[name], f"{where}: {name}")
            for name in CRITERIA
            if cells.get(name)
        }
        score = None
        if text or not points:
            score = _number(text, 2 * assignment.maximum, f"{where}: score")
        if not student:
            raise UserError(f"{where}: there is no id; fill it in or take the row out")
        if student in found:
            raise UserError(f"{where}: {student!r} comes twice; take one of the rows out")
        found[student] = Override(score, cells.get("reason", ""), points)
    return found


def _number(text: str, most: float, what: str) -> float:
    try:
        value = -1.0 if "_" in text else float(text.replace(",", "."))
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise UserError(
            f"{what} is {text!r}: it must be zero or a number up to {most / 2:g} (bonus: up to {most:g})"
        )
    return value
