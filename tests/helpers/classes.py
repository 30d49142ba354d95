"""Classes of loops: laid on disk, graded by the command, and what came out."""

import csv
import re

from mistaken_loops import MISTAKES, source

from companion.grade import __main__ as grade
from companion.mistakes.broken_loops import right_loop

RIGHT = right_loop().replace("loss_of", "loss_on")  # as it stands in the course, it is nobody's own

CANVAS = (
    "\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,Essay (77),Loops (78)\r\n"
    '"    Points Possible",,,,,(read only),8\r\n'
    '"Lovelace, Ada",101,u101,ada,"A, ""1""",5.00,\r\n'
    'Turing,102,u102,alan,A,,"-"\r\n'
    '"O\'Neil, Jo",103,,,B,1,2.00\n'
    '"Student, Test",104,,,B,,\r\n'
)

MOODLE = (
    "Identifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed,"
    "Last modified (grade),Feedback comments\n"
    "Participant 123456,Ada Lovelace,ada@example.org,Submitted,,8.00,Yes,-,\n"
    "Participant 123457,Alan Turing,alan@example.org,Submitted,1.00,8.00,Yes,-,old\n"
    "Participant 123458,Jo O'Neil,jo@example.org,Submitted,,8.00,No,-,\n"
)


def lay(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def wrong(name, style="arithmetic"):
    return source(style, MISTAKES[name][style])


def rows(folder):
    with open(folder / "gradebook.csv", newline="", encoding="utf-8-sig") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def run(capsys, *words):
    capsys.readouterr()
    try:
        status = grade.main(["lesson3", *map(str, words)])
    except SystemExit as error:
        status = error.code
    out, err = capsys.readouterr()
    return status, out, err


def graded_now(out):
    """Give the ids of those that a run has graded."""
    return re.findall(r"^(\S+) +[\d.-]+/10 ", out, flags=re.MULTILINE)
