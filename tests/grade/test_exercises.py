"""Exercises and answers to the quiz, where they are handed in: marked beside the loop, each with a column."""

import csv
import json
import re

import pytest
from classes import lay
from mistaken_loops import SOLUTIONS

from companion.grade import __main__ as grade
from companion.grade.marking import exercises
from companion.grade.marking.quiz_marks import QuizMarks, is_answers, key_of
from companion.grade.sandbox.inside import ERROR_HEAD
from companion.quiz.answers import sheet
from companion.report.questions import read_quiz
from companion.terminal.lesson_list import lesson_file

SOLVED = (SOLUTIONS / "lesson3.py").read_text()
STUB = lesson_file(3, "exercise.py").read_text()
QUIZ = read_quiz(lesson_file(3, "quiz.toml"))
HALF = SOLVED.replace("return -math.log(probability) if", "return 0.0 if").replace(
    "    (x, y), (x_test, y_test) = diabetes()\n", "    import time; time.sleep(100)\n"
)
LOOP = SOLVED.partition("def loss_of_one")[0]
READS_THE_ANSWERS = (
    LOOP
    + """def loss_of_one(truth, probability):
    from companion.check.exercises import cross_entropy
    return cross_entropy(truth, probability)
"""
)
NAMES = ["loss_of_one", "final_losses", "train_longer"]

pytestmark = pytest.mark.xdist_group("grade")  # they share the grader's processes


@pytest.fixture(scope="module")
def right_answers():
    return key_of(3)


@pytest.fixture(scope="module")
def graded(tmp_path_factory, right_answers):
    folder = tmp_path_factory.mktemp("class")
    some = dict(list(right_answers.items())[:4])
    lay(
        folder / "in",
        {
            "all/exercise.py": SOLVED,
            "all/answers.toml": sheet("lesson3", QUIZ, right_answers),
            "stub/exercise.py": STUB,
            "loop/loop.py": LOOP,
            "quiz/answers.toml": sheet("lesson3", QUIZ, some),
            "flat.py": LOOP,
            "flat_answers.toml": sheet("lesson3", QUIZ, some) + 'sure-wrong = "z"\n',
            "broken/loop.py": LOOP,
            "broken/answers.toml": "a = [",
            "reads/exercise.py": READS_THE_ANSWERS,
        },
    )  # fmt: skip
    words = ["lesson3", str(folder / "in"), "--output", str(folder / "out"), "--seed", "5"]
    grade.main(words)
    return folder / "out"


def row(folder, student):
    with open(folder / "gradebook.csv", encoding="utf-8-sig", newline="") as stream:
        return next(one for one in csv.DictReader(stream) if one["id"] == student)


@pytest.mark.parametrize(
    ("student", "score", "right", "quiz", "status"),
    [
        ("all", "10", "3 of 3", "10 of 10", "graded"),
        ("stub", "0", "0 of 3", "", "not done yet"),
        ("loop", "10", "", "", "graded"),
        ("quiz", "0", "", "4 of 10", "missing"),
        ("flat", "10", "", "4 of 10", "graded"),
        ("broken", "10", "", "unreadable", "graded"),
        ("reads", "10", "0 of 3", "", "graded"),
    ],
)
def test_the_gradebook_has_their_columns(graded, student, score, right, quiz, status):
    found = row(graded, student)
    assert (found["score"], found["exercises"], found["quiz"]) == (score, right, quiz)
    assert found["status"] == status


def test_what_was_not_accepted_is_told(graded):
    assert "'sure-wrong' is no question of this quiz: did you mean sure-and-wrong?" in (
        (graded / "feedback" / "flat.html").read_text().replace("&#x27;", "'")
    )


def test_the_class_page_counts_who_has_each_right(graded):
    page = (graded / "class.html").read_text()
    assert "Not done yet (1)" in page
    assert re.search(r"<td>loss_of_one</td>.*?<td class=.number.>1 of 3</td>", page)
    assert re.search(r"<td>Before training, the network answers.*?<td class=.number.>3 of 3</td>", page)


def test_the_feedback_tells_of_each(graded):
    page = (graded / "feedback" / "all.html").read_text()
    assert "The exercises: 3 of 3 right" in page
    assert "The quiz: 10 of 10 right" in page
    stub = (graded / "feedback" / "stub.md").read_text()
    assert all(f"{name}: not done yet" in stub.replace("\\_", "_") for name in NAMES)
    assert "not TOML" in (graded / "feedback" / "broken.md").read_text()
    assert "## The" not in (graded / "feedback" / "loop.md").read_text()


def test_the_answers_cannot_be_imported_where_a_submission_runs(graded):
    told = (graded / "feedback" / "reads.md").read_text().replace("\\_", "_")
    assert "loss_of_one: error" in told
    assert "PermissionError" in told or "ImportError" in told or "ModuleNotFoundError" in told, told


@pytest.mark.full
def test_an_exercise_that_hangs_costs_no_loop_and_no_grader(tmp_path):
    lay(tmp_path / "in", {"s1.py": HALF})
    words = ["lesson3", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--seconds", "8"]
    grade.main(words)
    found = row(tmp_path / "out", "s1")
    assert (found["score"], found["exercises"], found["status"]) == ("10", "1 of 3", "graded")
    told = (tmp_path / "out" / "feedback" / "s1.md").read_text().replace("\\_", "_")
    assert "loss_of_one: wrong" in told
    assert "final_losses: right" in told
    assert "train_longer: error: not done after 8 s" in told


def test_of_some_exercises_only_these_are_judged():
    given = [{"numbers": [value], "shape": []} for value in (0.2231435513, 1.6094379124, 0.0100503359, 1.0)]
    done = exercises.judge(3, 5, json.dumps([*given, {"missing": True}]).encode(), ["loss_of_one"])
    assert [(one["name"], one["status"]) for one in done] == [("loss_of_one", "wrong")]
    assert "loss_of_one(0.0, 0.65)" in done[0]["told"]


def test_the_last_call_of_each_exercise_is_drawn_from_the_seed():
    one, other = exercises.calls_of(3, 1), exercises.calls_of(3, 2)
    assert exercises.calls_of(3, 1) == one
    assert [name for name, *_ in one] == [name for name, *_ in other]
    same = [pair[0] == pair[1] for pair in zip(one, other, strict=True)]
    assert same == [True] * 4 + [False, True, False, True, True, False]
    assert exercises.calls_of(4, 1) == []


@pytest.mark.parametrize(
    "result",
    [b"", b"{", b"[]", b"[1, 2]", b"null", b'[{"numbers": ["x"], "shape": []}]', b"\xff", b"[" * 100_000,
     json.dumps([{"numbers": [1.0], "shape": [-1]}] * 10).encode(),
     json.dumps([{"right": True}] * 10).encode()],
)  # fmt: skip
def test_what_the_grader_would_not_write_is_an_error(result):
    done = exercises.judge(3, 5, result, NAMES)
    assert [one["status"] for one in done] == ["error"] * 3
    assert {one["told"] for one in done} == {exercises.FORGED}


def test_a_file_that_cannot_be_read_is_told():
    done = exercises.judge(3, 5, ERROR_HEAD + json.dumps({"text": "no such thing"}).encode(), NAMES)
    assert [one["told"] for one in done] == ["no such thing"] * 3


@pytest.mark.parametrize(
    ("name", "it_is"),
    [
        ("answers.toml", True),
        ("sub/Answers-1.TOML", True),
        ("my answers.toml", True),
        ("answers.txt", False),
        ("my.toml", False),
    ],
)
def test_a_file_of_answers_is_known_by_its_name(name, it_is):
    assert is_answers(name) == it_is


def test_of_two_files_of_answers_one_is_marked_and_said(right_answers):
    marks = QuizMarks(3)
    text = sheet("lesson3", QUIZ, right_answers).encode()
    marked = marks.mark({"answers.toml": text, "answers-1.toml": b""})
    assert (marked.score, marked.notes) == (0, ("only answers-1.toml was marked, of 2 answer files",))
