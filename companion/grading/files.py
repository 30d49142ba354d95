"""Names of files for students, whatever their ids are made of."""

import hashlib
import re

RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
LONGEST = 80


def file_name(student: str) -> str:
    """Give a name that every system takes, and that no two students share.

    Parameters
    ----------
    student : str
        An id.

    Returns
    -------
    str
        The id itself if it is harmless; else what is harmless of it, and a short sum of it.
    """
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]*", student) and not student.endswith(".")
    if plain and len(student) <= LONGEST and student.partition(".")[0].lower() not in RESERVED:
        return student
    kept = re.sub(r"[^A-Za-z0-9@-]+", "_", student)[: LONGEST - 20].strip("_.")
    return f"{kept or 'student'}-{hashlib.sha256(student.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
