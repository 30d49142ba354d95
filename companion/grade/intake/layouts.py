"""Whose file is it? The ways in which course systems name what students hand in."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
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
    when : datetime or None
        When it was handed in, in the course system's own time; the last attempt counts.
    prefix : str
        What a file's name must begin with for the course system to take it back; "" if it takes none.
    """

    id: str
    name: str
    late: bool
    file: str
    system: str
    when: datetime | None = None
    prefix: str = ""


MOODLE = re.compile(
    r"(?P<name>.+?)(?:_(?P<id>\d+))?_assignsubmission_[a-z]+_?(?P<rest>.*)", re.DOTALL
)  # "Default group" has no number
# A name may hold another student's: in a folder's name, what Moodle adds stands at the end.
MOODLE_FOLDER = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_[a-z]+_?(?P<rest>)", re.DOTALL)
CANVAS = re.compile(
    r"(?:(?P<anonymous_late>LATE_)?anon_(?P<anonymous>\w+?)_\d+"
    r"|(?P<name>[^_/]+)_(?P<late>LATE_)?(?P<id>\d+)(?:_\d+|(?=_(?:text|link)\.html$)))_(?P<rest>.+)",
    re.DOTALL,
)
ANSWERS = re.compile(r"(?P<id>.+?)[_-]answers\.toml", re.IGNORECASE)  # beside the loop of this id
GRADESCOPE = re.compile(r"submission_(?P<id>\d+)")
BLACKBOARD = re.compile(  # the first attempt in the name is Blackboard's; what follows, a student may choose
    r"(?P<title>.+?)_(?P<id>[^_]+)_attempt_(?P<when>\d{4}(?:-\d\d){5})(?:_(?P<rest>.+)|\.txt)", re.DOTALL
)
BRIGHTSPACE = re.compile(r"(?P<id>\d+)-\d+ - (?P<name>.+) - (?P<when>\w+ \d+, \d{4} \d{3,4} [AP]M)")
GOOGLE = re.compile(r"(?P<id>.+?) - (?P<rest>[^/]+\.(?:py|ipynb|zip|toml))", re.DOTALL)
# By which names a system is known, the surest first, and whether they are those of folders.
SYSTEMS: dict[str, tuple[re.Pattern[str], bool | None]] = {
    "gradescope": (GRADESCOPE, True), "brightspace": (BRIGHTSPACE, True), "blackboard": (BLACKBOARD, False),
    "canvas": (CANVAS, False), "moodle": (MOODLE, None), "google": (GOOGLE, False),
}  # fmt: skip
WRAPPERS = {"submissions", "exercise", "download"}
NOBODYS = (".csv", ".yml", ".yaml", ".toml", ".json", ".md", ".log")


def system_of(paths: Iterable[str]) -> str:
    """Find out which system most names follow, so that a student's choice of a name cannot change it."""
    found: Counter[str] = Counter()
    for first, rest in {(path.partition("/")[0], "/" in path) for path in paths}:
        fits = [system for system, (pattern, is_folder) in SYSTEMS.items()
                if is_folder in (rest, None) and pattern.fullmatch(first)]  # fmt: skip
        found.update(fits or [""])  # a name that a student has chosen may fit several; only one fits all
    order = ["", *reversed(SYSTEMS)]
    return max(found, key=lambda system: (found[system], order.index(system)), default="")


def owner_of(path: str, system: str, assignment: str = "") -> Owner | None:
    """Work out whose file it is; None if it is nobody's, such as a list beside the submissions.

    Parameters
    ----------
    path : str
        Of the file.
    system : str
        As `system_of` finds it.
    assignment : str
        What each folder of GitHub Classroom begins with.
    """
    first, _, rest = path.partition("/")
    moodle = (MOODLE_FOLDER.fullmatch(first) if rest else None) or MOODLE.fullmatch(first)
    if system == "moodle" and moodle:
        file, student = rest or moodle["rest"], moodle["id"] or moodle["name"]
        prefix = f"{first}/" if rest else first[: moodle.start("rest")]
        return Owner(student, moodle["name"], False, file or first, "a Moodle download", prefix=prefix)
    if rest:
        if system == "gradescope" and (gradescope := GRADESCOPE.fullmatch(first)):
            return Owner(gradescope["id"], "", False, rest, "a Gradescope export")
        if system == "brightspace" and (space := BRIGHTSPACE.fullmatch(first)):
            when = _time(space["when"], "%b %d, %Y %I%M %p")
            return Owner(space["id"], space["name"], False, rest, "a Brightspace download", when)
        if assignment and first.startswith(assignment):
            return Owner(first.removeprefix(assignment), "", False, rest, "GitHub Classroom")
        return Owner(first, "", False, rest, "one folder per student")
    if system == "brightspace":
        return None  # its index.html
    if system == "blackboard" and (board := BLACKBOARD.fullmatch(first)):
        when = _time(board["when"], "%Y-%m-%d-%H-%M-%S")
        file = board["rest"]  # none: what Blackboard itself says of the attempt
        return Owner(board["id"], "", False, file, "a Blackboard download", when) if file else None
    if system == "canvas" and (canvas := CANVAS.fullmatch(first)):
        late = (canvas["late"] or canvas["anonymous_late"]) is not None
        student, name = canvas["id"] or canvas["anonymous"], canvas["name"] or ""
        prefix = first[: canvas.start("rest")]
        return Owner(student, name, late, canvas["rest"], "a Canvas download", prefix=prefix)
    if system == "google" and (google := GOOGLE.fullmatch(first)):
        return Owner(google["id"], google["id"], False, google["rest"], "a Google Classroom download")
    if answers := ANSWERS.fullmatch(first):
        return Owner(answers["id"], "", False, "answers.toml", "one file per student")
    name = PurePosixPath(first)
    if name.suffix.lower() in NOBODYS:
        return None
    return Owner(name.stem, "", False, first, "one file per student")


def _time(text: str, pattern: str) -> datetime | None:
    """Read a time in a name; its hour may lack the leading zero."""
    try:
        return datetime.strptime(re.sub(r" (\d{3}) ", r" 0\1 ", text), pattern).astimezone()
    except ValueError:
        return None


def prefix_of(paths: Iterable[str], folder: str) -> str:
    """Return what GitHub Classroom puts before each name in ``<assignment>-submissions/``; "" elsewhere."""
    assignment = f"{folder.removesuffix('-submissions')}-"
    tops = {path.partition("/")[0] for path in paths if "/" in path}
    is_one = folder.endswith("-submissions") and tops and all(top.startswith(assignment) for top in tops)
    return assignment if is_one else ""


def wrapper_of(paths: list[str], archive: str) -> str:
    """Find the one folder that holds all submissions, as archives often have it; "" if there is none."""
    tops = {path.partition("/")[0] for path in paths if "/" in path}
    if len(tops) != 1 or any("/" not in path for path in paths):
        return ""
    (top,) = tops
    if MOODLE.fullmatch(top) or GRADESCOPE.fullmatch(top):
        return ""
    inner = [path.partition("/")[2] for path in paths]
    known = any(
        pattern.fullmatch(one.partition("/")[0])
        for one in inner
        for pattern in (MOODLE, CANVAS, BLACKBOARD, BRIGHTSPACE)
    )
    folders = all("/" in one for one in inner)
    metadata = "submission_metadata.yml" in inner
    loops = [one for one in inner if one.lower().endswith((".py", ".ipynb"))]
    flat = len(loops) > 1 and not any("/" in one for one in inner)  # a zipped folder, a file per student
    named = top.lower() in WRAPPERS | {archive.lower()}
    return f"{top}/" if known or folders or metadata or flat or named else ""
