"""Who should have handed in something: a list of students as CSV."""

import csv
import io
from pathlib import Path

from companion.errors import UserError

IDS = ("id", "sid", "student id", "username", "sis login id", "sis user id", "email", "email address")
NAMES = ("name", "student", "full name", "student name")


def read_roster(path: Path) -> dict[str, str]:
    """Read a roster."""
    rows = list(csv.reader(io.StringIO(read_csv_text(path))))
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    columns = [next((header.index(name) for name in names if name in header), None) for names in (IDS, NAMES)]
    of_id, of_name = columns
    if of_id is None:
        raise UserError(f"{path}, line 1: there is no column 'id'; there are {', '.join(header) or 'none'}")
    students: dict[str, str] = {}
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        student = row[of_id].strip() if of_id < len(row) else ""
        if not student:
            raise UserError(f"{path}, line {number}: there is no id; fill it in or take the row out")
        if student in students:
            raise UserError(f"{path}, line {number}: {student!r} comes twice; take one of the rows out")
        students[student] = row[of_name].strip() if of_name is not None and of_name < len(row) else ""
    return students


def read_csv_text(path: Path) -> str:
    """Read a CSV file as text, with its line ends as they are."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{str(path)!r} cannot be read ({error}): save it as CSV in UTF-8") from None
