"""What is read and written as a table: assignment, overrides, gradebook, Canvas, Moodle; and the journal."""

import csv
import io
import json
import re
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from classes import CANVAS, MOODLE

from companion.check.catalogue import MISTAKES, ExerciseResult, Mistake, mistake
from companion.errors import UserError
from companion.grade.clean_text import as_terminal_shows
from companion.grade.grader import Job, pointed
from companion.grade.journal import Journal
from companion.grade.marking.assignment import read_assignment
from companion.grade.marking.grade import (
    CRITERIA,
    CriterionMark,
    FirstDifference,
    Grade,
    Override,
    QuestionMark,
    QuizMark,
)
from companion.grade.output.class_page import class_page
from companion.grade.output.feedback import feedback_page, feedback_text
from companion.grade.output.gradebook import gradebook, harmless
from companion.grade.output.lms import canvas_target, fill_in, moodle_target, read_sheet
from companion.grade.output.overrides import read_overrides
from companion.grade.output.publish import feedback_zip, scored
from companion.grade.output.sections import section_html, section_text
from companion.terminal.lesson_list import lesson_file

OWN = lesson_file(3, "assignment.toml").read_text()


def assignment(tmp_path, text):
    path = tmp_path / "assignment.toml"
    path.write_text(text, encoding="utf-8")
    return read_assignment(path, "lesson3")


@pytest.mark.parametrize("lesson", range(1, 6))
def test_each_lesson_has_an_assignment(lesson):
    own = read_assignment(lesson_file(lesson, "assignment.toml"), f"lesson{lesson}")
    assert own.maximum == sum(own.points.values()) == 10
    assert list(own.points) == list(CRITERIA)
    assert str(lesson) in own.title
    assert f"python -m companion.check lesson{lesson} FILE" in own.setting


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        (
            "epochs = 2",
            "epoch = 3",
            "epoch = 3",
            "epoch is no key here: there are batch_size, epochs",
        ),
        (
            "gradients = 2",
            "gradient = 2",
            "gradient = 2",
            "gradient is no key of [points]: there are final_weights",
        ),
        ("memory = 1024", "ram = 1024", "ram = 1024", "ram is no key of [limits]"),
        (
            "maximum = 10",
            "maximum = 12",
            "maximum = 12",
            "maximum is 12, but the points add up to 10; change one",
        ),
        ("rows = 1", "rows = -1", "rows = -1", "rows is -1: it must be a number from 0 to"),
        (
            "epochs = 2",
            "epochs = 2.5",
            "epochs = 2.5",
            "epochs is 2.5: it must be a whole number from 1 to 20",
        ),
        ("epochs = 2", 'epochs = "three"', 'epochs = "three"', "epochs is 'three': it must be"),
        ("epochs = 2", "epochs = true", "epochs = true", "epochs is True: it must be"),
        (
            "batch_size = 8",
            "batch_size = 11",
            "batch_size = 11",
            "which leaves no short last batch of 22 rows",
        ),
        ("seconds = 30", "seconds = 0", "seconds = 0", "seconds is 0: it must be a number from 1 to 3600"),
        ("[points]", "[point]", "[point]", "point is no key here"),
        ('"none"', '"some"', "follow_ups", "follow_ups is 'some': it must be one of none, half, full"),
        ("packages = []", 'packages = "tqdm"', "packages", "packages is 'tqdm': it must be a list such as"),
    ],
)
def test_a_wrong_assignment_is_refused_with_the_line(tmp_path, old, new, line, told):
    text = OWN.replace(old, new, 1)
    number = next(n for n, one in enumerate(text.splitlines(), start=1) if one.startswith(line))
    with pytest.raises(UserError, match=re.escape(told)) as error:
        assignment(tmp_path, text)
    assert f"assignment.toml, line {number}: " in str(error.value)


def test_a_missing_key_and_broken_toml_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"updates is missing in \[points\]"):
        assignment(tmp_path, OWN.replace("updates = 2", ""))
    with pytest.raises(UserError, match=r"not TOML: .*line 1"):
        assignment(tmp_path, "epochs = = 3")


def grade(student, points=1.0, **more):
    criteria = tuple(CriterionMark(name, "right", "", points, 1.0) for name in CRITERIA)
    about = {"criteria": criteria, "status": "graded", "seconds": 0.5, "key": "", "seed": 0, "maximum": 8.0}
    return Grade(id=student, **about | more)


def rows_of(content):
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


def test_the_gradebook_has_a_row_a_student():
    mistake = Mistake("no-update", "t", "", None, None, "", "", "", "")
    grades = [
        grade("s1", 0.5, mistakes=(mistake,), late=True, name="Lovelace, Ada"),
        grade("s2", 0.0, status="timeout"),
    ]
    marks = list(grades[1].criteria)
    marks[2] = replace(marks[2], state="not judged")
    grades[1] = replace(grades[1], criteria=tuple(marks))
    header, first, second = rows_of(gradebook(scored(grades, {"s2": Override(3.5, "")})))
    assert header[:4] == ["id", "name", "score", "maximum"]
    assert header[4:-8] == list(CRITERIA)
    assert header[-8:-6] == ["exercises", "quiz"]
    assert header[-6:] == ["first mistake", "status", "reason", "late", "seconds", "members"]
    assert first == [
        "s1",
        "Lovelace, Ada",
        "4",
        "8",
        *["0.5"] * 8,
        "",
        "",
        "no-update",
        "graded",
        "",
        "late",
        "0.50",
        "",
    ]
    assert second == [
        "s2",
        "",
        "3.5",
        "8",
        "0",
        "0",
        "not judged",
        *["0"] * 5,
        *[""] * 3,
        "timeout (overridden)",
        "",
        "",
        "0.50",
        "",
    ]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\n=1", "\uff1d1", "\u00a0=1"]
)
def test_cells_that_a_spreadsheet_would_run_are_made_harmless(text):
    assert harmless(text) == "'" + text
    (_, row) = rows_of(gradebook(scored([grade(text, name=text)], {})))
    assert row[0] == row[1] == "'" + text


def test_other_cells_stay_as_they_are():
    assert [harmless(text) for text in ("s1", "O'Neil", "a=b", "")] == ["s1", "O'Neil", "a=b", ""]


def test_a_score_by_hand_wins_and_is_marked():
    one, other = scored([grade("s1"), grade("s2")], {"s1": Override(2.5, "illness")})
    assert (one.score, one.graded, one.override) == (2.5, 8, Override(2.5, "illness", is_of_student=True))
    assert (other.score, other.override) == (8, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("student,score\n", "line 1: the columns must be id,score,reason, or criteria such as updates"),
        (
            "id,score\ns1,ten\n",
            "line 2: score is 'ten': it must be zero or a number up to 10 (bonus",
        ),
        ("id,score\ns1,nan\n", "line 2: score is 'nan'"),
        ("id,score,updates\ns1,,5\n", "line 2: updates is '5': it must be zero or a number up to 2 (bonus"),
        ("id,score,updates\ns1,,\n", "line 2: score is ''"),
        ("id,score\ns1,99\n", "line 2: score is '99'"),
        ("id,score\ns1,1\n\ns1,2\n", "line 4: 's1' comes twice; take one of the rows out"),
    ],
)
def test_wrong_overrides_are_refused_with_the_line(tmp_path, text, told):
    path = tmp_path / "overrides.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=re.escape(told)):
        read_overrides(path, assignment(tmp_path, OWN))


def test_points_by_criterion_change_the_score_and_a_students_row_wins_over_the_groups(tmp_path):
    path = tmp_path / "overrides.csv"
    path.write_text("id,score,reason,updates,rows\nteam,,half,0.5,0\ns2,3,ill,,\n")
    by_hand = read_overrides(path, assignment(tmp_path, OWN))
    one, other, alone = scored([grade("s1", group="team"), grade("s2", group="team"), grade("s3")], by_hand)
    assert (one.score, one.graded, other.score, alone.score) == (6.5, 8, 3, 8)
    page = feedback_page(one, "t").decode()
    assert "6.5 of 8 points, set by hand (graded 8): half" in page
    assert "0.5 / 1, set by hand" in page
    unread = replace(one, status="unreadable", in_train=False)
    assert "6.5 of 8 points, set by hand: half" in feedback_page(unread, "t").decode()
    _, row, *_ = rows_of(gradebook([one]))
    assert (row[2], row[4 + list(CRITERIA).index("updates")]) == ("6.5", "0.5")


@pytest.mark.parametrize(("follow_ups", "points"), [("none", 0), ("half", 1), ("full", 2)])
def test_an_assignment_says_what_follow_ups_give(tmp_path, follow_ups, points):
    chosen = assignment(tmp_path, OWN.replace('"none"', f'"{follow_ups}"'))
    marks = [CriterionMark(name, "not judged", follows=name == "gradients") for name in CRITERIA]
    job = Job("s", "", "", False, "", {}, "", {}, chosen.limits, chosen.points, chosen.share)
    given = {one.name: one.points for one in pointed(job, marks) if one.points}
    assert given == ({"gradients": points} if points else {})
    assert {"none": "gives no points", "half": "half of its", "full": "all of its"}[
        follow_ups
    ] in chosen.setting


def test_each_page_holds_the_sections_to_which_it_points(tmp_path):
    mistakes = [mistake(name, "seen", None, "") for name in ("sum-instead-of-mean", "vector-of-losses")]
    wrong = grade("s1", mistakes=tuple(mistakes))
    page, text = feedback_page(wrong, "t").decode(), feedback_text(wrong, "t")
    for written in (page, text):
        assert written.count("the gradient is larger by a factor") == 1  # both mistakes point there
    assert "<pre><code" in page
    known = Counter(one.section for one in MISTAKES.values())
    assert all(section_text(section) and section_html(section).tag == "div" for section in known)
    assert not [section for section in known if "](" in section_text(section)]


def test_canvas_and_moodle_get_their_pages_back_under_the_names_that_they_know():
    grades = [
        grade("1", prefix="adal_LATE_1_55_"), grade("2", prefix="Ada L_2_assignsubmission_file_/"),
        grade("3"), grade("4", prefix="../x_4_assignsubmission_file_/"),
    ]  # fmt: skip
    with zipfile.ZipFile(io.BytesIO(feedback_zip(scored(grades, {}), "t", ""))) as archive:
        assert archive.namelist() == [
            "Ada L_2_assignsubmission_file_/feedback.html", "adal_LATE_1_55_feedback.html"
        ]  # fmt: skip
        assert b"8 of 8 points" in archive.read("adal_LATE_1_55_feedback.html")
    assert feedback_zip(scored([grade("3")], {}), "t", "") == b""


def test_progress_bars_are_kept_as_a_terminal_shows_them():
    bar = "epoch 1\n\r 10%|\u2588   | 1/10\r100%|\u2588\u2588\u2588\u2588|10/10\n"
    assert as_terminal_shows(bar) == "epoch 1\n100%|\u2588\u2588\u2588\u2588|10/10\n"
    assert as_terminal_shows("1/3\b\b\b2/3\b\b\b3/3 \x1b[1mdone\x1b[0m\r\nnext") == "3/3 done\nnext"
    assert as_terminal_shows("a\tb  \n") == "a\tb  \n"


def sheet(tmp_path, text):
    path = tmp_path / "sheet.csv"
    path.write_bytes(text.encode())
    return path


def lines_that_differ(path, target):
    before, after = path.read_bytes().split(b"\n"), target.sheet.content().split(b"\n")
    assert len(before) == len(after)
    return {number: line.decode() for number, line in enumerate(after) if line != before[number]}


def test_a_sheet_is_written_as_it_was_read(tmp_path):
    for text in (CANVAS, "a,b\n1,2", "a,\n", 'a,"b\nc"\r\n', "\n\na\n", 'a,"x""y",\r\n'):
        path = sheet(tmp_path, text)
        assert read_sheet(path).content() == path.read_bytes()


def test_a_canvas_gradebook_gets_the_scores_and_nothing_else(tmp_path):
    path = sheet(tmp_path, CANVAS)
    grades = scored([grade("101"), grade("alan", 0.25), grade("x", name="O'Neil, Jo"), grade("nobody")], {})
    target = canvas_target(path, "Loops", 8)
    expected = {
        2: '"Lovelace, Ada",101,u101,ada,"A, ""1""",5.00,8.00\r',
        3: 'Turing,102,u102,alan,A,,"2.00"\r',
    }
    assert fill_in(target, grades, str) == [
        "x: not filled in, '2.00' stands there; --replace overwrites scores",
        "nobody: not filled in, no row matches",
    ]
    assert lines_that_differ(path, target) == expected
    target = canvas_target(path, "Loops", 8)
    assert fill_in(target, grades, str, replace=True) == ["nobody: not filled in, no row matches"]
    assert lines_that_differ(path, target) == expected | {4: '"O\'Neil, Jo",103,,,B,1,8.00'}


def test_who_is_excused_stays_excused(tmp_path):
    path = sheet(tmp_path, "Student,ID,Section,L (1)\nA,1,,EX\nB,2,,N/A\nC,3,,4.00\nD,4,,8\n")
    grades = scored([grade(str(number)) for number in (1, 2, 3, 4)], {})
    excused = "1: not filled in, 'EX' stands there: the student is excused"
    stands = "stands there; --replace overwrites scores"
    target = canvas_target(path, None, 8)
    assert fill_in(target, grades, str) == [
        excused,
        f"2: not filled in, 'N/A' {stands}",
        f"3: not filled in, '4.00' {stands}",
    ]
    target = canvas_target(path, None, 8)
    assert fill_in(target, grades, str, replace=True) == [excused]
    assert lines_that_differ(path, target) == {2: "B,2,,8.00", 3: "C,3,,8.00", 4: "D,4,,8.00"}


def test_a_canvas_gradebook_of_another_locale_is_written_as_it_was_read(tmp_path):
    text = (
        "\ufeffLastName;FirstName;ID;Section;L (1);M (2)\r\n;;;;Manual Posting;\r\n"
        "    Points Possible;;;;8,00;\r\nMüller;Jürgen;1;B;;3,5\r\nStudent;Test;9;B;;\r\n"
    )
    path = sheet(tmp_path, text)
    target = canvas_target(path, "L", 8)
    grades = scored([grade("x", 0.5, name="Müller, Jürgen"), grade("Jürgen Müller")], {})
    assert fill_in(target, grades[:1], str) == []
    assert lines_that_differ(path, target) == {3: "Müller;Jürgen;1;B;4,00;3,5\r"}
    assert fill_in(canvas_target(path, "L", 8), grades[1:], str) == []


def test_a_sheet_in_cp1252_stays_in_it(tmp_path):
    path = tmp_path / "sheet.csv"
    path.write_bytes("Student,ID,Section,L (1)\nMüller,1,,\n".encode("cp1252"))
    target = canvas_target(path, None, 8)
    assert fill_in(target, scored([grade("1")], {}), str) == []
    assert target.sheet.content() == "Student,ID,Section,L (1)\nMüller,1,,8.00\n".encode("cp1252")


@pytest.mark.parametrize(
    ("column", "maximum", "told"),
    [
        (None, 8, "which column is to be filled in? --column names one of 'Essay (77)', 'Loops (78)'"),
        ("Exam", 8, "no such column; name one of 'Essay (77)', 'Loops (78)'"),
        ("Loops (78)", 10, "line 2: the highest score is 8, but 10 in the assignment"),
    ],
)
def test_a_canvas_gradebook_that_is_not_clear_is_refused(tmp_path, column, maximum, told):
    with pytest.raises(UserError, match=re.escape(told)):
        canvas_target(sheet(tmp_path, CANVAS), column, maximum)


def test_a_moodle_worksheet_gets_grade_and_comment_and_nothing_else(tmp_path):
    path = sheet(tmp_path, MOODLE)
    target = moodle_target(path, 8)
    grades = scored([grade("123456"), grade("alan@example.org", 0.5), grade("123458"), grade("1")], {})
    filled = {
        1: "Participant 123456,Ada Lovelace,ada@example.org,Submitted,8.00,8.00,Yes,-,"
        '"\'=HYPERLINK(1), well done"',
    }
    told = [
        "alan@example.org: not filled in, '1.00' stands there; --replace overwrites scores",
        "123458: not filled in, the grade may not be changed there",
        "1: not filled in, no row matches",
    ]
    assert fill_in(target, grades, lambda one: "=HYPERLINK(1), well done") == told
    assert lines_that_differ(path, target) == filled
    target = moodle_target(path, 8)
    assert fill_in(target, grades, lambda one: "=HYPERLINK(1), well done", replace=True) == told[1:]
    assert lines_that_differ(path, target) == filled | {
        2: "Participant 123457,Alan Turing,alan@example.org,Submitted,4.00,8.00,Yes,-,old",
    }


def test_a_moodle_worksheet_may_be_in_any_language(tmp_path):
    path = sheet(
        tmp_path,
        "\ufeffID,Vollständiger Name,ID-Nummer,E-Mail-Adresse,Status,Bewertung,Bestwertung,Bewertung kann "
        "geändert werden,Zuletzt geändert (Abgabe),Zuletzt geändert (Bewertung),Feedback als Kommentar\r\n"
        'Teilnehmer/in501,Ada,81,a@x,Abgegeben,,"8,00",Ja,-,-,\r\n'
        'Teilnehmer/in502,Bo,82,b@x,Abgegeben,,"8,00",Nein,-,-,\r\n',
    )
    target = moodle_target(path, 8)
    notes = fill_in(target, scored([grade("501", 0.5), grade("502")], {}), lambda one: "gut")
    assert notes == ["502: not filled in, the grade may not be changed there"]
    assert lines_that_differ(path, target) == {
        1: 'Teilnehmer/in501,Ada,81,a@x,Abgegeben,"4,00","8,00",Ja,-,-,gut\r'
    }


def test_other_files_are_no_sheets(tmp_path):
    with pytest.raises(UserError, match="is no gradebook from Canvas"):
        canvas_target(sheet(tmp_path, MOODLE), None, 8)
    with pytest.raises(UserError, match="is no grading worksheet from Moodle"):
        moodle_target(sheet(tmp_path, CANVAS), 8)
    with pytest.raises(UserError, match=r"line 2: a quote is not allowed here"):
        read_sheet(sheet(tmp_path, 'a,b\nx"y",z\n'))
    with pytest.raises(UserError, match="is empty"):
        read_sheet(sheet(tmp_path, ""))


def test_the_journal_keeps_whole_lines_and_drops_a_torn_one(tmp_path):
    path = tmp_path / "journal.jsonl"
    quiz = QuizMark("lesson3", 1, 2, (QuestionMark("q", "Why?", "a", True),), ("a note",))
    last = grade("s1", 0.5, learner=(0.5, float("nan"), float("inf")), quiz=quiz, late=True, look=("ctypes",))
    last = replace(
        last, first_difference=FirstDifference("rows", 1, 2), exercises=(ExerciseResult("e", "right", ""),)
    )
    with Journal(path) as journal:
        journal.add_run({"lesson": 3, "seed": 1, "fixed": True, "force": False, "only": []})
        journal.add_grade(grade("s1"))
        journal.add_grade(last)
    with path.open("ab") as file:
        file.write(b'{"kind": "grade", "id": "s2"')
    with Journal(path) as journal:
        assert repr(journal.grades()) == repr({"s1": last})  # as text, in which NaN is NaN
        assert [one.id for one in journal.since_last_run()] == ["s1", "s1"]
        journal.add_grade(grade("s3"))
    assert [json.loads(line)["kind"] for line in path.read_text().splitlines()] == ["run"] + 3 * ["grade"]


def test_what_an_instructor_sets_and_the_names_of_pages_are_not_in_the_journal(tmp_path):
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.add_grade(*scored([grade("s1")], {"s1": Override(1.0, "")}))
    with Journal(tmp_path / "journal.jsonl") as journal:
        assert journal.grades() == {"s1": grade("s1")}


def test_a_journal_of_version_0_1_0_is_read(tmp_path):
    text = (Path(__file__).parent / "journal_0.1.0.jsonl").read_text()
    (tmp_path / "journal.jsonl").write_text(text)
    with Journal(tmp_path / "journal.jsonl") as journal:
        grades = journal.grades()
    assert {student: (one.status, one.score) for student, one in grades.items()} == {
        "s1": ("graded", 10), "s2": ("graded", 6), "s3": ("error", 0)
    }  # fmt: skip
    assert grades["s2"].mistakes[0].name == "sum-instead-of-mean"
    assert grades["s1"].quiz.score == 0


@pytest.mark.parametrize(
    "line",
    [
        '{"kind": "grade", "id": "s1"}',
        '{"kind": "grade", "criteria": 3}',
        '{"kind": "note"}',
        '{"kind": "run"}',
        "[]",
        "3",
    ],
)
def test_a_line_that_is_neither_run_nor_grade_is_refused(tmp_path, line):
    (tmp_path / "journal.jsonl").write_text(line + "\n")
    with pytest.raises(UserError, match="line 1: the grader did not write this line"):
        Journal(tmp_path / "journal.jsonl")


def test_the_median_of_an_even_number_of_scores_lies_between_the_middle_two():
    grades = scored([grade(f"s{n}", points / 8) for n, points in enumerate((1, 2, 4, 8))], {})
    assert "mean 3.75, median 3, maximum 8" in class_page(grades, "title", []).decode()


def test_two_graders_do_not_share_a_folder(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path), pytest.raises(UserError, match="in use by another grader"):
        Journal(path)


def test_another_file_is_no_journal(tmp_path):
    path = Path(tmp_path, "journal.jsonl")
    path.write_text("hello\n")
    with pytest.raises(UserError, match="line 1: the grader did not write this line"):
        Journal(path)


def test_who_could_not_be_graded_gets_a_blank_and_no_zero():
    (one,) = scored([grade("s1", 0.0, status="internal")], {})
    assert one.score is None
    assert rows_of(gradebook([one]))[1][2] == ""


def test_the_number_of_a_student_is_not_looked_up_among_other_numbers(tmp_path):
    text = CANVAS.replace("Turing,102,u102", "Turing,102,777")  # 777 is a SIS id, and somebody's Canvas id
    target = canvas_target(sheet(tmp_path, text), "Loops", 8)
    told = fill_in(target, scored([grade("101"), grade("777")], {}), str)
    assert told == ["777: not filled in, no row matches"]


def test_two_students_who_stand_for_one_row_fill_in_nothing(tmp_path):
    target = canvas_target(sheet(tmp_path, CANVAS), "Loops", 8)
    told = fill_in(target, scored([grade("101"), grade("ada", 0.0)], {}), str)
    assert told == [
        f"{student}: not filled in, another student has the same row" for student in ("101", "ada")
    ]


def test_names_that_lead_out_of_an_archive_are_left_out():
    prefixes = ["x\\..\\evil_1_", "C:evil_2_", "a\nb_3_", "a\udce4_4_", "good_5_"]
    grades = [grade(str(n), prefix=prefix) for n, prefix in enumerate(prefixes)]
    with zipfile.ZipFile(io.BytesIO(feedback_zip(scored(grades, {}), "t", ""))) as archive:
        assert archive.namelist() == ["good_5_feedback.html"]


def test_what_is_set_for_one_member_is_not_told_to_the_group():
    team = [grade("s1", group="team", prefix="team_77_"), grade("s2", group="team", prefix="team_77_")]
    by_hand = {"team": Override(5, "for all"), "s2": Override(0, "of s2 alone")}
    with zipfile.ZipFile(io.BytesIO(feedback_zip(scored(team, by_hand), "t", ""))) as archive:
        page = archive.read("team_77_feedback.html").decode()
    assert ("of s2 alone" in page, "5 of 8 points" in page) == (False, True)
