"""Whose file is it? The ways in which course systems name what students hand in."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class Owner:
    """Who handed in a file, as far as its name tells.

    Attributes
    ----------
    id : str
        The student's.
    name : str
        "" if not known.
    late : bool
        Whether the name says so.
    file : str
        The file's path among the student's own.
    system : str
        Which way of naming it is.
    """

    id: str
    name: str
    late: bool
    file: str
    system: str


MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_[a-z]+_?(?P<rest>.*)", re.DOTALL)
CANVAS = re.compile(r"(?P<name>[^_/]+)_(?P<late>LATE_)?(?P<id>\d+)_\d+_(?P<rest>.+)", re.DOTALL)
ANSWERS = re.compile(r"(?P<id>.+?)[_-]answers\.toml", re.IGNORECASE)  # beside the loop of this id
GRADESCOPE = re.compile(r"submission_(?P<id>\d+)")
WRAPPERS = {"submissions", "exercise", "download"}


def system_of(paths: Iterable[str]) -> str:
    """Find out which system most names follow, so that a student's choice of a name cannot change it."""
    found: Counter[str] = Counter()
    for first, rest in {(path.partition("/")[0], "/" in path) for path in paths}:
        if rest and GRADESCOPE.fullmatch(first):
            found["gradescope"] += 1
        elif CANVAS.fullmatch(first) and not rest:
            found["canvas"] += 1  # before Moodle, whose word a student may put into the file's name
        elif MOODLE.fullmatch(first):
            found["moodle"] += 1
        else:
            found[""] += 1
    return max(found, key=lambda system: (found[system], system), default="")


def owner_of(path: str, system: str) -> Owner | None:
    """Work out whose file it is; None if it is nobody's, such as a list beside the submissions."""
    first, _, rest = path.partition("/")
    if system == "moodle" and (moodle := MOODLE.fullmatch(first)):
        file = rest or moodle["rest"]
        return Owner(moodle["id"], moodle["name"], False, file or first, "a Moodle download")
    if rest:
        if system == "gradescope" and (gradescope := GRADESCOPE.fullmatch(first)):
            return Owner(gradescope["id"], "", False, rest, "a Gradescope export")
        return Owner(first, "", False, rest, "one folder per student")
    if system == "canvas" and (canvas := CANVAS.fullmatch(first)):
        late = canvas["late"] is not None
        return Owner(canvas["id"], canvas["name"], late, canvas["rest"], "a Canvas download")
    if answers := ANSWERS.fullmatch(first):
        return Owner(answers["id"], "", False, "answers.toml", "one file per student")
    name = PurePosixPath(first)
    if name.suffix.lower() in (".csv", ".yml", ".yaml", ".toml", ".json", ".md", ".log"):
        return None
    return Owner(name.stem, "", False, first, "one file per student")


def wrapper_of(paths: list[str], archive: str) -> str:
    """Find the one folder that holds all submissions, as archives often have it; "" if there is none."""
    tops = {path.partition("/")[0] for path in paths if "/" in path}
    if len(tops) != 1 or any("/" not in path for path in paths):
        return ""
    (top,) = tops
    if MOODLE.fullmatch(top) or GRADESCOPE.fullmatch(top):
        return ""
    inner = [path.partition("/")[2] for path in paths]
    known = any(MOODLE.fullmatch(one.partition("/")[0]) or CANVAS.fullmatch(one) for one in inner)
    folders = all("/" in one for one in inner)
    metadata = "submission_metadata.yml" in inner
    return f"{top}/" if known or folders or metadata or top.lower() in WRAPPERS | {archive.lower()} else ""
