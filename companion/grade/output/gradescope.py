"""Grades in Gradescope's format, and the one submission of a Gradescope container."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from companion.errors import UserError
from companion.grade.marking.grade import CRITERIA, NOT_JUDGED, RIGHT, Grade

SUBMISSION = Path("/autograder/submission")
RESULTS = Path("/autograder/results/results.json")
METADATA = Path("/autograder/submission_metadata.json")


def results(grade: Grade, text: str) -> dict[str, Any]:
    """Return a grade as Gradescope reads it, with the feedback in Markdown."""
    tests = [
        {
            "name": CRITERIA[one.name],
            "number": str(number),
            "score": grade.points_of(one),
            "max_score": one.maximum,
            "status": "passed" if one.state == RIGHT else "failed",
            "output": one.told if one.state != NOT_JUDGED else f"Not judged: {one.told}",
            "output_format": "text",
            "visibility": "visible",
        }
        for number, one in enumerate(grade.criteria, start=1)
    ]
    return {
        "score": grade.score or 0,  # it must have a number; the text says who decides
        "execution_time": round(grade.seconds or 0, 2),
        "output": text,
        "output_format": "md",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {
            "status": grade.status,
            "mistakes": [mistake.name for mistake in grade.mistakes],
            "late": grade.late,
            "overridden": grade.override is not None,
        },
    }


def begun(maximum: float) -> dict[str, Any]:
    """Return what stands in the results while the submission is being graded."""
    told = (
        f"Grading had begun and did not end: 0 of {maximum:g} points. Submit again, or ask your instructor."
    )
    return {"score": 0, "output": told, "output_format": "text", "visibility": "visible", "tests": []}


def as_json(content: dict[str, Any]) -> bytes:
    """Write it."""
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()


def who() -> tuple[str, str, bool]:
    """Read id, name and whether it is late from what Gradescope says of the submission."""
    path = METADATA
    if not path.exists():
        return "submission", "", False
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        users = content.get("users") or [{}]
        student = str(users[0].get("sid") or users[0].get("email") or users[0].get("id") or "submission")
        name = " and ".join(str(user.get("name") or "") for user in users)
        due, made = (content.get("assignment") or {}).get("due_date"), content.get("created_at")
        late = bool(due and made) and datetime.fromisoformat(str(made)) > datetime.fromisoformat(str(due))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UserError(f"{str(path)!r} is not what Gradescope writes ({error})") from None
    return student, name, late
