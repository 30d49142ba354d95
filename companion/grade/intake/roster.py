"""Who should have handed in something: a list of students as CSV."""

import csv
import io
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from companion.errors import UserError
from companion.grade.clean_text import one_line

IDS = ("id", "sid", "student id", "username", "sis login id", "sis user id", "email", "email address")
NAMES = ("name", "student", "full name", "student name")


def read_roster(path: Path) -> dict[str, str]:
    """Read a roster."""
    rows = rows_of_csv(read_csv_text(path))
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
        student = unicodedata.normalize("NFC", student)
        if not student:
            raise UserError(f"{path}, line {number}: there is no id; fill it in or take the row out")
        if student in students:
            raise UserError(f"{path}, line {number}: {student!r} comes twice; take one of the rows out")
        name = row[of_name] if of_name is not None and of_name < len(row) else ""
        if "\n" in name or "\n" in student:
            raise UserError(f"{path}, line {number}: a name goes over several lines: is a quote missing?")
        students[student] = one_line(name)
    return students


ROSTER = "roster.csv"  # in the folder of the grades
ENCODINGS = ("utf-8-sig", "cp1252")  # tried in turn: that of most files, and that of Excel in the west
SEPARATORS = ",;\t"


def as_roster(students: Mapping[str, str]) -> bytes:
    """Write a roster, for later runs."""
    page = io.StringIO()
    csv.writer(page).writerows([("id", "name"), *students.items()])
    return page.getvalue().encode()


def read_csv_text(path: Path) -> str:
    """Read a CSV file as text, with its line ends as they are."""
    try:
        return path.read_bytes().decode(encoding_of(path))
    except OSError as error:
        raise UserError(f"{str(path)!r} cannot be read ({error.strerror}): name a CSV file") from None


def encoding_of(path: Path) -> str:
    """Return in which of `ENCODINGS` a CSV file is written."""
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{str(path)!r} is in UTF-16: save it as CSV in UTF-8")
    for encoding in ENCODINGS:
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    raise UserError(f"{str(path)!r} cannot be read: save it as CSV in UTF-8")


def separator_of(text: str) -> str:
    """Return what stands between the cells of the first row: a comma, a semicolon or a tab."""
    first = re.sub(r'"[^"]*"', "", text.partition("\n")[0])
    return max(SEPARATORS, key=first.count)


def rows_of_csv(text: str) -> list[list[str]]:
    """Return the rows of a CSV file, whatever stands between its cells, and however its lines end."""
    try:
        return list(csv.reader(io.StringIO(text, newline=None), delimiter=separator_of(text)))
    except csv.Error as error:
        raise UserError(f"a CSV file cannot be read ({error}): is a quote missing? Save it anew") from None
