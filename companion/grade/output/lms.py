"""Filling in a gradebook downloaded from Canvas, or a worksheet from Moodle: one column, nothing else."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from companion.errors import UserError
from companion.grade.intake.roster import read_csv_text
from companion.grade.marking.grade import Grade
from companion.grade.output.gradebook import harmless

MOODLE_IDS = ("identifier", "id number", "idnumber", "email address", "email", "username")
CANVAS_IDS = ("ID", "SIS User ID", "SIS Login ID")
FIELD = re.compile(r'"(?:[^"]|"")*"|[^",\r\n]*')


@dataclass
class Sheet:
    """A CSV file whose cells are kept as they are written, quotes and line ends too.

    Attributes
    ----------
    path : Path
        Of the file.
    rows : list of list of str
        The raw cells.
    ends : list of str
        What ends each row.
    mark : bool
        Whether it begins with a byte order mark.
    """

    path: Path
    rows: list[list[str]]
    ends: list[str]
    mark: bool

    def value(self, row: int, column: int) -> str:
        """Return a cell without its quotes."""
        cells = self.rows[row]
        raw = cells[column] if column < len(cells) else ""
        return raw[1:-1].replace('""', '"') if raw.startswith('"') else raw

    def put(self, row: int, column: int, text: str) -> None:
        """Fill in a cell; quoted where it must be, or where it was."""
        cells = self.rows[row]
        cells += [""] * (column + 1 - len(cells))
        page = io.StringIO()
        csv.writer(page, lineterminator="").writerow([text, ""])
        written = page.getvalue()[:-1]
        quoted = cells[column].startswith('"') and not written.startswith('"')
        cells[column] = f'"{written}"' if quoted else written

    def content(self) -> bytes:
        """Return the whole file."""
        lines = [",".join(row) + end for row, end in zip(self.rows, self.ends, strict=True)]
        return (b"\xef\xbb\xbf" if self.mark else b"") + "".join(lines).encode()


def read_sheet(path: Path) -> Sheet:
    """Read a CSV file."""
    text = read_csv_text(path)
    sheet = Sheet(path, [[]], [], path.read_bytes().startswith(b"\xef\xbb\xbf"))
    at = 0
    while at < len(text):
        field = FIELD.match(text, at)
        assert field is not None  # it matches nothing at the least
        sheet.rows[-1].append(field[0])
        at = field.end()
        end = re.compile(r"\r\n|\n|\r|,|$").match(text, at)
        if end is None:
            line = text.count("\n", 0, at) + 1
            raise UserError(f"{path}, line {line}: a quote is not allowed here; download the file again")
        at = end.end()
        if end[0] != ",":
            sheet.ends.append(end[0])
            sheet.rows.append([])
        elif at == len(text):
            sheet.rows[-1].append("")
    if sheet.rows[-1]:
        sheet.ends.append("")
    else:
        sheet.rows.pop()
    if not sheet.rows:
        raise UserError(f"{str(path)!r} is empty; download it again")
    return sheet


@dataclass(frozen=True)
class Target:
    """Which cells of a sheet are to be filled in.

    Attributes
    ----------
    sheet : Sheet
        As downloaded.
    column : int
        For the score.
    comments : int or None
        For the feedback.
    rows : dict of str to list of int
        The rows for each id or name that can stand for a student.
    locked : frozenset of int
        Rows that may not be changed.
    """

    sheet: Sheet
    column: int
    comments: int | None
    rows: dict[str, list[int]]
    locked: frozenset[int]


def canvas_target(path: Path, title: str | None, maximum: float) -> Target:
    """Find the column of an assignment in a gradebook from Canvas, and the students' rows."""
    sheet = read_sheet(path)
    header = [sheet.value(0, n).strip() for n in range(len(sheet.rows[0]))]
    if not {"Student", "ID"} <= set(header):
        raise UserError(f"{path} is no gradebook from Canvas: the columns Student and ID are missing")
    column = _canvas_column(path, header, title)
    rows: dict[str, list[int]] = {}
    for number in range(1, len(sheet.rows)):
        name = sheet.value(number, header.index("Student")).strip()
        if name == "Points Possible":
            _check_maximum(path, number, sheet.value(number, column), maximum)
        elif name and name != "Student, Test":
            keys = [sheet.value(number, header.index(key)).strip() for key in CANVAS_IDS if key in header]
            _enter(rows, [*keys, name], number)
    return Target(sheet, column, None, rows, frozenset())


def _canvas_column(path: Path, header: list[str], title: str | None) -> int:
    columns = {n: cell for n, cell in enumerate(header) if re.search(r"\(\d+\)$", cell)}
    if title is not None:
        columns = {
            n: cell for n, cell in columns.items() if title in (cell, re.sub(r"\s*\(\d+\)$", "", cell))
        }
    if len(columns) != 1:
        there = ", ".join(repr(cell) for cell in header if re.search(r"\(\d+\)$", cell)) or "none"
        raise UserError(f"{path}: which column is to be filled in? --column names one of {there}")
    return next(iter(columns))


def moodle_target(path: Path, maximum: float) -> Target:
    """Find the column of the grade in an offline worksheet from Moodle, and the students' rows."""
    sheet = read_sheet(path)
    header = [sheet.value(0, n).strip().lower() for n in range(len(sheet.rows[0]))]
    if "identifier" not in header or "grade" not in header:
        told = "the columns Identifier and Grade are missing"
        raise UserError(f"{path} is no grading worksheet from Moodle: {told}")
    rows: dict[str, list[int]] = {}
    locked = set()
    names = [name for name in (*MOODLE_IDS, "full name") if name in header]
    for number in range(1, len(sheet.rows)):
        keys = [sheet.value(number, header.index(name)).strip() for name in names]
        _enter(rows, [*keys, keys[0].removeprefix("Participant ").strip()], number)
        if "maximum grade" in header:
            _check_maximum(path, number, sheet.value(number, header.index("maximum grade")), maximum)
        changeable = "grade can be changed"
        if changeable in header and sheet.value(number, header.index(changeable)).strip().lower() == "no":
            locked.add(number)
    comments = header.index("feedback comments") if "feedback comments" in header else None
    return Target(sheet, header.index("grade"), comments, rows, frozenset(locked))


def _enter(rows: dict[str, list[int]], keys: Sequence[str], number: int) -> None:
    for key in dict.fromkeys(key for key in keys if key):
        rows.setdefault(key, []).append(number)


def _check_maximum(path: Path, row: int, text: str, maximum: float) -> None:
    try:
        theirs = float(text.strip().replace(",", "."))
    except ValueError:
        return  # blank, or "(read only)"
    if theirs != maximum:
        told = f"the highest score is {theirs:g}, but {maximum:g} in the assignment; make them the same"
        raise UserError(f"{path}, line {row + 1}: {told}")


def fill_in(target: Target, grades: Sequence[Grade], comment: Any) -> list[str]:
    """Fill in the scores of those that have one; return what could not be filled in, and why."""
    notes = []
    for grade in grades:
        rows = target.rows.get(grade.id) or target.rows.get(grade.name or "") or []
        if grade.score is None:
            continue
        if len(rows) != 1:
            why = "no row matches" if not rows else f"{len(rows)} rows match"
            notes.append(f"{grade.id}: not filled in, {why}")
        elif rows[0] in target.locked:
            notes.append(f"{grade.id}: not filled in, the grade may not be changed there")
        else:
            target.sheet.put(rows[0], target.column, f"{grade.score:.2f}")
            if target.comments is not None and not target.sheet.value(rows[0], target.comments).strip():
                target.sheet.put(rows[0], target.comments, harmless(comment(grade)))
    return notes
