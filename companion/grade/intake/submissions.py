"""From a folder or an archive to submissions: who handed in what, and what of it cannot be graded."""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath

from companion.check.learner.file import decoded
from companion.errors import UserError
from companion.grade.clean_text import one_line
from companion.grade.intake.archive import MOST_BYTES, Entry, entries_in, list_entries
from companion.grade.intake.gradescope_export import METADATA, Handed, read_metadata
from companion.grade.intake.layouts import Owner, owner_of, prefix_of, system_of, wrapper_of
from companion.grade.intake.likeness import text_of_loop
from companion.grade.marking.quiz_marks import is_answers

LOOPS = (".py", ".ipynb")
# At the beginning of a line, of the file or of a string in a notebook; in time that grows with the file.
DEFINES_TRAIN = re.compile(
    rb'(?:^|["\n]|\\n)(?:[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+train\b|train[ \t]*=)'
)
NOTHING = "nothing was handed in"
NO_LOOP = "no loop was handed in, only answers to the quiz: hand in a .py or .ipynb file that defines train"


@dataclass(frozen=True)
class Submission:
    """What a student has handed in.

    Attributes
    ----------
    id, name : str
        The student's; the name may be "".
    late : bool
        Whether it came late.
    source : str
        The path of the file that defines ``train``, among all that were handed in; "" if there is none.
    file : str
        The same among the student's own.
    problem : str
        Why it cannot be run; "" if it can.
    digest : str
        Of its content.
    read : callable
        Gives all the student's files, by path.
    members : tuple of (str, str)
        Id and name of each student of a group that handed it in together; empty for a single student.
    prefix : str
        As in `companion.grade.intake.layouts.Owner`.
    """

    id: str
    name: str
    late: bool
    source: str
    file: str
    problem: str
    digest: str
    read: Callable[[], dict[str, bytes]]
    members: tuple[tuple[str, str], ...] = ()
    prefix: str = ""

    @property
    def students(self) -> tuple[tuple[str, str], ...]:
        """Return id and name of each student who handed it in."""
        return self.members or ((self.id, self.name),)


@dataclass(frozen=True)
class Intake:
    """All that was handed in.

    Attributes
    ----------
    submissions : list of Submission
        By id.
    system : str
        The way in which they are named.
    ignored : list of str
        Paths of files that are nobody's.
    is_dated : bool
        Whether it says when each was handed in.
    """

    submissions: list[Submission]
    system: str
    ignored: list[str]
    is_dated: bool


def take_in(source: Path, due: datetime | None = None) -> Intake:
    """Find the submissions in a folder or a zip archive."""
    entries = list_entries(source)
    wrapper = wrapper_of([entry.path for entry in entries], source.stem)
    names = [entry.path.removeprefix(wrapper) for entry in entries]
    system = system_of(name for name in names if name != METADATA)
    assignment = prefix_of(names, wrapper.rstrip("/") or source.stem)
    owned: dict[str, list[tuple[Owner, Entry]]] = {}
    ignored, metadata = [], {}
    for entry in entries:
        path = entry.path.removeprefix(wrapper)
        owner = owner_of(path, system, assignment)
        if path == METADATA:
            metadata = read_metadata(entry, due)
        elif owner is None:
            ignored.append(path)
        else:
            owned.setdefault(owner.id, []).append((owner, entry))
    if not owned:
        raise UserError(f"there are no submissions in {str(source)!r}: it needs a file or folder per student")
    submissions = [_shown(_submission(_last_attempt(files, due))) for files in owned.values()]
    known = [_with(one, metadata[one.id]) if one.id in metadata else one for one in submissions]
    systems = {owner.system for files in owned.values() for owner, _ in files}
    is_dated = bool(metadata) or any(owner.when for files in owned.values() for owner, _ in files)
    in_order = sorted(_unique(known), key=lambda one: one.id)
    return Intake(in_order, " and ".join(sorted(systems)), ignored, is_dated)


def _last_attempt(files: list[tuple[Owner, Entry]], due: datetime | None) -> list[tuple[Owner, Entry]]:
    """Return the files of the last attempt, where the names tell attempts apart."""
    times = [owner.when for owner, _ in files if owner.when is not None]
    if not times:
        return files
    last = max(times)
    late = due is not None and last > due
    return [(replace(owner, late=late), entry) for owner, entry in files if owner.when == last]


def _shown(one: Submission) -> Submission:
    """Clean the names in a submission, so that they can be shown."""
    student, problem = one_line(one.id) or "no name", one_line(one.problem)
    return replace(one, id=student, name=one_line(one.name), source=one_line(one.source), problem=problem)


def _with(one: Submission, about: Handed) -> Submission:
    """Say who handed it in: one student, or several together."""
    given = dict.fromkeys((one_line(student), one_line(name)) for student, name in about.submitters)
    members = tuple((student or name, name) for student, name in given)
    members = tuple(pair for pair in members if pair[0])
    names = " and ".join(name for _, name in members)
    student = f"submission_{one.id}" if len(members) > 1 else members[0][0] if members else one.id
    return replace(one, id=student, name=names, late=about.late, members=members if len(members) > 1 else ())


def _unique(submissions: Iterable[Submission]) -> Iterable[Submission]:
    """Merge two submissions of the same student under different names into one with a problem."""
    seen: dict[str, Submission] = {}
    for one in submissions:
        if one.id in seen:
            told = f"this student has two submissions: {seen[one.id].source} and {one.source}"
            one = replace(one, problem=told)
        seen[one.id] = one
    return seen.values()


def _submission(files: list[tuple[Owner, Entry]]) -> Submission:
    """Put together what one student has handed in."""
    owner = files[0][0]
    names, paths = {one.name for one, _ in files}, [one.file for one, _ in files]
    late = any(one.late for one, _ in files)
    path = files[0][1].path
    nothing = Submission(owner.id, owner.name, late, path, "", "", "", dict, prefix=owner.prefix)
    named: dict[str, Entry] = {}
    try:
        if len(names) > 1 or len(set(paths)) < len(paths):
            told = ", ".join(sorted(_name(entry) for _, entry in files)[:3])
            raise UnreadableError(f"this id has files of two students, or files with the same name: {told}")
        named = {one.file: entry for one, entry in files if not one.file.lower().endswith(".zip")}
        for one, entry in files:
            if one.file.lower().endswith(".zip"):
                named |= _unpacked(entry)
        file, content = _choose(named)
    except UnreadableError as error:
        answers = _answers(named)
        digest = _digest({"": str(error).encode()} | answers)
        return replace(nothing, problem=str(error), digest=digest, read=lambda: answers)
    source = named[file].path
    return replace(nothing, source=source, file=file, digest=_digest(content), read=lambda: content_of(named))


def _answers(named: dict[str, Entry]) -> dict[str, bytes]:
    """Read the answers to a quiz, which are marked whatever becomes of the loop."""
    try:
        return content_of({name: entry for name, entry in named.items() if is_answers(name)})
    except UnreadableError:
        return {}


class UnreadableError(Exception):
    """A submission cannot be run; the text says why."""


def _unpacked(entry: Entry) -> dict[str, Entry]:
    if entry.problem:
        raise UnreadableError(f"{_name(entry)} {entry.problem}")
    try:
        inside = entries_in(entry.read())
    except OSError as error:
        raise UnreadableError(f"{_name(entry)} {error}") from None
    return {one.path: one for one in inside}


def _choose(named: dict[str, Entry]) -> tuple[str, dict[str, bytes]]:
    """Choose the file that defines ``train``; return all that can be read."""
    loops = [name for name in named if name.lower().endswith(LOOPS)]
    if not loops and named and all(is_answers(name) for name in named):
        raise UnreadableError(NO_LOOP)
    if not loops:
        raise UnreadableError(f"neither a .py nor an .ipynb file was handed in, but {_list(named)}")
    broken = [name for name in loops if named[name].problem]
    if broken and len(broken) == len(loops):
        raise UnreadableError(f"{_name(named[broken[0]])} {named[broken[0]].problem}")
    content = content_of(named)
    loops = [name for name in loops if name in content]
    for name in loops:
        try:
            decoded(content[name], name)
        except UserError as error:
            raise UnreadableError(str(error)) from None
    defining = [name for name in loops if DEFINES_TRAIN.search(content[name])]
    chosen = _one_of_each(defining or loops, content)
    if len(chosen) > 1:
        what = "define train" if defining else "could hold the loop, and none defines train"
        raise UnreadableError(f"{len(chosen)} candidates: {_list(chosen)} {what}; hand in one")
    return chosen[0], content


def _one_of_each(names: list[str], content: dict[str, bytes]) -> list[str]:
    """Leave out a notebook whose ``train`` stands in a Python file too, as an export of it does."""
    if len(names) < 2:
        return names
    texts = {name: text_of_loop(name, content[name]) for name in names}
    python = {texts[name] for name in names if name.lower().endswith(".py")} - {""}
    return [name for name in names if name.lower().endswith(".py") or texts[name] not in python]


def content_of(named: dict[str, Entry]) -> dict[str, bytes]:
    """Read a student's files, without those that have a problem; if there are many, only the first ones."""
    content: dict[str, bytes] = {}
    for name, entry in sorted(named.items(), key=lambda pair: not pair[0].lower().endswith(LOOPS)):
        if entry.problem or len(content) >= 1000:
            continue
        try:
            data = entry.read()
        except OSError as error:
            raise UnreadableError(f"{_name(entry)} cannot be read: {error.strerror or error}") from None
        if sum(map(len, content.values())) + len(data) > MOST_BYTES:
            raise UnreadableError(f"all files together are larger than {MOST_BYTES >> 20} MB")
        content[name] = data
    return content


def _digest(content: dict[str, bytes]) -> str:
    total = hashlib.sha256()
    for name, data in sorted(content.items()):
        total.update(f"{name}\0{len(data)}\0".encode("utf-8", "surrogateescape") + data)
    return total.hexdigest()


def _name(entry: Entry) -> str:
    return PurePosixPath(entry.path).name


def _list(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def take_in_one(source: Path, student: str, name: str, late: bool) -> Submission:
    """Return all files of a folder as the submission of one student."""
    files = [(Owner(student, name, late, entry.path, ""), entry) for entry in list_entries(source)]
    return _submission(files) if files else replace(missing(student, name), problem="the submission is empty")


def missing(student: str, name: str) -> Submission:
    """Return the submission of a student who has handed in nothing."""
    return Submission(student, name, False, "", "", NOTHING, "", dict)
