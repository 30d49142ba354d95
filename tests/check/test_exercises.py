"""The exercises of the lessons: stubs are "not done yet", solutions pass, and wrong answers are told why."""

import json
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
from marks import only
from mistaken_loops import SOLUTIONS

from companion.check import __main__ as check
from companion.check.exercises import (
    ERROR,
    EXERCISES,
    NOT_DONE,
    RIGHT,
    WRONG,
    check_exercise,
    cross_entropy,
    exercises_of,
)
from companion.terminal.lesson_list import course_file, lesson_file

LESSONS = [1, 2, 3, 4, 5]
BY_NAME = {exercise.name: exercise for exercise in EXERCISES}


def checked(capsys, lesson, path, *words):
    status = check.main([f"lesson{lesson}", str(path), *words])
    return status, *capsys.readouterr()


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_stub_that_is_not_touched_is_not_done_yet(capsys, tmp_path, lesson):
    shutil.copy(lesson_file(lesson, "exercise.py"), tmp_path / "exercise.py")
    status, out, err = checked(capsys, lesson, tmp_path / "exercise.py", "--json", str(tmp_path / "x.json"))
    assert (status, err) == (1, "")
    assert out.count("not done yet") == 1 + len(exercises_of(lesson))
    result = json.loads((tmp_path / "x.json").read_text())
    assert (result["verdict"], {one["status"] for one in result["exercises"]} - {NOT_DONE}) == (
        NOT_DONE,
        set(),
    )


@pytest.mark.parametrize("lesson", only(LESSONS, 1))
def test_the_solutions_pass(capsys, lesson):
    status, out, err = checked(capsys, lesson, SOLUTIONS / f"lesson{lesson}.py")
    assert (status, err, "Well done" in out) == (0, "", True)
    assert [one.status for one in (check_exercise(*pair) for pair in solved(lesson))] == [RIGHT] * len(
        exercises_of(lesson)
    )


def solved(lesson):
    from companion.check.learner.file import read_module

    module = read_module(str(SOLUTIONS / f"lesson{lesson}.py"))
    return [(getattr(module, one.name), one) for one in exercises_of(lesson)]


@pytest.mark.parametrize("lesson", LESSONS)
def test_each_exercise_stands_in_the_lesson_s_file_and_is_solved_in_the_tests(lesson):
    for file in (lesson_file(lesson, "exercise.py"), SOLUTIONS / f"lesson{lesson}.py"):
        text = file.read_text(encoding="utf-8")
        assert "def train(model, x, y, *, learning_rate, batch_size, epochs):" in text
        assert all(f"def {one.name}(" in text for one in exercises_of(lesson))


@pytest.mark.parametrize(
    ("name", "number"), [(one.name, n) for one in EXERCISES for n in range(len(one.mistakes))]
)
def test_a_known_wrong_answer_is_told_by_what_it_is(name, number):
    exercise = BY_NAME[name]
    wrong, words = exercise.mistakes[number]
    done = check_exercise(wrong, exercise)
    assert (done.status, done.told.endswith(words)) == (WRONG, True), done


@pytest.mark.parametrize(
    ("function", "status", "told"),
    [
        (lambda truth, p: None, WRONG, "loss_of_one(0.0, 0.2) returned None: is the return missing?"),
        (lambda truth, p: "0.2231", WRONG, "the right answer is"),
        (lambda truth, p: [0.1, 0.2], WRONG, "it must return one number"),
        (
            lambda truth, p: cross_entropy(truth, p) + 2e-6,
            WRONG,
            "gives 0.223146, but the right answer is 0.223144",
        ),
        (lambda truth, p: float("nan"), WRONG, "gives nan"),
        (lambda truth, p: np.array([cross_entropy(truth, p)]), RIGHT, ""),
        (lambda truth, p: tf.constant(cross_entropy(truth, p), tf.float32), RIGHT, ""),
        (lambda truth: 0.0, ERROR, "in loss_of_one: TypeError"),
        (lambda truth, p: 1 / 0, ERROR, "ZeroDivisionError"),
        (lambda truth, p: int("x"), ERROR, "ValueError"),
        (lambda truth, p: exit(), ERROR, "SystemExit"),
    ],
)
def test_other_answers_to_one_number(function, status, told):
    done = check_exercise(function, BY_NAME["loss_of_one"])
    assert (done.status, told in done.told) == (status, True), done


def test_what_is_half_done_is_not_done_and_costs_no_other(capsys, tmp_path):
    text = (SOLUTIONS / "lesson3.py").read_text()
    path = tmp_path / "mine.py"
    path.write_text(text.replace("    x, y = lesson3.load_data()\n", "    raise NotImplementedError\n", 1))
    status, out, _ = checked(capsys, 3, path)
    assert (status, "Well done" in out) == (1, True)
    assert [line.split(maxsplit=1)[1].strip() for line in out.splitlines()[-3:]] == [RIGHT, NOT_DONE, RIGHT]


def test_an_exercise_that_was_deleted_is_missing_and_what_one_prints_is_seen(capsys, tmp_path):
    text = (SOLUTIONS / "lesson3.py").read_text().replace("def final_losses", "def others")
    path = tmp_path / "mine.py"
    path.write_text(
        text.replace("    return -math.log(prob", "    print('seen')\n    return -math.log(prob", 1)
    )
    status, out, _ = checked(capsys, 3, path)
    assert (status, "missing: the file defines no function final_losses" in out) == (1, True)
    assert "seen\n" in out


def test_a_numpy_call_inside_a_graph_is_an_error_and_no_stub(capsys, tmp_path):
    # TensorFlow raises NotImplementedError there too.
    path = tmp_path / "mine.py"
    text = (SOLUTIONS / "lesson3.py").read_text()
    path.write_text(
        text.replace("def train(", "@tf.function\ndef f(x):\n    return np.sin(x)\n\n\ndef train(").replace(
            "    optimizer = keras", "    f(tf.constant(1.0))\n    optimizer = keras", 1
        )
    )
    status, out, err = checked(capsys, 3, path)
    assert (status, "not done yet" in out) == (2, False)
    assert "NotImplementedError" in err


def test_a_file_without_the_exercises_is_a_loop_alone(capsys):
    status, out, _ = checked(capsys, 3, course_file("right_loop.py"))
    assert (status, "exercises" in out) == (0, False)


def test_the_loop_is_told_of_before_the_exercises_are_called_and_each_when_it_is_done(capsys, tmp_path):
    path = tmp_path / "exercise.py"
    text = (SOLUTIONS / "lesson3.py").read_text()
    path.write_text(text.replace("    losses = []\n    for", "    raise KeyboardInterrupt\n    for", 1))
    assert "raise KeyboardInterrupt" in path.read_text()
    status, out, err = checked(capsys, 3, path)
    assert (status, "interrupted" in err) == (130, True)
    assert "Well done: your loop does what .fit does." in out
    assert re.search(r"^loss_of_one +right", out, re.MULTILINE)


def test_exercises_are_checked_where_train_is_missing(capsys, tmp_path):
    path = tmp_path / "exercise.py"
    path.write_text((SOLUTIONS / "lesson3.py").read_text().replace("def train(", "def training("))
    status, out, err = checked(capsys, 3, path)
    assert (status, err.count("\n"), "train is not defined" in err) == (2, 1, True)
    assert re.findall(r"^(\w+) +(\w+)", out, re.MULTILINE)[-3:] == [
        ("loss_of_one", "right"),
        ("final_losses", "error"),  # it calls train
        ("train_longer", "right"),
    ]


def test_quiet_tells_of_exercises_that_are_not_right(capsys, tmp_path):
    path = tmp_path / "exercise.py"
    path.write_text((SOLUTIONS / "lesson3.py").read_text().replace("return -math.log", "return math.log", 1))
    assert checked(capsys, 3, path, "--quiet") == (1, "", f"{path}: 2 of 3 exercises are right\n")
