"""Whose is it, and can it be read: what is handed in, however course systems hand it over."""

import io
import json
import os
import re
import stat
import zipfile
from datetime import datetime

import pytest
from classes import lay

from companion.errors import UserError
from companion.grade.intake import archive as tree
from companion.grade.intake.groups import in_groups, read_groups
from companion.grade.intake.submissions import take_in
from companion.grade.output.file_names import file_names

LOOP_FILE = "loop.py"
LOOP = "def train(model, x, y, *, learning_rate, batch_size, epochs):\n    return []\n"
NOTEBOOK = json.dumps({"cells": [{"cell_type": "code", "source": LOOP.splitlines(keepends=True)}]})


def zipped(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def found(source, **how):
    return {one.id: one for one in take_in(source, **how).submissions}


def problem(tmp_path, files, student="s1"):
    one = found(lay(tmp_path, files))[student]
    return one.problem


METADATA = """---
submission_11:
  :submitters:
  - :name: Ada Lovelace
    :sid: '2001'
    :email: ada@example.org
  :created_at: 2026-11-20 10:00:00.000000000 Z
  :score:
submission_12:
  :submitters:
  - :name: Alan Turing
    :sid:
    :email: alan@example.org
  :created_at: 2026-11-23 10:00:00.000000000 Z
"""
LAYOUTS = {
    "one file per student": (
        {"s1001.py": LOOP, "s1002.ipynb": NOTEBOOK, "notes.csv": "x", ".DS_Store": "x"},
        {"s1001": ("", False, "s1001.py"), "s1002": ("", False, "s1002.ipynb")},
    ),
    "one folder per student": (
        {"s1/loop.py": LOOP, "s1/helper.py": "x = 1", "s2/deep/er/loop.ipynb": NOTEBOOK, "s2/data.txt": "x"},
        {"s1": ("", False, "loop.py"), "s2": ("", False, "deep/er/loop.ipynb")},
    ),
    "a Canvas download": (
        {
            "lovelaceada_12345_67890_exercise.py": LOOP,
            "turingalan_LATE_12346_67891_exercise-1.py": LOOP,
            "nobody_77_1_a_b.py": LOOP,
        },
        {
            "12345": ("lovelaceada", False, "exercise.py"),
            "12346": ("turingalan", True, "exercise-1.py"),
            "77": ("nobody", False, "a_b.py"),
        },
    ),
    "a Moodle download": (
        {
            "Ada Lovelace_123456_assignsubmission_file_/exercise.py": LOOP,
            "Ärmel, Jo_123457_assignsubmission_file/exercise.py": LOOP,
            "Alan Turing_123458_assignsubmission_file_exercise.py": LOOP,
        },
        {
            "123456": ("Ada Lovelace", False, "exercise.py"),
            "123457": ("Ärmel, Jo", False, "exercise.py"),
            "123458": ("Alan Turing", False, "exercise.py"),
        },
    ),
    "a Blackboard download": (
        {
            "Lab_3_ada_attempt_2026-11-20-14-05-06_loop.py": "x = 1",
            "Lab_3_ada_attempt_2026-11-21-14-05-06_loop.py": LOOP,
            "Lab_3_ada_attempt_2026-11-21-14-05-06.txt": "Name: ...",
            "Lab_3_alan_attempt_2026-11-25-09-05-06_my_loop.py": LOOP,
        },
        {"ada": ("", False, "loop.py"), "alan": ("", True, "my_loop.py")},
    ),
    "a Brightspace download": (
        {
            "index.html": "x",
            "390001-25 - Ada Lovelace - Nov 20, 2026 926 PM/loop.py": LOOP,
            "390002-25 - Alan Turing - Nov 20, 2026 1026 PM/loop.py": "x = 1",
            "390002-25 - Alan Turing - Nov 25, 2026 926 AM/loop.py": LOOP,
        },
        {"390001": ("Ada Lovelace", False, "loop.py"), "390002": ("Alan Turing", True, "loop.py")},
    ),
    "a Google Classroom download": (
        {"Ada Lovelace - loop.py": LOOP, "Alan Turing - my loop.ipynb": NOTEBOOK},
        {
            "Ada Lovelace": ("Ada Lovelace", False, "loop.py"),
            "Alan Turing": ("Alan Turing", False, "my loop.ipynb"),
        },
    ),
    "a Gradescope export": (
        {
            "submission_11/exercise.py": LOOP,
            "submission_12/exercise.py": LOOP,
            "submission_metadata.yml": METADATA,
        },
        {
            "2001": ("Ada Lovelace", False, "exercise.py"),
            "alan@example.org": ("Alan Turing", True, "exercise.py"),
        },
    ),
}


@pytest.mark.parametrize("packed", ["folder", "zip", "zip with a folder in it"])
@pytest.mark.parametrize("system", LAYOUTS)
def test_ids_names_and_lateness_are_worked_out(tmp_path, system, packed):
    files, expected = LAYOUTS[system]
    if packed == "folder":
        source = lay(tmp_path / "handed in", files)
    else:
        source = tmp_path / "submissions.zip"
        inside = "submissions/" if packed == "zip with a folder in it" else ""
        source.write_bytes(zipped({inside + name: text for name, text in files.items()}))
    intake = take_in(source, datetime.fromisoformat("2026-11-22T23:59:00+00:00"))
    assert intake.system == system
    assert {one.id: (one.name, one.late, one.file) for one in intake.submissions} == expected
    assert [one.problem for one in intake.submissions] == [""] * len(expected)
    assert all(LOOP.split("(")[0].encode() in one.read()[one.file] for one in intake.submissions)


TEAM = """---
submission_11:
  :submitters:
  - :name: Ada Lovelace
    :sid: '2001'
  - :name: Alan Turing
    :email: alan@example.org
submission_12:
  :submitters:
  - :name: Jo O'Neil
    :sid: '2003'
  - :name: Ada Lovelace
    :sid: '2001'
"""


def test_each_submitter_of_gradescope_is_a_member_and_nobody_is_in_two_groups(tmp_path):
    files = {"submission_11/e.py": LOOP, "submission_12/e.py": LOOP, "submission_metadata.yml": TEAM}
    intake = take_in(lay(tmp_path, files))
    first, second = in_groups(intake.submissions, {})
    assert (first.id, second.id) == ("submission_11", "submission_12")
    assert first.members == (("2001", "Ada Lovelace"), ("alan@example.org", "Alan Turing"))
    assert second.members == (("2003", "Jo O'Neil"),)
    told = "2001 is in 2 submissions: submission_11/e.py, submission_12/e.py"
    assert (first.problem, second.problem) == (told, told)


@pytest.mark.parametrize(
    "text",
    [
        "name,canvas_user_id,user_id,login_id,sections,group_name\n"
        "Ada,101,u1,ada,A,One\nAlan,102,u2,alan,A,One\nJo,103,u3,jo,A,Two\nLee,104,u4,lee,A,\n",
        "id;team;name\n101;One;Ada\n102;One;Alan\n103;Two;Jo\n",
    ],
    ids=["Canvas", "own"],
)
def test_a_csv_file_says_who_hands_in_together(tmp_path, text):
    path = tmp_path / "groups.csv"
    path.write_text(text)
    files = {f"one_101_5_{LOOP_FILE}": LOOP, f"jo_103_6_{LOOP_FILE}": LOOP, f"lee_104_7_{LOOP_FILE}": LOOP}
    handed_in = take_in(lay(tmp_path / "in", files)).submissions
    told = {one.id: (one.name, one.members) for one in in_groups(handed_in, read_groups(path))}
    assert told == {
        "One": ("Ada and Alan", (("101", "Ada"), ("102", "Alan"))), "103": ("Jo", ()), "104": ("lee", ())
    }  # fmt: skip
    files[f"alan_102_8_{LOOP_FILE}"] = LOOP + "\n"
    (one,) = (
        one for one in in_groups(take_in(lay(tmp_path / "in", files)).submissions, read_groups(path))
        if one.id == "One"
    )  # fmt: skip
    assert one.problem.startswith("this group has 2 submissions that differ: ")


def test_a_list_of_groups_without_groups_is_refused(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("id,name\n1,Ada\n")
    with pytest.raises(UserError, match="columns 'id' and 'group' are needed; there are id, name"):
        read_groups(path)


def test_anonymous_students_texts_and_links_of_canvas_have_their_ids(tmp_path):
    files = {"LATE_anon_aB3_55_loop.py": LOOP, "anon_Zx9_56_loop.py": LOOP}
    files |= {"adal_77_text.html": "<p>", "alant_LATE_78_link.html": "<a>"}
    students = found(lay(tmp_path, files))
    assert {one.id: (one.late, one.problem.partition(",")[0]) for one in students.values()} == {
        "aB3": (True, ""),
        "Zx9": (False, ""),
        "77": (False, "neither a .py nor an .ipynb file was handed in"),
        "78": (True, "neither a .py nor an .ipynb file was handed in"),
    }


def test_the_assignment_is_taken_off_the_names_of_github_classroom(tmp_path):
    files = {"lab-3-ada/loop.py": LOOP, "lab-3-alan-t/loop.py": LOOP}
    assert set(found(lay(tmp_path / "lab-3-submissions", files))) == {"ada", "alan-t"}
    assert set(found(lay(tmp_path / "other", files))) == {name.partition("/")[0] for name in files}


def test_a_zipped_folder_of_files_is_a_class_and_leftovers_are_no_submissions(tmp_path):
    source = tmp_path / "any name.zip"
    left = {"week/s1.py~": "x", "week/.s2.py.swp": "x", "week/s1.pyc": "x", "__MACOSX/week/._s1.py": "x"}
    source.write_bytes(zipped({"week/s1.py": LOOP, "week/s2.py": LOOP} | left))
    assert {one.id: one.problem for one in found(source).values()} == {"s1": "", "s2": ""}


def test_all_files_of_a_student_come_along(tmp_path):
    one = found(lay(tmp_path, {"s1/loop.py": LOOP, "s1/helper.py": "x = 1", "s1/sub/more.py": "y = 2"}))["s1"]
    assert sorted(one.read()) == ["helper.py", "loop.py", "sub/more.py"]


def test_an_archive_that_a_student_handed_in_is_opened(tmp_path):
    lay(tmp_path, {"s1.zip": zipped({"exercise/loop.py": LOOP, "__MACOSX/._loop.py": "x"})})
    assert found(tmp_path)["s1"].file == "exercise/loop.py"


UNREADABLE = {
    "is not text in UTF-8": {"s1.py": b"# caf\xe9\n" + LOOP.encode()},
    "2 candidates: a.py, b.py define train": {"s1/a.py": LOOP, "s1/b.py": LOOP},
    "2 candidates: a.py, b.py could hold the loop, and none defines train": {"s1/a.py": "", "s1/b.py": ""},
    "neither a .py nor an .ipynb file": {"s1/loop.txt": LOOP},
    "holds 'evil.py', which climbs out": {"s1.zip": zipped({"../../evil.py": LOOP, "loop.py": LOOP})},
    "is no zip archive that can be read": {"s1.zip": b"PK\x03\x04 not really"},
    "is 100 MB large": {"s1.py": b"#" * (100 << 20)},
    "is larger than 20 MB": {"s1.zip": zipped({"loop.py": " " * (21 << 20)})},
}


@pytest.mark.parametrize("expected", UNREADABLE)
def test_what_cannot_be_read_costs_the_student_and_says_why(tmp_path, expected):
    told = problem(tmp_path, UNREADABLE[expected] | {"s2.py": LOOP})
    assert expected in told or ("larger" in expected and "may be at most 20 MB" in told)
    assert found(tmp_path)["s2"].problem == ""


def test_answers_to_the_quiz_lie_beside_the_file_of_their_student(tmp_path):
    lay(tmp_path / "in", {"s1.py": "def train(): ...", "s1_answers.toml": "a = 1", "answers.toml": ""})
    intake = take_in(tmp_path / "in")
    assert [(one.id, sorted(one.read())) for one in intake.submissions] == [("s1", ["answers.toml", "s1.py"])]
    assert intake.ignored == ["answers.toml"]


def test_a_file_and_a_notebook_by_one_student_are_two_candidates_unless_they_have_one_loop(tmp_path):
    other = NOTEBOOK.replace("return", "return 2 *")
    assert other != NOTEBOOK
    assert "2 candidates" in problem(tmp_path / "two", {"s1.py": LOOP, "s1.ipynb": other})
    both = lay(tmp_path / "one", {"s1.py": LOOP, "s1.ipynb": NOTEBOOK})
    assert (found(both)["s1"].file, found(both)["s1"].problem) == ("s1.py", "")


def test_symbolic_links_are_not_followed(tmp_path):
    lay(tmp_path / "secret", {"loop.py": LOOP})
    folder = lay(tmp_path / "in", {"s3.py": LOOP})
    (folder / "s1.py").symlink_to(tmp_path / "secret" / "loop.py")
    (folder / "s2").symlink_to(tmp_path / "secret")
    students = found(folder)
    assert "symbolic link" in students["s1"].problem
    assert students["s2"].problem
    assert students["s3"].problem == ""


def test_symbolic_links_in_an_archive_are_not_followed(tmp_path):
    archive = tmp_path / "submissions.zip"
    with zipfile.ZipFile(archive, "w") as writer:
        info = zipfile.ZipInfo("s1.py")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        writer.writestr(info, "/etc/passwd")
        writer.writestr("../s2.py", LOOP)
        writer.writestr("s3.py", LOOP)
    students = found(archive)
    assert "symbolic link" in students["s1"].problem
    assert "climbs out" in students[".."].problem
    assert students["s3"].problem == ""


def test_a_pipe_stops_nobody(tmp_path):
    os.mkfifo(lay(tmp_path, {"s2.py": LOOP}) / "s1.py")
    assert "no regular file" in found(tmp_path)["s1"].problem


def test_a_file_that_has_become_a_link_is_not_read(tmp_path):
    one = found(lay(tmp_path, {"s1.py": LOOP}))["s1"]
    (tmp_path / "s1.py").unlink()
    (tmp_path / "s1.py").symlink_to("/etc/passwd")
    with pytest.raises(Exception, match=r"s1\.py cannot be read"):
        one.read()


def test_the_digest_is_that_of_the_content(tmp_path):
    before = found(lay(tmp_path, {"s1.py": LOOP}))["s1"].digest
    os.utime(tmp_path / "s1.py", (0, 0))
    assert found(tmp_path)["s1"].digest == before
    lay(tmp_path, {"s1.py": LOOP + "\n"})
    assert found(tmp_path)["s1"].digest != before


@pytest.mark.parametrize("source", ["missing", "file.txt", "empty"])
def test_where_nothing_is_handed_in_one_line_says_so(tmp_path, source):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(UserError, match=r"name the folder|there are no submissions"):
        take_in(tmp_path / source)


def test_only_so_many_files_are_listed(tmp_path, monkeypatch):
    monkeypatch.setattr(tree, "MOST_FILES", 3)
    with pytest.raises(UserError, match="more than 3 files"):
        take_in(lay(tmp_path, {f"s{n}.py": LOOP for n in range(4)}))


def test_names_of_files_for_students_are_harmless_and_differ():
    ids = [
        "s1001",
        "U77",
        "../../etc/passwd",
        "..",
        "a/b",
        "a:b",
        "a_b",
        "CON",
        "con.txt",
        "Jürgen",
        "x" * 300,
        "",
    ]
    ids += [".", "=1", "Bob", "bob", "müller", "m_ller-2dbd2180"]
    names = file_names(ids)
    assert (names["s1001"], names["U77"]) == ("s1001", "U77")
    assert len({name.casefold() for name in names.values()}) == len(ids)
    for name in names.values():
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}", name)


def test_damaged_archives_cost_their_own_students_only(tmp_path):
    good = zipped({"loop.py": LOOP + "# " + "x" * 1000})
    lay(tmp_path, {"s0.py": LOOP})
    for number in range(len(good)):
        damaged = bytearray(good)
        damaged[number] ^= 0xFF
        (tmp_path / f"s{number + 1}.zip").write_bytes(damaged)
    (tmp_path / "nul.zip").write_bytes(zipped({"aa.py": LOOP}).replace(b"aa.py", b"\0a.py"))
    students = found(tmp_path)
    assert len(students) == len(good) + 2
    assert students["s0"].problem == ""
    problems = {one.problem for one in students.values()}
    assert any("damaged" in told for told in problems)


def test_a_file_of_line_ends_and_spaces_is_read_as_fast_as_any(tmp_path):
    lay(tmp_path, {"s1.py": "\n" * 1_000_000, "s2.py": " " * 1_000_000 + "x", "s3.py": '"\n\t' * 300_000})
    assert [one.file for one in take_in(tmp_path).submissions] == ["s1.py", "s2.py", "s3.py"]


def test_a_student_cannot_hand_in_for_another_by_the_name_of_a_file(tmp_path):
    lay(
        tmp_path,
        {
            "mallory_111_901_hw_222_assignsubmission_file_loop.py": LOOP,
            "victim_222_902_loop.py": LOOP,
            "other_333_903_loop.py": LOOP,
        },
    )
    assert {one.id: (one.name, one.problem) for one in take_in(tmp_path).submissions} == {
        "111": ("mallory", ""), "222": ("victim", ""), "333": ("other", "")
    }  # fmt: skip
    name = "Mal_111_assignsubmission_file_x_222_assignsubmission_file_loop.py"
    moodle = lay(tmp_path / "moodle", {name: LOOP})
    assert list(found(moodle)) == ["111"]
    both = lay(tmp_path / "both", {"a_1_2_loop.py": LOOP, "b_1_3_loop.py": LOOP, "c_9_9_loop.py": LOOP})
    assert "files of two students" in found(both)["1"].problem


def test_names_that_no_terminal_or_file_should_see_are_made_harmless(tmp_path):
    folder = lay(tmp_path / "in", {"s1.py": LOOP})
    (folder / "al\x1b]0;x\x07\nbob  10\u202e.py").write_text(LOOP)
    os.rename(folder / "s1.py", os.fsencode(folder) + b"/al\xff.py")
    for one in take_in(folder).submissions:
        for text in (one.id, one.name, one.source, one.problem):
            assert text.encode().decode() == text
            assert text.isprintable()


def test_what_lies_too_deep_is_not_read(tmp_path):
    lay(tmp_path, {"s1.zip": zipped({"a/" * 60 + "loop.py": LOOP})})
    assert "lies in more than 40 nested folders" in problem(tmp_path, {})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (  # what a student calls a file is no attempt of somebody else
            {
                "Lab_aadams_attempt_2023-10-03-15-05-06_loop.py": LOOP,
                "Lab_aadams_attempt_2023-10-04-15-05-06_x_bbaker_attempt_2030-10-03-15-05-06_l.py": LOOP,
                "Lab_bbaker_attempt_2023-10-03-15-05-06_loop.py": LOOP,
            },
            ["aadams", "bbaker"],
        ),
        (  # nor does it change the system
            {
                "bakerbo_10002_2_l.py": LOOP,
                "carrcy_10003_3_l.py": LOOP,
                **{f"adamsann_10001_{n}_x_10002_attempt_2030-10-03-15-05-0{n}_l.py": LOOP for n in range(4)},
            },
            ["10001", "10002", "10003"],
        ),
        (
            {
                "Bo Baker_500002_assignsubmission_file/l.py": LOOP,
                "Bo Baker_500002_assignsubmission_file x_500001_assignsubmission_file/l.py": LOOP,
            },
            ["500001", "500002"],
        ),
    ],
    ids=["Blackboard", "Canvas", "Moodle"],
)
def test_no_name_of_a_student_or_a_file_counts_for_another(tmp_path, files, expected):
    assert sorted(found(lay(tmp_path, files))) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,group\ns1,A\ns1,B\n", "line 3: 's1' is in 'A' too"),
        ("id,group\ns1,A\ns1,A\n", "line 3: 's1' comes twice"),
        ('id,group\n"s1,A\ns2,B\n' + "x" * 200_000, "is a quote missing"),
        ("\ufeffid,group\n".encode("utf-16"), "is in UTF-16: save it as CSV in UTF-8"),
    ],
)
def test_a_list_of_groups_that_is_not_clear_is_refused(tmp_path, text, told):
    path = tmp_path / "groups.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=re.escape(told)):
        read_groups(path)


def test_a_student_who_is_called_like_a_group_stays_alone(tmp_path):
    handed_in = take_in(lay(tmp_path, {"s1.py": LOOP, "s2.py": LOOP})).submissions
    told = in_groups(handed_in, {"s1": [("s2", "Bo"), ("s3", "Cy")]})
    assert sorted(one.source for one in told) == ["s1.py", "s2.py"]


@pytest.mark.parametrize("about", ["5", "[1, 2]", "submission_1: {:submitters: 5}", "a: 2023-99-99"])
def test_metadata_of_gradescope_that_is_odd_ends_in_no_traceback(tmp_path, about):
    files = {"submission_1/l.py": LOOP, "submission_2/l.py": LOOP, "submission_metadata.yml": about}
    try:
        assert sorted(found(lay(tmp_path, files))) == ["1", "2"]
    except UserError as error:
        assert "submission_metadata.yml" in str(error)  # noqa: PT017


@pytest.mark.parametrize("line", ["# coding: undefined\n", "# coding: punycode\n", "# big"])
def test_no_file_ends_the_run_while_it_is_read(tmp_path, line):
    big = LOOP.replace("return []", f"return 0x{'f' * 6000}")  # an integer that cannot be written in decimals
    files = {"s1/loop.py": line + LOOP if line != "# big" else big, "s1/loop.ipynb": NOTEBOOK, "s2.py": LOOP}
    students = found(lay(tmp_path, files))
    assert students["s2"].problem == ""
    assert students["s1"].problem
