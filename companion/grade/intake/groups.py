"""Students who hand in together: a submission of one of them is that of all."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from companion.errors import UserError
from companion.grade.clean_text import one_line
from companion.grade.intake.roster import IDS, NAMES, read_csv_text, rows_of_csv
from companion.grade.intake.submissions import Submission

GROUPS = ("group_name", "group", "group name", "team")
CANVAS_USER = "canvas_user_id"  # by which Canvas names what it hands out

Groups = Mapping[str, Sequence[tuple[str, str]]]  # id and name of each member, by the group's name


def read_groups(path: Path) -> Groups:
    """Read a CSV file with a student and a group in each row, such as Canvas exports it."""
    rows = rows_of_csv(read_csv_text(path))
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    of_id, of_name, of_group = (
        next((header.index(name) for name in names if name in header), None)
        for names in ((CANVAS_USER, *IDS), NAMES, GROUPS)
    )
    if of_id is None or of_group is None:
        there = ", ".join(header) or "none"
        raise UserError(f"{path}, line 1: the columns 'id' and 'group' are needed; there are {there}")
    found: dict[str, list[tuple[str, str]]] = {}
    for row in rows[1:]:
        cells = [cell.strip() for cell in row] + [""] * len(header)
        if cells[of_id] and cells[of_group]:
            name = "" if of_name is None else cells[of_name]
            found.setdefault(cells[of_group], []).append((cells[of_id], name))
    return found


def in_groups(submissions: Iterable[Submission], groups: Groups) -> list[Submission]:
    """Return the submissions, with those of a group as one that belongs to all its members."""
    of_student = {student: group for group, members in groups.items() for student, _ in members}
    found: dict[str, list[Submission]] = {}
    single = []
    for one in submissions:
        names = [one.id, one.name, of_student.get(one.id, "")]
        group = next((name for name in names if name in groups), None)
        if group is None:
            single.append(one)
        else:
            found.setdefault(group, []).append(one)
    together = [_together(group, groups[group], handed_in) for group, handed_in in found.items()]
    return sorted(_each_student_once([*single, *together]), key=lambda one: one.id)


def _together(group: str, members: Sequence[tuple[str, str]], handed_in: Sequence[Submission]) -> Submission:
    """Make one submission of what a group has handed in."""
    one = handed_in[0]
    if len({other.digest for other in handed_in}) > 1:
        told = ", ".join(other.source for other in handed_in[:3])
        one = replace(one, problem=f"this group has {len(handed_in)} submissions that differ: {told}")
    named = tuple((one_line(student), one_line(name)) for student, name in members)
    names = " and ".join(name or student for student, name in named)
    if len(named) == 1:
        return replace(one, id=named[0][0], name=names)
    return replace(one, id=one_line(group), name=names, members=named)


def _each_student_once(submissions: Iterable[Submission]) -> Iterator[Submission]:
    """Leave a student who is in two groups in the first one, and say so in the other."""
    known: dict[str, str] = {}
    for one in submissions:
        twice = [student for student, _ in one.members if student in known]
        if twice:
            told = f"{twice[0]} is also in the submission {known[twice[0]]}"
            others = tuple(pair for pair in one.members if pair[0] not in known)
            one = replace(one, problem=told, members=others)
        known |= {student: one.source for student, _ in one.students}
        yield one
