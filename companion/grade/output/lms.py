"""Filling in a gradebook downloaded from Canvas, or a worksheet from Moodle: one column, nothing else."""

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from companion.errors import UserError
from companion.grade.intake.roster import encoding_of, read_csv_text, separator_of
from companion.grade.marking.grade import MISSING, Grade
from companion.grade.output.gradebook import harmless

IDENTITIES = 6  # columns at the beginning of a worksheet that may name a student
CANVAS_IDS = ("ID", "SIS User ID", "SIS Login ID")
EXCUSED, BLANK = "EX", ("", "-")
OURS = re.compile(r"[\d.,]+ of [\d.,]+ points")  # how a comment of ours begins
# How "no" begins the answer to "Grade can be changed" in Moodle's languages.
NO = {
    "no",
    "nein",
    "non",
    "nee",
    "nej",
    "nei",
    "não",
    "nie",
    "ne",
    "нет",
    "ні",
    "hay\u0131r",
    "ei",
    "いいえ",
    "否",
    "nem",
    "nu",
    "όχι",
}


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
    separator, encoding : str
        What stands between cells, and how the text is written.
    """

    path: Path
    rows: list[list[str]]
    ends: list[str]
    mark: bool
    separator: str = ","
    encoding: str = "utf-8"

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
        csv.writer(page, lineterminator="", delimiter=self.separator).writerow([text, ""])
        written = page.getvalue()[:-1]
        quoted = cells[column].startswith('"') and not written.startswith('"')
        cells[column] = f'"{written}"' if quoted else written

    def content(self) -> bytes:
        """Return the whole file."""
        lines = [self.separator.join(row) + end for row, end in zip(self.rows, self.ends, strict=True)]
        return (b"\xef\xbb\xbf" if self.mark else b"") + "".join(lines).encode(self.encoding, "replace")


def read_sheet(path: Path) -> Sheet:
    """Read a CSV file."""
    text = read_csv_text(path)
    separator, encoding = separator_of(text), encoding_of(path).removesuffix("-sig")
    sheet = Sheet(path, [[]], [], path.read_bytes().startswith(b"\xef\xbb\xbf"), separator, encoding)
    cell = re.compile(rf'"(?:[^"]|"")*"|[^"{separator}\r\n]*')
    after = re.compile(rf"\r\n|\n|\r|{separator}|$")
    at = 0
    while at < len(text):
        field = cell.match(text, at)
        assert field is not None  # it matches nothing at the least
        sheet.rows[-1].append(field[0])
        at = field.end()
        end = after.match(text, at)
        if end is None:
            line = text.count("\n", 0, at) + 1
            raise UserError(f"{path}, line {line}: a quote is not allowed here; download the file again")
        at = end.end()
        if end[0] != separator:
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
    ids : list of dict of str to list of int
        By column that may hold ids, the surest first: the rows of each.
    names : dict of str to list of int
        The rows for each name.
    locked : frozenset of int
        Rows that may not be changed.
    comma : bool
        Whether the sheet writes decimals with a comma.
    """

    sheet: Sheet
    column: int
    comments: int | None
    ids: list[dict[str, list[int]]]
    names: dict[str, list[int]]
    locked: frozenset[int]
    comma: bool = False

    def rows_for(self, students: Mapping[str, str]) -> dict[str, list[int]]:
        """Return the rows of each student, by id; `students` has their names by id.

        They are looked up in the column in which most are found, and there alone if their ids look like
        those in it: the number of one student may be another's in another column.
        """
        found = [sum(student in column for student in students) for column in self.ids]
        best = self.ids[found.index(max(found))]
        kinds = {_kind(student) for student in best} if max(found) else set()
        return {student: self._rows_of(student, name, best, kinds) for student, name in students.items()}

    def _rows_of(
        self, student: str, name: str, best: Mapping[str, list[int]], kinds: Collection[str]
    ) -> list[int]:
        if student in best or _kind(student) in kinds:
            return best.get(student, [])
        for column in (*self.ids, self.names):
            if student in column:
                return column[student]
        return self.names.get(name, [])


def _kind(student: str) -> str:
    """Return what an id looks like."""
    return "number" if student.isdigit() else "address" if "@" in student else "word"


def canvas_target(path: Path, title: str | None, maximum: float) -> Target:
    """Find the column of an assignment in a gradebook from Canvas, and the students' rows."""
    sheet = read_sheet(path)
    header = [sheet.value(0, n).strip() for n in range(len(sheet.rows[0]))]
    names = [header.index(name) for name in ("Student", "LastName", "FirstName") if name in header]
    if not names or "ID" not in header:
        raise UserError(f"{path} is no gradebook from Canvas: the columns Student and ID are missing")
    column = _canvas_column(path, header, title)
    ids: list[dict[str, list[int]]] = [{} for _ in CANVAS_IDS]
    by_name: dict[str, list[int]] = {}
    comma = False
    for number in range(1, len(sheet.rows)):
        cells = [sheet.value(number, n).strip() for n in names]
        keys = [sheet.value(number, header.index(key)).strip() if key in header else "" for key in CANVAS_IDS]
        if "Points Possible" in sheet.value(number, 0) and not any(keys):
            comma = "," in sheet.value(number, column)
            _check_maximum(path, number, sheet.value(number, column), maximum)
        elif any(cells) and any(keys) and cells != ["Student, Test"] and cells != ["Student", "Test"]:
            _enter(ids, keys, number)
            for name in {", ".join(cells), " ".join(reversed(cells))}:
                _enter([by_name], [name], number)
    return Target(sheet, column, None, ids, by_name, frozenset(), comma)


def _canvas_column(path: Path, header: list[str], title: str | None) -> int:
    columns = {n: cell for n, cell in enumerate(header) if re.search(r"\(\d+\)$", cell)}
    there = ", ".join(repr(cell) for cell in columns.values()) or "none"
    if title is not None:
        columns = {
            n: cell for n, cell in columns.items() if title in (cell, re.sub(r"\s*\(\d+\)$", "", cell))
        }
    if title is not None and not columns:
        raise UserError(f"--column {title!r}: {path} has no such column; name one of {there}")
    if len(columns) != 1:
        raise UserError(f"{path}: which column is to be filled in? --column names one of {there}")
    return next(iter(columns))


def moodle_target(path: Path, maximum: float | None) -> Target:
    """Find the column of the grade in an offline worksheet from Moodle, and the students' rows.

    Its words are in the language of the site. The number of the identifier and the order of columns stay:
    the grade, the highest grade, whether it can be changed, two times, the comment.
    """
    sheet = read_sheet(path)
    header = [sheet.value(0, n).strip().lower() for n in range(len(sheet.rows[0]))]
    column = _moodle_column(sheet, header)
    if column is None:
        told = "the columns Identifier and Grade are missing"
        raise UserError(f"{path} is no grading worksheet from Moodle: {told}")
    ids: list[dict[str, list[int]]] = [{} for _ in range(1 + min(column, IDENTITIES))]
    by_name: dict[str, list[int]] = {}
    locked, comma = set(), False
    for number in range(1, len(sheet.rows)):
        cells = [sheet.value(number, n).strip() for n in range(min(column, IDENTITIES))]
        _enter(ids, [re.sub(r"^\D+", "", cells[0]), *cells], number)
        _enter([by_name], [cells[1]], number)
        highest = sheet.value(number, column + 1)
        comma = comma or "," in highest
        if maximum is not None:
            _check_maximum(path, number, highest, maximum)
        if sheet.value(number, column + 2).strip().lower() in NO:
            locked.add(number)
    comments = column + 5 if len(header) > column + 5 else None
    if "feedback comments" in header:
        comments = header.index("feedback comments")
    return Target(sheet, column, comments, ids, by_name, frozenset(locked), comma)


def moodle_groups(target: Target, handed_in: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Return the members of each team in a worksheet, by the teams that have handed in something.

    The column of the group has another name in each language, so it is known by what stands in it.

    Parameters
    ----------
    target : Target
        Of the worksheet.
    handed_in : mapping of str to str
        The name in each submission, by its number.
    """
    sheet, found = target.sheet, dict[str, list[tuple[str, str]]]()
    rows = [
        [sheet.value(number, n).strip() for n in range(target.column)] for number in range(1, len(sheet.rows))
    ]
    students = {(re.sub(r"^\D+", "", cells[0]), cells[1]) for cells in rows}
    names = {name for number, name in handed_in.items() if (number, name) not in students}
    for cells in rows:
        group = next((cell for cell in cells[2:] if cell in names), None)
        if group is not None:
            found.setdefault(group, []).append((re.sub(r"^\D+", "", cells[0]), cells[1]))
    return found


def _moodle_column(sheet: Sheet, header: Sequence[str]) -> int | None:
    """Return the column of the grade: by its name, or before the one that has the same number in all rows."""
    if len(sheet.rows) < 2 or not re.search(r"\d$", sheet.value(1, 0).strip()):
        return None
    if "identifier" in header:
        return header.index("grade") if "grade" in header else None
    for column in reversed(range(2, len(header) - 1)):
        highest = {sheet.value(number, column + 1).strip() for number in range(1, len(sheet.rows))}
        if len(highest) == 1 and re.fullmatch(r"\d+[.,]\d\d", min(highest)):
            return column
    return None


def _enter(columns: Sequence[dict[str, list[int]]], keys: Sequence[str], number: int) -> None:
    for column, key in zip(columns, keys, strict=True):
        if key:
            column.setdefault(key, []).append(number)


def _check_maximum(path: Path, row: int, text: str, maximum: float) -> None:
    try:
        theirs = float(text.strip().replace(",", "."))
    except ValueError:
        return  # blank, or "(read only)"
    if theirs != maximum:
        told = f"the highest score is {theirs:g}, but {maximum:g} in the assignment; make them the same"
        raise UserError(f"{path}, line {row + 1}: {told}")


def fill_in(target: Target, grades: Sequence[Grade], comment: Any, *, replace: bool = False) -> list[str]:
    """Fill in the scores of those that have one.

    Parameters
    ----------
    target : Target
        Where.
    grades : sequence of Grade
        Of all students.
    comment : callable
        From a grade to what the student is told.
    replace : bool
        Whether another score that is there already is overwritten. "EX" never is, and by the zero of who
        has handed in nothing, nothing is.

    Returns
    -------
    list of str
        What was not filled in, and why.
    """
    notes = []
    found = target.rows_for({grade.id: grade.name for grade in grades})
    wanted = Counter(rows[0] for rows in found.values() if len(rows) == 1)
    for grade in grades:
        rows = found[grade.id]
        if grade.score is None:
            continue
        if len(rows) != 1 or wanted[rows[0]] > 1:
            why = "no row matches" if not rows else f"{len(rows)} rows match"
            why = "another student has the same row" if len(rows) == 1 else why
            notes.append(f"{grade.id}: not filled in, {why}")
            continue
        why = _kept(target, rows[0], grade, replace)
        if why:
            notes.append(f"{grade.id}: not filled in, {why}")
            continue
        text = f"{grade.score:.2f}"
        target.sheet.put(rows[0], target.column, text.replace(".", ",") if target.comma else text)
        if target.comments is not None:
            old = target.sheet.value(rows[0], target.comments).strip()
            if not old or OURS.match(old):  # one of ours may speak of another score
                target.sheet.put(rows[0], target.comments, harmless(comment(grade)))
    return notes


def _kept(target: Target, row: int, grade: Grade, replace: bool) -> str:
    """Return why what stands in a row is kept; "" if it is to be filled in."""
    there = target.sheet.value(row, target.column).strip()
    if row in target.locked:
        return "the grade may not be changed there"
    if there.upper() == EXCUSED:
        return f"{there!r} stands there: the student is excused"
    if there in BLANK or (replace and grade.status != MISSING):
        return ""
    try:
        same = float(there.replace(",", ".")) == round(grade.score or 0, 2)
    except ValueError:
        same = False
    if not same and grade.status == MISSING:
        return f"{there!r} stands there, and nothing was handed in here"
    return "" if same else f"{there!r} stands there; --replace overwrites scores"
