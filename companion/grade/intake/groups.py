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
    group_of: dict[str, str] = {}
    for number, row in enumerate(rows[1:], start=2):
        cells = [one_line(cell) for cell in row] + [""] * len(header)
        student, group = cells[of_id], cells[of_group]
        if not student or not group:
            continue
        if student in group_of:
            told = "comes twice" if group_of[student] == group else f"is in {group_of[student]!r} too"
            raise UserError(f"{path}, line {number}: {student!r} {told}; take one of the rows out")
        group_of[student] = group
        found.setdefault(group, []).append((student, "" if of_name is None else cells[of_name]))
    return found


def in_groups(
    submissions: Iterable[Submission], groups: Groups, *, by_name: bool = False
) -> list[Submission]:
    """Return the submissions, with those of a group as one that belongs to all its members.

    Parameters
    ----------
    submissions : iterable of Submission
        As they were handed in.
    groups : mapping
        As `read_groups` gives it.
    by_name : bool
        Whether a submission may also be named by its group, as Moodle's are.
    """
    of_student = {student: group for group, members in groups.items() for student, _ in members}
    found: dict[str, list[Submission]] = {}
    single = []
    for one in submissions:
        # A team hands in under its own name; a student who is called like a team is no team.
        group = of_student.get(one.id) or (one.name if by_name and one.name in groups else None)
        if group is None:
            single.append(one)
        else:
            found.setdefault(group, []).append(one)
    together = [_together(group, groups[group], handed_in) for group, handed_in in found.items()]
    return sorted(_each_student_once([*together, *single]), key=lambda one: one.id)


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


def _each_student_once(submissions: Sequence[Submission]) -> Iterator[Submission]:
    """Let a student who is in several submissions count in the first of them, and say so in all."""
    sources: dict[str, list[str]] = {}
    for one in submissions:
        for student, _ in one.students:
            sources.setdefault(student, []).append(one.source)
    known: set[str] = set()
    for one in submissions:
        twice = [student for student, _ in one.students if len(sources[student]) > 1]
        left = tuple(pair for pair in one.students if pair[0] not in known)
        known |= {student for student, _ in one.students}
        if twice and left:
            places = sources[twice[0]]
            told = f"{twice[0]} is in {len(places)} submissions: {', '.join(places[:3])}"
            yield replace(one, problem=told, members=left if one.members else ())
        elif left:
            yield one
