"""Grades that an instructor has changed by hand."""

from pathlib import Path

from companion.errors import UserError
from companion.grade.intake.roster import read_csv_text, rows_of_csv
from companion.grade.marking.grade import Override

FILE = "overrides.csv"
COLUMNS = "id,score,reason"


def read_overrides(path: Path, maximum: float) -> dict[str, Override]:
    """Read the file if it is there."""
    if not path.exists():
        return {}
    rows = rows_of_csv(read_csv_text(path))
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    if "id" not in header or not {"score", "as"} & set(header):
        raise UserError(
            f"{path}, line 1: the columns must be {COLUMNS}; they are {','.join(header) or 'none'}"
        )
    found: dict[str, Override] = {}
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        cells = dict(zip(header, (cell.strip() for cell in row), strict=False))
        student, text = cells.get("id", ""), cells.get("score", "")
        if "zero" in (text.lower(), cells.get("as", "").lower()):
            text = "0"
        try:
            score = float(text.replace(",", "."))
        except ValueError:
            score = -1.0
        if not 0 <= score <= 2 * maximum:
            told = (
                f"score is {text!r}: it must be zero or a number to {maximum:g} (bonus: to {2 * maximum:g})"
            )
            raise UserError(f"{path}, line {number}: {told}")
        if not student:
            raise UserError(f"{path}, line {number}: there is no id; fill it in or take the row out")
        if student in found:
            raise UserError(f"{path}, line {number}: {student!r} comes twice; take one of the rows out")
        found[student] = Override(score, cells.get("reason", ""))
    return found
