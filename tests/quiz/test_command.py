"""``python -m companion.quiz``: what it asks, how it marks, and that its right answers cannot rot."""

import json
import subprocess
import sys

import pytest
from marks import only
from quizzes import RUN, STATIC, run

from companion.quiz import __main__ as quiz
from companion.quiz.answers import Answers, read_answers, sheet
from companion.report.predictions import Predictions
from companion.report.questions import is_right, mark, read_quiz
from companion.terminal.lesson_list import LESSONS, lesson_file


@pytest.mark.parametrize("lesson", LESSONS)
def test_each_lesson_has_six_to_ten_questions_of_all_kinds_with_names_of_their_own(lesson):
    questions = read_quiz(lesson_file(lesson, "quiz.toml")).questions
    assert 6 <= len(questions) <= 10
    assert {question.kind for question in questions} == {"choice", "number", "prediction"}
    places = [question.answer for question in questions if question.kind == "choice"]
    assert len(set(places)) > 1 or len(places) == 1  # not always the same letter


@pytest.mark.parametrize("lesson", only(LESSONS, "lesson2"))
def test_right_answers_are_marked_right_and_explained_by_the_run(lesson, capsys, monkeypatch, tmp_path):
    questions = read_quiz(lesson_file(lesson, "quiz.toml"))
    predictions = Predictions(lesson)
    right = {}
    for question in questions.questions:
        answer = predictions.answer(question)[0] if question.kind == "prediction" else question.answer
        right[question.name] = answer
        one = mark(question, answer, lambda q: predictions.answer(q) if q.asks else (q.answer, {}))
        assert one.right
        assert "{" not in one.explanation
        if question.choices:
            assert not is_right(question, (answer + 1) % len(question.choices), answer)
    path = tmp_path / "answers.toml"
    path.write_text(sheet(lesson, questions, right))
    status, out, err = run(capsys, monkeypatch, [lesson, "--answers", path])
    count = len(questions.questions)
    assert (status, err, f"Score: {count} of {count}" in out) == (0, "", True)


def test_it_asks_explains_and_counts(own_quiz, capsys, monkeypatch, tmp_path):
    words = [
        "lesson3",
        "--quiz",
        own_quiz(STATIC),
        "--save",
        tmp_path / "a.toml",
        "--json",
        tmp_path / "r.json",
    ]
    status, out, _ = run(capsys, monkeypatch, words, "c\nthat\nmany\n0,305\n")
    assert (status, "Score: 2 of 2" in out) == (0, True)
    assert "'c' is none of the answers: give a letter from a to b" in out
    assert "'many' is not a number: give one, such as 0.25" in out
    assert (out.count("Right."), "So many." in out) == (2, True)
    assert 'letter = "b"\n' in (tmp_path / "a.toml").read_text()
    assert json.loads((tmp_path / "r.json").read_text())["score"] == 2
    assert "Score: 2 of 2" in run(capsys, monkeypatch, [*words[:3], "--answers", tmp_path / "a.toml"])[1]


def test_answers_that_are_there_are_not_written_over(capsys, monkeypatch, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('loss-at-the-start = "0.69"\n')
    for option in ("--sheet", "--key"):
        status, _, err = run(capsys, monkeypatch, ["lesson3", option, path])
        assert (status, "answers in it would be lost" in err) == (2, True)
    assert path.read_text() == 'loss-at-the-start = "0.69"\n'


def test_a_quiz_that_was_ended_is_gone_on_with(own_quiz, capsys, monkeypatch, tmp_path):
    words = ["lesson3", "--quiz", own_quiz(STATIC), "--save", tmp_path / "mine.toml"]
    assert "(ended at question 2)" in run(capsys, monkeypatch, words, "b\n")[1]
    status, out, _ = run(capsys, monkeypatch, words, "0.3\n")
    assert (status, "1. (answered before: b) that)" in out, "Score: 2 of 2" in out) == (0, True, True)
    assert "number = 0.3\n" in (tmp_path / "mine.toml").read_text()


def test_a_file_in_which_something_would_be_lost_is_not_gone_on_with(own_quiz, capsys, monkeypatch, tmp_path):
    path = tmp_path / "mine.toml"
    for text, told in (('letter = "z"\n', "'z' is none of"), ('letter = "a"\nnumbr = 1\n', "mean number?")):
        path.write_text(text)
        status, _, err = run(
            capsys, monkeypatch, ["lesson3", "--quiz", own_quiz(STATIC), "--save", path], "a\n"
        )
        assert (status, told in err, path.read_text()) == (2, True, text)


def test_the_key_is_a_file_of_right_answers(own_quiz, capsys, monkeypatch, tmp_path):
    words = ["lesson3", "--quiz", own_quiz(STATIC + RUN)]
    assert run(capsys, monkeypatch, [*words, "--key", tmp_path / "key.toml"])[0] == 0
    assert "Score: 3 of 3" in run(capsys, monkeypatch, [*words, "--answers", tmp_path / "key.toml"])[1]


def test_a_key_is_not_given_to_a_quiz_whose_explanation_cannot_be_filled_in(own_quiz, capsys, monkeypatch):
    path = own_quiz('title = "x"\n' + RUN.replace("{first_loss:.4f}", "{first_los}"))
    status, out, err = run(capsys, monkeypatch, ["lesson3", "--quiz", path, "--key", "-"])
    assert (status, out, "its explanation cannot be filled in" in err) == (2, "", True)


def test_what_is_left_out_is_not_right_and_input_may_end_early(own_quiz, capsys, monkeypatch):
    words = ["lesson3", "--quiz", own_quiz(STATIC)]
    status, out, _ = run(capsys, monkeypatch, words, "\n")
    assert (status, "Skipped. Right: b) that" in out, "Score: 0 of 2" in out) == (0, True, True)
    assert "(ended at question 2)" in out


@pytest.mark.parametrize("interrupted", ["input", "run"])
def test_after_ctrl_c_what_was_answered_is_kept(own_quiz, capsys, monkeypatch, tmp_path, interrupted):
    def interrupt(*_):
        raise KeyboardInterrupt

    typed = iter(["b", "0.3"])
    monkeypatch.setattr("builtins.input", lambda: next(typed, None) or interrupt())
    if interrupted == "run":
        monkeypatch.setattr(quiz.RightAnswers, "__call__", interrupt)
    path = tmp_path / "mine.toml"
    status = quiz.main(["lesson3", "--quiz", str(own_quiz(STATIC + RUN)), "--save", str(path)])
    saved = path.read_text()
    assert (status, "(ended at question" in capsys.readouterr().out) == (0, True)
    assert 'letter = "b"\n' in saved
    assert ("number = 0.3\n" in saved) == (interrupted == "input")


def test_a_prediction_is_run_only_after_it_was_answered(own_quiz, capsys, monkeypatch):
    status, out, _ = run(capsys, monkeypatch, ["lesson3", "--quiz", own_quiz(STATIC + RUN)], "a\n1\n0.6937\n")
    assert (status, "It is 0.6937." in out, "Score: 1 of 3" in out) == (0, True, True)
    assert out.index("What is the loss at first?") < out.index("(trains the network to see ...)")


def test_it_works_without_tensorflow_where_no_question_needs_a_run(own_quiz):
    code = "import sys; from companion.quiz.__main__ import main; main(sys.argv[1:]); "
    code += "print('tensorflow' in sys.modules)"
    words = [sys.executable, "-c", code, "lesson3", "--quiz", own_quiz(STATIC)]
    done = subprocess.run(words, input="b\n0.3\n", capture_output=True, text=True, check=True)
    assert (done.stdout.splitlines()[-1], "Score: 2 of 2" in done.stdout) == ("False", True)


def test_a_sheet_has_every_question_and_no_answer(capsys, monkeypatch, tmp_path):
    path = tmp_path / "sheet.toml"
    assert run(capsys, monkeypatch, ["lesson3", "--sheet", path])[0] == 0
    questions = read_quiz(lesson_file(3, "quiz.toml"))
    assert read_answers(path, questions) == Answers({}, {}, [])
    assert all(question.text in path.read_text() for question in questions.questions)


def test_answers_that_can_be_none_are_noted_and_the_others_marked(own_quiz, capsys, monkeypatch, tmp_path):
    path = tmp_path / "answers.toml"
    path.write_text('letter = "z"\nnumber = 0.3\nother = 1\n')
    words = ["lesson3", "--quiz", own_quiz(STATIC + RUN.replace("run", "third", 1)), "--answers", path]
    _, out, _ = run(capsys, monkeypatch, words)
    assert "note: letter: 'z' is none of the answers" in out
    assert "note: 'other' is no question of this quiz" in out
    assert "Score: 1 of 3" in out
    assert [row.split()[1:4] for row in out.splitlines() if row.strip().startswith(("1 ", "2 "))] == [
        ["letter", "not", "accepted"],
        ["number", "0.3", "right"],
    ]
    path.write_text("letter = true\nnumber = ['b']\n")
    assert read_answers(path, read_quiz(own_quiz(STATIC))).refused == {
        "letter": "True is none of the answers: give a letter from a to b",
        "number": "['b'] is not a number: give one, such as 0.25",
    }


@pytest.mark.parametrize(
    "words",
    [["lesson9"], ["lesson3", "--answers", "nowhere.toml"], ["lesson3", "--quiz", "nowhere.toml"], [],
     ["lesson3", "--answers", "a.toml", "--save", "b.toml"],
     ["lesson3", "--answers", "a.toml", "--key", "b.toml"]],
)  # fmt: skip
def test_misuse_gets_one_line_and_status_2(capsys, monkeypatch, words):
    status, _, err = run(capsys, monkeypatch, words)
    assert (status, err.count("\n")) == (2, 1), err
