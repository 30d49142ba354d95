"""The gradebook: a row a student, as CSV that a spreadsheet opens without running anything."""

import csv
import io
from collections.abc import Sequence

from companion.grade.marking.grade import CRITERIA, NOT_JUDGED, CriterionMark, Grade

FIRST = ("id", "name", "score", "maximum")
BESIDE = ("exercises", "quiz")  # not in the score: how many are right, of how many
LAST = ("first mistake", "status", "reason", "late", "seconds", "members")  # reason: why it was not judged
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # also in full width


def harmless(text: str) -> str:
    """Return a cell that no spreadsheet runs as a formula: with an apostrophe in front of what begins one."""
    return f"'{text}" if text.lstrip(" \u00a0").startswith(FORMULA) or text.startswith(FORMULA) else text


def score_text(score: float) -> str:
    """Write a score with two decimals at most."""
    return f"{score:.2f}".rstrip("0").rstrip(".")


def gradebook(grades: Sequence[Grade]) -> bytes:
    """Make the gradebook: CSV in UTF-8 with a byte order mark, with lines ended as spreadsheets want them."""
    page = io.StringIO()
    write = csv.writer(page, lineterminator="\r\n")
    write.writerow([*FIRST, *CRITERIA, *BESIDE, *LAST])
    for grade in grades:
        points = {one.name: _points(one, grade.points_of(one)) for one in grade.criteria}
        first = grade.mistakes[0].name if grade.mistakes else ""
        score = "" if grade.score is None else score_text(grade.score)
        status = grade.status + (" (overridden)" if grade.override is not None else "")
        status += ", needs your decision" if grade.needs_decision else ""
        late = "late" if grade.late else ""
        seconds = "" if grade.seconds is None else f"{grade.seconds:.2f}"
        cells = [harmless(grade.id), harmless(grade.name), score, score_text(grade.maximum)]
        cells += [points.get(name, "") for name in CRITERIA]
        reason = harmless(grade.told)
        members = harmless("; ".join(grade.members))
        write.writerow([*cells, *extras(grade).values(), first, status, reason, late, seconds, members])
    return page.getvalue().encode("utf-8-sig")  # by the mark, Excel reads umlauts


def extras(grade: Grade) -> dict[str, str]:
    """Return how many exercises and questions of the quiz are right; empty where none was handed in."""
    exercises, quiz = grade.exercises, grade.quiz
    right = sum(one.status == "right" for one in exercises)
    marked = ""
    if quiz:
        marked = "unreadable" if quiz.unreadable else f"{quiz.score} of {quiz.maximum}"
    return {"exercises": f"{right} of {len(exercises)}" if exercises else "", "quiz": marked}


def _points(one: CriterionMark, points: float) -> str:
    return NOT_JUDGED if one.state == NOT_JUDGED and not points else score_text(points)
