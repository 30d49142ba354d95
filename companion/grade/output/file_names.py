"""Names of files for students, whatever their ids are made of."""

import hashlib
import re
from collections import Counter
from collections.abc import Collection

RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
LONGEST = 80
SUMMED = re.compile(r"-[0-9a-f]{8}$")


def file_names(students: Collection[str]) -> dict[str, str]:
    """Return a file name for each student: every system accepts it, and no two students share it."""
    counts = Counter(student.casefold() for student in students)
    return {
        student: student if _is_plain(student) and counts[student.casefold()] == 1 else _with_sum(student)
        for student in students
    }


def _is_plain(student: str) -> bool:
    harmless = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]*", student) and not student.endswith(".")
    named = student.partition(".")[0].lower() in RESERVED or SUMMED.search(student)
    return bool(harmless) and len(student) <= LONGEST and not named


def _with_sum(student: str) -> str:
    kept = re.sub(r"[^A-Za-z0-9@-]+", "_", student)[: LONGEST - 20].strip("_.")
    return f"{kept or 'student'}-{hashlib.sha256(student.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
