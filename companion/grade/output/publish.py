"""Everything that a folder of grades holds besides the journal, made anew from it."""

import dataclasses
import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from companion.errors import OutputError
from companion.grade.marking.assignment import Assignment
from companion.grade.marking.grade import Grade, Override
from companion.grade.output import gradescope
from companion.grade.output.class_page import class_page
from companion.grade.output.feedback import feedback_page, feedback_text, summary
from companion.grade.output.file_names import file_names
from companion.grade.output.gradebook import gradebook
from companion.grade.output.lms import Target, fill_in
from companion.grade.sandbox.probe import PROTECTIONS
from companion.terminal.outputs import write

# In the name of a file in an archive: what leads elsewhere, or is no text.
CLIMBS = re.compile(r"(^|/)\.\.(/|$)|^/|\\|^[A-Za-z]:|[\x00-\x1f\ud800-\udfff]")
FEEDBACK_ZIP = "feedback.zip"


def scored(grades: Sequence[Grade], overrides: Mapping[str, Override]) -> list[Grade]:
    """Return the grades with the scores set by hand, which win, and with the names of their pages.

    What is set for a student wins over what is set for the group.
    """
    pages = file_names([grade.id for grade in grades])
    by_hand = [
        dataclasses.replace(overrides[one.id], is_of_student=True) if one.id in overrides
        else overrides.get(one.group) for one in grades
    ]  # fmt: skip
    return [
        dataclasses.replace(one, override=set_so, page=pages[one.id])
        for one, set_so in zip(grades, by_hand, strict=True)
    ]


def publish(
    folder: Path, grades: Sequence[Grade], assignment: Assignment, about: Sequence[tuple[str, str]]
) -> None:
    """Write gradebook, pages and results."""
    for name in ("feedback", "results"):
        make_folder(folder / name)
    title, setting = assignment.title, assignment.setting
    for grade in grades:
        name = grade.page
        text = feedback_text(grade, title, setting)
        put(folder / "feedback" / f"{name}.html", feedback_page(grade, title, setting))
        put(folder / "feedback" / f"{name}.md", text.encode())
        put(folder / "results" / f"{name}.json", gradescope.as_json(gradescope.results(grade, text)))
    returned = feedback_zip(grades, title, setting)
    if returned:
        put(folder / FEEDBACK_ZIP, returned)
    put(folder / "class.html", class_page(grades, title, about))
    put(folder / "gradebook.csv", gradebook(grades))


def feedback_zip(grades: Sequence[Grade], title: str, setting: str) -> bytes:
    """Return the pages as an archive that Canvas or Moodle takes back; b"" if it comes from neither.

    Both know a student by how the name of what they handed out begins. A group has one page.
    """
    of_students_first = sorted(grades, key=lambda one: not (one.override and one.override.is_of_student))
    named = {f"{one.prefix}feedback.html": _of_the_group(one) for one in of_students_first if one.prefix}
    named = {name: grade for name, grade in named.items() if not CLIMBS.search(name)}
    if not named:
        return b""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, grade in sorted(named.items()):
            page = feedback_page(grade, title, setting)
            archive.writestr(zipfile.ZipInfo(name), page, zipfile.ZIP_DEFLATED)  # without a time
    return content.getvalue()


def _of_the_group(grade: Grade) -> Grade:
    """Return the grade without what was set for one of its members alone."""
    if not grade.group or grade.override is None or not grade.override.is_of_student:
        return grade
    return dataclasses.replace(grade, override=None)


def put(path: Path, content: bytes) -> None:
    """Write a file, unless it holds that already."""
    try:
        same = path.is_file() and path.read_bytes() == content
    except OSError:
        same = False
    if not same:
        write(str(path), content)


def make_folder(folder: Path) -> None:
    """Make a folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        told = f"{str(folder)!r} cannot be made: {error.strerror}; name another --output"
        raise OutputError(told) from None


def fill(target: Target, grades: Sequence[Grade], path: Path, *, replace: bool) -> list[str]:
    """Fill in a sheet downloaded from Canvas or Moodle; return what was not filled in."""
    notes = fill_in(target, grades, summary, replace=replace)
    put(path, target.sheet.content())
    return notes


def protections_of(grades: Sequence[Grade]) -> list[tuple[str, str]]:
    """Return which protections were on in all gradings, and which were missing in some."""
    ran = [grade for grade in grades if grade.protections]
    if not ran:
        return []
    missing = [text for name, text in PROTECTIONS.items() if not all(g.protections.get(name) for g in ran)]
    layers = sorted(set.intersection(*(set(grade.layers) for grade in ran)))
    on = [text for text in PROTECTIONS.values() if text not in missing]
    told = [("protections", f"{'; '.join(on)} (by {', '.join(layers)})")]
    return told + ([("Does NOT hold here", "; ".join(missing))] if missing else [])
