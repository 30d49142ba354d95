"""``python -m companion.quiz``: what it asks, how it marks, and that its right answers cannot rot."""

import io
import json
import subprocess
import sys

import pytest

from companion import quiz
from companion.answers import Answers, mark, read_answers, sheet
from companion.errors import UserError
from companion.lesson_files import LESSONS, lesson_file
from companion.predictions import Predictions
from companion.questions import ASKS, LETTERS, is_right, read_answer, read_quiz

STATIC = """title = "a small one"

[[question]]
name = "letter"
kind = "choice"
question = "Which?"
choices = ["this", "that"]
answer = 2
explanation = "That."

[[question]]
name = "number"
kind = "number"
question = "How many?"
answer = 0.3
tolerance = 0.01
explanation = "So many."
"""
RUN = """
[[question]]
name = "run"
kind = "prediction"
question = "What is the loss at first?"
asks = "first loss"
tolerance = 0.001
run = { epochs = 1 }
explanation = "It is {first_loss:.4f}."
"""


@pytest.fixture
def own(tmp_path):
    def write(text):
        path = tmp_path / "quiz.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def run(capsys, monkeypatch, words, typed=""):
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    try:
        status = quiz.main([str(word) for word in words])
    except SystemExit as error:
        status = error.code
    return status, *capsys.readouterr()


@pytest.mark.parametrize("lesson", LESSONS)
def test_each_lesson_has_six_to_ten_questions_of_all_kinds_with_names_of_their_own(lesson):
    questions = read_quiz(lesson_file(lesson, "quiz.toml")).questions
    assert 6 <= len(questions) <= 10
    assert {question.kind for question in questions} == {"choice", "number", "prediction"}
    places = [question.answer for question in questions if question.kind == "choice"]
    assert len(set(places)) > 1 or len(places) == 1  # not always the same letter


@pytest.mark.parametrize("lesson", LESSONS)
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


def test_it_asks_explains_and_counts(own, capsys, monkeypatch, tmp_path):
    words = ["lesson3", "--quiz", own(STATIC), "--save", tmp_path / "a.toml", "--json", tmp_path / "r.json"]
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


def test_a_quiz_that_was_ended_is_gone_on_with(own, capsys, monkeypatch, tmp_path):
    words = ["lesson3", "--quiz", own(STATIC), "--save", tmp_path / "mine.toml"]
    assert "(ended at question 2)" in run(capsys, monkeypatch, words, "b\n")[1]
    status, out, _ = run(capsys, monkeypatch, words, "0.3\n")
    assert (status, "1. (answered before: b) that)" in out, "Score: 2 of 2" in out) == (0, True, True)
    assert "number = 0.3\n" in (tmp_path / "mine.toml").read_text()


def test_a_file_in_which_something_would_be_lost_is_not_gone_on_with(own, capsys, monkeypatch, tmp_path):
    path = tmp_path / "mine.toml"
    for text, told in (('letter = "z"\n', "'z' is none of"), ('letter = "a"\nnumbr = 1\n', "mean number?")):
        path.write_text(text)
        status, _, err = run(capsys, monkeypatch, ["lesson3", "--quiz", own(STATIC), "--save", path], "a\n")
        assert (status, told in err, path.read_text()) == (2, True, text)


def test_the_key_is_a_file_of_right_answers(own, capsys, monkeypatch, tmp_path):
    words = ["lesson3", "--quiz", own(STATIC + RUN)]
    assert run(capsys, monkeypatch, [*words, "--key", tmp_path / "key.toml"])[0] == 0
    assert "Score: 3 of 3" in run(capsys, monkeypatch, [*words, "--answers", tmp_path / "key.toml"])[1]


def test_a_key_is_not_given_to_a_quiz_whose_explanation_cannot_be_filled_in(own, capsys, monkeypatch):
    path = own('title = "x"\n' + RUN.replace("{first_loss:.4f}", "{first_los}"))
    status, out, err = run(capsys, monkeypatch, ["lesson3", "--quiz", path, "--key", "-"])
    assert (status, out, "its explanation cannot be filled in" in err) == (2, "", True)


def test_what_is_left_out_is_not_right_and_input_may_end_early(own, capsys, monkeypatch):
    words = ["lesson3", "--quiz", own(STATIC)]
    status, out, _ = run(capsys, monkeypatch, words, "\n")
    assert (status, "Left out: b) that" in out, "Score: 0 of 2" in out) == (0, True, True)
    assert "(ended at question 2)" in out


@pytest.mark.parametrize("interrupted", ["input", "run"])
def test_after_ctrl_c_what_was_answered_is_kept(own, capsys, monkeypatch, tmp_path, interrupted):
    def interrupt(*_):
        raise KeyboardInterrupt

    typed = iter(["b", "0.3"])
    monkeypatch.setattr("builtins.input", lambda: next(typed, None) or interrupt())
    if interrupted == "run":
        monkeypatch.setattr(quiz.RightAnswers, "__call__", interrupt)
    path = tmp_path / "mine.toml"
    status = quiz.main(["lesson3", "--quiz", str(own(STATIC + RUN)), "--save", str(path)])
    saved = path.read_text()
    assert (status, "(ended at question" in capsys.readouterr().out) == (0, True)
    assert 'letter = "b"\n' in saved
    assert ("number = 0.3\n" in saved) == (interrupted == "input")


def test_a_prediction_is_run_only_after_it_was_answered(own, capsys, monkeypatch):
    status, out, _ = run(capsys, monkeypatch, ["lesson3", "--quiz", own(STATIC + RUN)], "a\n1\n0.6937\n")
    assert (status, "It is 0.6937." in out, "Score: 1 of 3" in out) == (0, True, True)
    assert out.index("What is the loss at first?") < out.index("(trains the network to see ...)")


def test_it_works_without_tensorflow_where_no_question_needs_a_run(own):
    code = (
        "import sys; from companion import quiz; quiz.main(sys.argv[1:]); print('tensorflow' in sys.modules)"
    )
    words = [sys.executable, "-c", code, "lesson3", "--quiz", own(STATIC)]
    done = subprocess.run(words, input="b\n0.3\n", capture_output=True, text=True, check=True)
    assert (done.stdout.splitlines()[-1], "Score: 2 of 2" in done.stdout) == ("False", True)


def test_a_sheet_has_every_question_and_no_answer(capsys, monkeypatch, tmp_path):
    path = tmp_path / "sheet.toml"
    assert run(capsys, monkeypatch, ["lesson3", "--sheet", path])[0] == 0
    questions = read_quiz(lesson_file(3, "quiz.toml"))
    assert read_answers(path, questions) == Answers({}, {}, [])
    assert all(question.text in path.read_text() for question in questions.questions)


def test_answers_that_can_be_none_are_noted_and_the_others_marked(own, capsys, monkeypatch, tmp_path):
    path = tmp_path / "answers.toml"
    path.write_text('letter = "z"\nnumber = 0.3\nother = 1\n')
    words = ["lesson3", "--quiz", own(STATIC + RUN.replace("run", "third", 1)), "--answers", path]
    _, out, _ = run(capsys, monkeypatch, words)
    assert "note: letter: 'z' is none of the answers" in out
    assert "note: 'other' is no question of this quiz" in out
    assert "Score: 1 of 3" in out
    assert [row.split()[1:4] for row in out.splitlines() if row.strip().startswith(("1 ", "2 "))] == [
        ["letter", "not", "accepted"],
        ["number", "0.3", "right"],
    ]
    path.write_text("letter = true\nnumber = ['b']\n")
    assert read_answers(path, read_quiz(own(STATIC))).refused == {
        "letter": "True is none of the answers: give a letter from a to b",
        "number": "['b'] is not a number: give one, such as 0.25",
    }


@pytest.mark.parametrize(
    ("given", "answer"), [("B", 1), ("b)", 1), ("b.", 1), (" that ", 1), ("THIS", 0), ("a", 0)]
)
def test_a_choice_is_a_letter_or_its_text(own, given, answer):
    assert read_answer(read_quiz(own(STATIC)).questions[0], given) == answer


@pytest.mark.parametrize("given", ["", "ab", "c", "0", "nan"])
def test_other_words_are_no_choice(own, given):
    with pytest.raises(UserError, match="is none of the answers"):
        read_answer(read_quiz(own(STATIC)).questions[0], given)


@pytest.mark.parametrize("given", ["", "x", "nan", "inf", "1,000,000", "1 2"])
def test_other_words_are_no_number(own, given):
    with pytest.raises(UserError, match="is not a number"):
        read_answer(read_quiz(own(STATIC)).questions[1], given)


@pytest.mark.parametrize(("given", "right"), [(0.29, True), (0.31, True), (0.2899, False), (0.3101, False)])
def test_a_number_is_right_within_the_tolerance_its_ends_too(own, given, right):
    assert is_right(read_quiz(own(STATIC)).questions[1], given, 0.3) == right


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("title = ", "titel = ", "line 1: titel is no key here: there are question, title"),
        ('title = "a small one"', "", "has no title: add a text in quotes"),
        ("[[question]]", "[[questions]]", "questions is no key here"),
        (
            'kind = "choice"',
            'kind = "choise"',
            "line 5: kind is 'choise': it must be one of choice, number, pred",
        ),
        ('kind = "choice"\n', "", "line 3: question has no kind"),
        ("answer = 2", "answer = 3", "line 8: answer is 3: it must be a whole number from 1 to 2"),
        ("answer = 2", 'answer = "b"', "line 8: answer is 'b': it must be a whole number"),
        ('["this", "that"]', '["this"]', "line 7: choices needs a list of 2 to 8 texts"),
        ('["this", "that"]', '["this", "This"]', "line 7: choices has the same text twice"),
        ('name = "number"', 'name = "letter"', "line 12: name 'letter' is another question's too"),
        ("tolerance = 0.01", "tolerance = -1", "line 16: tolerance is -1: it must be a number from 0"),
        ("tolerance = 0.01\n", "", "tolerance is missing in [question]"),
        ('"So many."', "", "not TOML"),
        ('"So many."', '""', "line 17: explanation is '': it must be a text in quotes"),
        ('"first loss"', '"last loss"', "asks is 'last loss': it must be one of behavior, lowest rate"),
        ("{ epochs = 1 }", "{ epoch = 1 }", "run has 'epoch', which is no setting: there are learning_rate"),
        ("{ epochs = 1 }", "3", "run is 3: it must be a table"),
        ("tolerance = 0.001", 'choices = ["a", "b"]', "choices stands beside a question for a number"),
        ("run = {", "other = {", "'same weights' goes with other"),
    ],
)
def test_a_malformed_quiz_gets_one_clear_line(own, capsys, monkeypatch, old, new, told):
    path = own((STATIC + RUN).replace(old, new))
    status, _, err = run(capsys, monkeypatch, ["lesson3", "--quiz", path])
    assert (status, err.count("\n"), told in err) == (2, 1, True), err


@pytest.mark.parametrize(
    ("asks", "choices", "told"),
    [
        ("behavior", ["crawls", "explodes"], "choices of a behavior must be among crawls, learns"),
        ("same weights", ["a", "b", "c"], "'same weights' goes with other"),
        ("lowest rate", ["low", "high"], "choices of 'lowest rate' must be learning rates"),
    ],
)
def test_choices_must_be_what_a_run_can_answer(own, asks, choices, told):
    text = RUN.replace('"first loss"', f'"{asks}"').replace("tolerance = 0.001", f"choices = {choices}")
    with pytest.raises(UserError, match=told):
        read_quiz(own('title = "x"\n' + text))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "{first_loss:.4f}",
            "{no_such}",
            "its explanation cannot be filled in ('no_such'); it may name final_loss",
        ),
        ("{first_loss:.4f}", "{first_loss:q}", "its explanation cannot be filled in"),
        ("{ epochs = 1 }", '{ epochs = "x" }', "question 'run' cannot be answered by a run"),
    ],
)
def test_a_prediction_that_no_run_answers_gets_one_clear_line(own, capsys, monkeypatch, old, new, told):
    path = own('title = "x"\n' + RUN.replace(old, new))
    status, _, err = run(capsys, monkeypatch, ["lesson3", "--quiz", path], "1\n")
    assert (status, err.count("\n"), told in err) == (2, 1, True), err


def test_a_behavior_that_is_not_among_the_choices_is_told(own):
    text = RUN.replace('"first loss"', '"behavior"').replace("epochs = 1", "epochs = 5")
    path = own('title = "x"\n' + text.replace("tolerance = 0.001", 'choices = ["learns", "bounces"]'))
    with pytest.raises(UserError, match="the run crawls, which is none of its choices; add it"):
        Predictions("lesson3").answer(read_quiz(path).questions[0])


@pytest.mark.parametrize(
    "words",
    [["lesson9"], ["lesson3", "--answers", "nowhere.toml"], ["lesson3", "--quiz", "nowhere.toml"], [],
     ["lesson3", "--answers", "a.toml", "--save", "b.toml"],
     ["lesson3", "--answers", "a.toml", "--key", "b.toml"]],
)  # fmt: skip
def test_misuse_gets_one_line_and_status_2(capsys, monkeypatch, words):
    status, _, err = run(capsys, monkeypatch, words)
    assert (status, err.count("\n")) == (2, 1), err


def test_letters_and_kinds_are_enough():
    assert len(LETTERS) == 8
    assert {asks for asks, number in ASKS.items() if not number} == {
        "behavior",
        "lowest rate",
        "same weights",
    }
