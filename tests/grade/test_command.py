"""``python -m companion.grade``: what it writes, what it grades again, and what it refuses."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile

import pytest
from classes import CANVAS, MOODLE, RIGHT, graded_now, lay, rows, run, wrong

from companion.grade import __main__ as grade
from companion.grade.marking.grade import CRITERIA
from companion.mistakes.broken_loops import right_loop
from companion.terminal.lesson_list import lesson_file

HEAD = "def train(model, x, y, *, learning_rate, batch_size, epochs):"
CLASS = {
    "s1.py": RIGHT,
    "s2.py": wrong("sum-instead-of-mean"),
    "s3.py": wrong("last-batch-reported"),
    "s4.py": wrong("sum-instead-of-mean"),
    "s5.py": "def train(:\n",
    "s6.py": b"\xff",
    "s7.py": f"{HEAD}\n    while True:\n        pass\n",
}
CLASS_IDS = [name.removesuffix(".py") for name in CLASS]
SETTINGS = ("--seed", "5", "--seconds", "6", "--jobs", "2")

pytestmark = pytest.mark.xdist_group("grade")  # they share the grader's processes


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Grade a class once, for all tests that read the same folder."""
    folder = tmp_path_factory.mktemp("class")
    lay(folder / "in", CLASS)
    (folder / "roster.csv").write_text('id,name\ns1,Ada Lovelace\ns9,"=Jo <b>O\'Neil</b>"\n')
    words = [str(folder / "in"), "--output", str(folder / "out"), "--roster", str(folder / "roster.csv")]
    assert grade.main(["lesson3", *words, *SETTINGS, "--quiet"]) == 0
    return folder / "out"


def test_the_gradebook_says_who_got_what_and_why(graded):
    book = rows(graded)
    assert {student: row["score"] for student, row in book.items()} == {
        "s1": "10", "s2": "6", "s3": "9", "s4": "6", "s5": "", "s6": "", "s7": "0", "s9": "0"
    }  # fmt: skip
    assert {student: row["status"] for student, row in book.items()} == {
        "s1": "graded", "s2": "graded", "s3": "graded", "s4": "graded",
        "s5": "error, needs your decision", "s6": "unreadable, needs your decision", "s7": "timeout",
        "s9": "missing",
    }  # fmt: skip
    assert "SyntaxError" in book["s5"]["reason"]
    assert [book[student]["first mistake"] for student in ("s1", "s2", "s3")] == [
        "", "sum-instead-of-mean", "last-batch-reported"
    ]  # fmt: skip
    assert (book["s1"]["name"], book["s9"]["name"]) == ("Ada Lovelace", "'=Jo <b>O'Neil</b>")


def test_what_is_not_the_loop_costs_no_points_and_what_is_does(capsys, tmp_path):
    wrong_return = f"{HEAD}\n    return {{}}\n"
    notebook = {
        "cells": [{"cell_type": "code", "source": text} for text in (RIGHT, "print(", "1 / 0", "x = 1")]
    }
    files = {
        "right_then_fails.py": RIGHT + "\nraise ValueError('no plot here')\n",
        "right_then_asks.py": RIGHT + "\nwhat = input('go on? ')\n",
        "right_then_trains.py": RIGHT + "\nwhile True:\n    pass\n",
        "right_notebook.ipynb": json.dumps(notebook),
        "right_export.py": "get_ipython().run_line_magic('matplotlib', 'inline')\n!pip install x\n" + RIGHT,
        "right_latin.py": ("# coding: latin-1\n# Zoë\n" + RIGHT).encode("latin-1"),
        "right_dict.py": RIGHT.replace("return history", "return {'loss': history, 'time': 3}"),
        "right_chatty.py": RIGHT.replace("    history = []", "    print('x' * 3_000_000)\n    history = []"),
        "open_package.py": "import no_such_package\n" + RIGHT,
        "open_top.py": "x = 1 / 0\n" + RIGHT,
        "open_loop.py": "while True:\n    pass\n" + RIGHT,
        "open_crash.py": f"import ctypes\n{HEAD}\n    ctypes.string_at(0)\n",
        "open_name.py": RIGHT.replace("def train", "def fit"),
        "zero_return.py": wrong_return,
        "zero_exception.py": f"{HEAD}\n    raise ValueError('here')\n",
        "zero_stub.py": f"{HEAD}\n    raise NotImplementedError\n",
    }
    lay(tmp_path / "in", files)
    status, out, _ = run(capsys, tmp_path / "in", "--output", tmp_path / "out", "--seconds", 6)
    book, expected = rows(tmp_path / "out"), {"right": "10", "open": "", "zero": "0"}
    scores = {student: row["score"] for student, row in book.items()}
    assert scores == {student: expected[student.partition("_")[0]] for student in book}
    assert (status, "5 without a score" in out) == (0, True)
    assert "python -m pip install no_such_package, then run this again" in re.sub(r"\s+", " ", out)
    page = (tmp_path / "out" / "feedback" / "right_then_trains.html").read_text()
    assert "took longer than 3 s: left out, with all that follows" in page
    assert "your instructor decides" in (tmp_path / "out" / "feedback" / "open_top.html").read_text()
    result = json.loads((tmp_path / "out" / "results" / "open_top.json").read_text())
    assert (result["score"], "your instructor decides" in result["output"]) == (0, True)

    (tmp_path / "out" / "overrides.csv").write_text(
        "id,score,reason,as\nopen_top,,too late,zero\nopen_loop,7,\n"
    )
    (tmp_path / "in" / "no_such_package.py").write_text("")
    run(capsys, tmp_path / "in", "--output", tmp_path / "out", "--seconds", 6)
    book = rows(tmp_path / "out")
    assert (book["open_top"]["score"], book["open_loop"]["score"]) == ("0", "7")


def test_who_lacked_a_package_is_graded_again_when_it_is_there(capsys, tmp_path, monkeypatch):
    lay(tmp_path / "in", {"s1.py": "import no_such_package\n" + RIGHT, "s2.py": RIGHT})
    words = (tmp_path / "in", "--output", tmp_path / "out")
    run(capsys, *words)
    status, out, _ = run(capsys, *words)
    assert (status, graded_now(out), "nothing new" in out) == (0, [], True)
    monkeypatch.setattr("companion.grade.session._is_installed", lambda package: package == "no_such_package")
    status, out, _ = run(capsys, *words)
    assert graded_now(out) == ["s1"]


def test_a_criterion_that_depends_on_what_is_wrong_is_not_called_wrong(graded):
    row = rows(graded)["s2"]
    assert (row["first_loss"], row["gradients"], row["final_weights"]) == ("0", "not judged", "not judged")
    assert (row["updates"], row["rows"], row["short_batch"], row["reports"]) == ("2", "1", "1", "1")


def test_feedback_names_the_mistake_with_line_evidence_and_cure(graded):
    for ending in ("html", "md"):
        page = (graded / "feedback" / f"s2.{ending}").read_text()
        assert "The loss is summed over the batch instead of averaged" in page
        assert "8 times that of .fit" in page
        assert "Take the mean" in page
        assert re.search(r"s2\.py, line \d+", page)
    assert "<svg" in (graded / "feedback" / "s2.html").read_text()
    assert "not text in UTF-8" in (graded / "feedback" / "s6.html").read_text()
    assert "SyntaxError" in (graded / "feedback" / "s5.md").read_text()


def test_pages_need_no_other_file_and_take_no_name_for_markup(graded):
    pages = [path.read_text() for path in graded.rglob("*.html")]
    assert len(pages) == 9
    for page in pages:
        assert not re.search(r"<(script|link|img|iframe)\b|\bsrc=|https?://(?!www\.w3\.org/2000/svg)", page)
        assert "<b>" not in page


def test_results_are_in_gradescopes_format(graded):
    found = json.loads((graded / "results" / "s2.json").read_text())
    assert found["score"] == sum(test["score"] for test in found["tests"]) == 6
    assert sum(test["max_score"] for test in found["tests"]) == 10
    assert {test["status"] for test in found["tests"]} == {"passed", "failed"}
    assert set(found["tests"][0]) == {
        "name", "number", "score", "max_score", "status", "output", "output_format", "visibility"
    }  # fmt: skip
    assert (found["output_format"], found["visibility"], found["execution_time"] > 0) == (
        "md",
        "visible",
        True,
    )


def test_the_class_page_counts_mistakes_and_lists_who_timed_out(graded):
    page = (graded / "class.html").read_text()
    counts = dict(re.findall(r"<code>([\w-]+)</code>.*?<td class=\"number\">(\d+)</td>", page))
    assert counts == {"sum-instead-of-mean": "2", "last-batch-reported": "1"}
    assert "Timed out (1)" in page
    assert page.index("Needs your decision (2)") < page.index("Scores")
    assert "Handed in no loop (1)" in page
    alike = page[page.index("same wrong trajectory") :]
    assert re.search(r">s2</a>.*>s4</a>.*sum-instead-of-mean", alike[: alike.index("<h2")])
    assert "a hint, not a proof" in page
    assert "files outside cannot be read" in page


def test_only_what_has_changed_is_graded_again(graded, capsys, tmp_path):
    lay(tmp_path / "in", {"s1.py": RIGHT, "s2.py": wrong("no-update")})
    words = (tmp_path / "in", "--output", tmp_path / "out", "--jobs", 2)
    status, out, _ = run(capsys, *words, "--seed", 5)
    assert (status, sorted(graded_now(out))) == (0, ["s1", "s2"])
    before = (tmp_path / "out" / "gradebook.csv").read_bytes()

    status, out, _ = run(capsys, *words)
    assert (graded_now(out), "nothing new" in out) == ([], True)
    assert (tmp_path / "out" / "gradebook.csv").read_bytes() == before

    lay(tmp_path / "in", {"s2.py": RIGHT, "s3.py": RIGHT})
    assert sorted(graded_now(run(capsys, *words)[1])) == ["s2", "s3"]
    assert graded_now(run(capsys, *words, "--only", "s3")[1]) == ["s3"]
    assert sorted(graded_now(run(capsys, *words, "--force")[1])) == ["s1", "s2", "s3"]
    assert sorted(graded_now(run(capsys, *words, "--seed", 6)[1])) == ["s1", "s2", "s3"]
    assert graded_now(run(capsys, *words, "--seed", 6)[1]) == []

    other = lesson_file(3, "assignment.toml").read_text().replace("epochs = 2", "epochs = 3")
    (tmp_path / "own.toml").write_text(other)
    assert len(graded_now(run(capsys, *words, "--assignment", tmp_path / "own.toml")[1])) == 3
    assert {row["score"] for row in rows(tmp_path / "out").values()} == {"10"}


def test_a_grade_changed_by_hand_wins_without_grading_again(capsys, tmp_path):
    lay(tmp_path / "in", {"s1.py": wrong("no-update")})
    words = (tmp_path / "in", "--output", tmp_path / "out", "--seed", 5)
    run(capsys, *words)
    (tmp_path / "out" / "overrides.csv").write_text("id,score,reason\ns1,7.5,talked to her\nnobody,1,\n")
    status, _, err = run(capsys, *words, "--force")
    row = rows(tmp_path / "out")["s1"]
    assert (row["score"], row["status"]) == ("7.5", "graded (overridden)")
    assert (
        "7.5 of 10 points, set by hand (graded 7): talked to her"
        in (tmp_path / "out" / "feedback" / "s1.html").read_text()
    )
    assert json.loads((tmp_path / "out" / "results" / "s1.json").read_text())["score"] == 7.5
    assert (status, "overrides.csv: 'nobody' is not a student of this class" in err) == (1, True)


def test_the_same_seed_gives_the_same_numbers_and_another_one_others(graded, capsys, tmp_path):
    lay(tmp_path / "in", {"s2.py": CLASS["s2.py"]})
    texts = []
    for seed in (5, 6):
        run(capsys, tmp_path / "in", "--output", tmp_path / str(seed), "--seed", seed)
        texts.append((tmp_path / str(seed) / "feedback" / "s2.md").read_text())
    assert texts[0] == (graded / "feedback" / "s2.md").read_text()
    assert texts[1] != texts[0]


def test_a_dry_run_shows_who_is_who_and_the_roster_is_remembered(capsys, tmp_path):
    lay(tmp_path / "in", {"s1.py": RIGHT, "s2.py": b"\xff"})
    (tmp_path / "roster.csv").write_text("id;name\ns1;Ada Lovelace\ns3;Jo\n")
    status, out, _ = run(capsys, tmp_path / "in", "--roster", tmp_path / "roster.csv", "--dry-run")
    assert (status, graded_now(out)) == (0, [])
    assert re.search(r"s1 +Ada Lovelace +s1\.py", out)
    assert "not text in UTF-8" in re.sub(r"\s+", " ", out)
    words = (tmp_path / "in", "--output", tmp_path / "out")
    run(capsys, *words, "--roster", tmp_path / "roster.csv", "--only", "s1")
    run(capsys, *words, "--only", "s1")
    assert {student: row["name"] for student, row in rows(tmp_path / "out").items()} == {
        "s1": "Ada Lovelace", "s3": "Jo"
    }  # fmt: skip


def test_another_number_of_epochs_costs_the_reports_and_the_final_weights(capsys, tmp_path):
    epochs, end = "for _epoch in range(epochs)", "return history"
    files = {
        "more.py": RIGHT.replace(epochs, "for _epoch in range(9)"),
        "fewer.py": RIGHT.replace(epochs, "for _epoch in range(epochs - 1)"),
        "reported.py": RIGHT.replace(end, "return [*history, 1.0]"),
        "endless.py": RIGHT.replace(end, "return history * 100_000"),
    }
    assert all(text != RIGHT for text in files.values())
    lay(tmp_path / "in", files)
    assert run(capsys, tmp_path / "in", "--output", tmp_path / "out", "--seed", 5)[0] == 0
    book = rows(tmp_path / "out")
    costs = {name: [one for one in CRITERIA if row[one] == "0"] for name, row in book.items()}
    assert costs == {
        "more": ["reports", "final_weights"], "fewer": ["reports", "final_weights"],
        "reported": ["reports"], "endless": ["reports"],
    }  # fmt: skip
    first = {name: row["first mistake"] for name, row in book.items()}
    assert first == {"more": "other-epochs", "fewer": "other-epochs", "reported": "", "endless": ""}
    assert "| 8 | " in (tmp_path / "out" / "feedback" / "more.md").read_text()


def test_who_is_not_among_the_submissions_now_keeps_the_grade(capsys, tmp_path):
    lay(tmp_path / "in", {"lovelaceada_101_1_loop.py": RIGHT})
    lay(tmp_path / "late", {"turing_LATE_102_2_loop.py": wrong("no-update")})
    (tmp_path / "canvas.csv").write_bytes(CANVAS.replace("only),8", "only),10").encode())
    (tmp_path / "roster.csv").write_text("id,name\n101,Ada\n102,Alan\n103,Jo\n")
    words = ("--output", tmp_path / "out", "--roster", tmp_path / "roster.csv", "--seed", 5)
    assert run(capsys, tmp_path / "in", *words)[0] == 0
    sheet = ("--canvas", tmp_path / "canvas.csv", "--column", "Loops", "--replace")
    status, out, err = run(capsys, tmp_path / "late", *words, *sheet)
    assert "grades kept  1 of earlier runs, not among these submissions: 101" in re.sub("  +", "  ", out)
    book = {student: (row["score"], row["status"]) for student, row in rows(tmp_path / "out").items()}
    assert book == {"101": ("10", "graded"), "102": ("7", "graded"), "103": ("0", "missing")}
    filled = (tmp_path / "out" / "canvas.csv").read_text().splitlines()
    assert len([line for line in filled if line.endswith(",5.00,10.00")]) == 1, filled
    told = "note: 103: not filled in, '2.00' stands there, and nothing was handed in here\n"
    assert (status, err) == (1, told)


def test_a_group_that_is_not_among_the_submissions_now_keeps_its_grades(capsys, tmp_path):
    (tmp_path / "groups.csv").write_text("id,group\ns1,A\ns2,A\ns3,B\n")
    lay(tmp_path / "in", {"s1.py": RIGHT})
    lay(tmp_path / "late", {"s3.py": RIGHT})
    words = ("--output", tmp_path / "out", "--seed", 5)
    assert run(capsys, tmp_path / "in", *words, "--groups", tmp_path / "groups.csv")[0] == 0
    assert run(capsys, tmp_path / "late", *words)[0] == 0
    book = {student: (row["score"], row["members"]) for student, row in rows(tmp_path / "out").items()}
    assert book == {"s1": ("10", "s1; s2"), "s2": ("10", "s1; s2"), "s3": ("10", "")}


def test_loops_that_are_alike_are_listed_right_ones_too(capsys, tmp_path):
    renamed = re.sub(r"\bxb\b", "inputs", RIGHT).replace("losses, counts", "found, sizes")
    files = {"s1.py": RIGHT, "s2.py": f"# mine\n{renamed}", "s3.py": wrong("no-update", "one_tape")}
    cells = [{"cell_type": "code", "source": text} for text in ("!ls", "x = (", f"%time\n{RIGHT}")]
    lay(tmp_path / "in", files | {"s4.py": right_loop(), "s5.ipynb": json.dumps({"cells": cells})})
    run(capsys, tmp_path / "in", "--output", tmp_path / "out")
    page = (tmp_path / "out" / "class.html").read_text()
    alike = page[page.index(">Alike<") :]
    alike = alike[: alike.index("<h2", 20)]
    assert re.search(r">s1</a>.*>s2</a>.*>s4</a>.*>s5</a>.*lessons/right_loop\.py", alike)
    assert ">s3</a>" not in alike


def test_replace_needs_a_sheet(capsys, tmp_path):
    status, _, err = run(capsys, tmp_path, "--output", tmp_path / "out", "--replace")
    assert (status, "--replace belongs to --canvas or --moodle" in err) == (2, True)


def test_sheets_of_canvas_and_moodle_are_filled_in_beside_the_grades(capsys, tmp_path):
    lay(
        tmp_path / "in", {"lovelaceada_LATE_101_1_loop.py": RIGHT, "turing_102_2_loop.py": wrong("no-update")}
    )
    (tmp_path / "canvas.csv").write_bytes(CANVAS.replace("only),8", "only),10").encode())
    moodle = MOODLE.replace("8.00", "10.00").replace("123456", "101").replace("123457", "102")
    (tmp_path / "moodle.csv").write_text(moodle)
    sheets = ("--canvas", tmp_path / "canvas.csv", "--column", "Loops", "--moodle", tmp_path / "moodle.csv")
    words = (tmp_path / "in", "--output", tmp_path / "out", "--seed", 5, *sheets)
    status, out, err = run(capsys, *words)
    assert (status, "a Canvas download" in out) == (1, True)
    assert err == "note: 102: not filled in, '1.00' stands there; --replace overwrites scores\n"
    assert run(capsys, *words, "--replace")[0] == 0
    assert '"A, ""1""",5.00,10.00\r\n' in (tmp_path / "out" / "canvas.csv").read_bytes().decode()
    filled = (tmp_path / "out" / "moodle.csv").read_text().splitlines()
    assert filled[1].endswith('Submitted,10.00,10.00,Yes,-,"10 of 10 points, handed in late. All right."')
    assert "7.00,10.00,Yes,-,old" in filled[2]  # what somebody wrote there is kept
    assert rows(tmp_path / "out")["101"]["late"] == "late"


def test_a_group_gets_one_grade_in_every_output(capsys, tmp_path):
    team = "Team <1>_77_assignsubmission_file"
    lay(
        tmp_path / "in",
        {f"{team}/loop.py": wrong("no-update"), "Jo O'Neil_123458_assignsubmission_file/l.py": RIGHT},
    )
    moodle = MOODLE.replace("8.00", "10.00").replace("Status,", "Status,Gruppe,").replace("No,", "Yes,")
    moodle = re.sub("(Ada.*|Alan.*)Submitted,(1.00)?", r"\1Submitted,Team <1>,", moodle)
    (tmp_path / "moodle.csv").write_text(moodle.replace("org,Submitted,,10", "org,Submitted,,,10"))
    words = (tmp_path / "in", "--output", tmp_path / "out", "--seed", 5, "--moodle", tmp_path / "moodle.csv")
    status, out, err = run(capsys, *words)
    assert (status, err) == (0, "")
    assert re.search("groups +1: each member gets the grade", out)
    book = rows(tmp_path / "out")
    assert {student: (row["name"], row["score"], row["members"]) for student, row in book.items()} == {
        "123456": ("Ada Lovelace", "7", "123456; 123457"),
        "123457": ("Alan Turing", "7", "123456; 123457"),
        "123458": ("Jo O'Neil", "10", ""),
    }
    filled = (tmp_path / "out" / "moodle.csv").read_text().splitlines()
    assert [line.split(",")[5] for line in filled[1:]] == ["7.00", "7.00", "10.00"]
    assert {path.name for path in (tmp_path / "out" / "results").iterdir()} == {f"{one}.json" for one in book}
    page = (tmp_path / "out" / "class.html").read_text()
    assert "same wrong trajectory" not in page  # it is one submission
    with zipfile.ZipFile(tmp_path / "out" / "feedback.zip") as archive:
        assert f"{team}/feedback.html" in archive.namelist()
    assert "nothing new" in run(capsys, *words)[1]
    assert re.search(r"^Team <1> +7/10 ", run(capsys, *words, "--only", "123457")[1], re.MULTILINE)
    (tmp_path / "out" / "overrides.csv").write_text("id,score\nTeam <1>,8\n123457,9\n")
    assert run(capsys, *words)[0] == 0
    assert [rows(tmp_path / "out")[one]["score"] for one in ("123456", "123457")] == ["8", "9"]


def test_packages_of_the_assignment_must_be_there(capsys, tmp_path):
    own = lesson_file(3, "assignment.toml").read_text()
    (tmp_path / "own.toml").write_text(
        own.replace("packages = []", 'packages = ["numpy", "no-such-package >=2"]')
    )
    lay(tmp_path / "in", {"s1.py": RIGHT})
    words = (tmp_path / "in", "--output", tmp_path / "out", "--assignment", tmp_path / "own.toml")
    status, _, err = run(capsys, *words)
    assert (status, err.count("\n")) == (2, 1)
    assert "nothing was graded: the assignment needs no-such-package >=2, which this Python" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("in",), "SUBMISSIONS and --output are needed"),
        (("nowhere", "--output", "out"), "'nowhere' does not exist"),
        (("in", "--output", "out", "--resume", "--force"), "--resume continues the run with its old options"),
        (("in", "--output", "out", "--resume"), "there is no run to resume in this folder"),
        (("in", "--output", "out", "--only", "s99"), "--only 's99': this student has no submission"),
        (("in", "--output", "file"), "'file' cannot be made: File exists"),
        (("in", "--output", "in/grades"), "--output 'in/grades' lies in the folder of the submissions"),
        (("in", "--output", "out", "--seconds", "0"), "--seconds: '0' is not a whole number from 1 to 3600"),
        (("in", "--output", "out", "--due", "noon"), "--due: 'noon' is no time; try 2026-11-22T23:59"),
        (
            ("in", "--output", "out", "--due", "2026-11-22"),
            "--due: 'in' does not say when",
        ),
        (("in", "--output", "out", "--column", "x"), "--column belongs to --canvas"),
        (("in", "--output", "out", "--canvas", "c.csv", "--column", "x"), "--column 'x': c.csv has no such"),
        (
            ("in", "--output", "out", "--canvas", "c.csv", "--column", "Loops"),
            "no row is of a student of these",
        ),
        (("in", "--dry-run", "--canvas", "c.csv", "--column", "Loops"), "no row is of a student of these"),
        (("in", "--dry-run", "--output", "in/grades"), "--output 'in/grades' lies in the folder of the"),
        (("--gradescope-zip", "in/s1.py"), "'in/s1.py' does not end in .zip; try 'in/s1.py.zip'"),
        (("--gradescope-zip", "other.zip"), "'other.zip' exists and is no autograder; name another file"),
        (("in", "--output", "out", "--assignment", "no.toml"), "'no.toml' cannot be read"),
        (("--gradescope",), "is missing: --gradescope is for a Gradescope container"),
        (("in", "--output", "out", "--scheduler", "tcp://127.0.0.1:9"), "no Dask scheduler answers there"),
    ],
)
def test_misuse_gets_one_line_and_status_2(capsys, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("companion.terminal.cluster.CONNECT", 0.5)
    lay(tmp_path, {"in/s1.py": RIGHT, "file": "", "other.zip": "", "c.csv": CANVAS.replace("),8", "),10")})
    status, _, err = run(capsys, *words)
    errors = [line for line in err.splitlines() if "error:" in line]
    assert (status, len(errors)) == (2, 1), err
    assert told in errors[0]
    assert not any(tmp_path.rglob("gradebook.csv"))


def test_grades_of_another_lesson_are_not_overwritten(graded, capsys):
    before = (graded / "gradebook.csv").read_bytes()
    status = grade.main(["lesson1", str(graded.parent / "in"), "--output", str(graded)])
    assert (status, "holds the grades of lesson3" in capsys.readouterr().err) == (2, True)
    assert (graded / "gradebook.csv").read_bytes() == before


def without_seconds(folder):
    return [{key: cell for key, cell in row.items() if key != "seconds"} for row in rows(folder).values()]


def test_resume_goes_on_where_a_torn_journal_ends(graded, capsys, tmp_path):
    journal = (graded / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "journal.jsonl").write_bytes(b"".join(journal[:6]) + journal[6][:20])
    words = (graded.parent / "in", "--output", tmp_path / "out", "--roster", graded.parent / "roster.csv")
    status, out, _ = run(capsys, *words, "--seconds", 6, "--resume")
    done = {json.loads(line)["id"] for line in journal[1:6]}
    assert (status, set(graded_now(out)) | done, set(graded_now(out)) & done) == (0, set(CLASS_IDS), set())
    assert without_seconds(tmp_path / "out") == without_seconds(graded)
    status, out, _ = run(capsys, *words, "--seconds", 5, "--resume")  # another limit may change every grade
    assert (status, set(graded_now(out))) == (0, set(CLASS_IDS))


@pytest.mark.full
def test_killed_at_any_moment_resume_goes_on_and_grades_nobody_twice(graded, capsys, tmp_path):
    lay(tmp_path / "in", {f"s{n}.py": RIGHT if n % 2 else wrong("no-update") for n in range(12)})
    words = ["lesson3", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--seed", "5", "--jobs", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "companion.grade", *words], stdout=subprocess.DEVNULL, start_new_session=True
    )
    journal = tmp_path / "out" / "journal.jsonl"
    end = time.monotonic() + 60
    while time.monotonic() < end and not (journal.exists() and journal.read_bytes().count(b"\n") >= 4):
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with open(journal, "ab") as file:
        file.write(b'{"kind": "grade", "id": "s5", "torn')
    done = {json.loads(line)["id"] for line in journal.read_text().splitlines()[1:-1]}
    assert 3 <= len(done) < 12
    status, out, _ = run(capsys, *words[1:4], "--resume")
    assert (status, set(graded_now(out)) | done) == (0, {f"s{n}" for n in range(12)})
    assert not set(graded_now(out)) & done
    run(capsys, tmp_path / "in", "--output", tmp_path / "undisturbed", "--seed", 5)
    assert without_seconds(tmp_path / "out") == without_seconds(tmp_path / "undisturbed")
