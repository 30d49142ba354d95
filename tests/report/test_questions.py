"""A quiz's questions: what is a right answer, and what a malformed quiz is told."""

import pytest
from quizzes import RUN, STATIC, run

from companion.errors import UserError
from companion.report.predictions import Predictions
from companion.report.questions import ASKS, LETTERS, is_right, read_answer, read_quiz


@pytest.mark.parametrize(
    ("given", "answer"), [("B", 1), ("b)", 1), ("b.", 1), (" that ", 1), ("THIS", 0), ("a", 0)]
)
def test_a_choice_is_a_letter_or_its_text(own_quiz, given, answer):
    assert read_answer(read_quiz(own_quiz(STATIC)).questions[0], given) == answer


@pytest.mark.parametrize("given", ["", "ab", "c", "0", "nan"])
def test_other_words_are_no_choice(own_quiz, given):
    with pytest.raises(UserError, match="is none of the answers"):
        read_answer(read_quiz(own_quiz(STATIC)).questions[0], given)


@pytest.mark.parametrize("given", ["", "x", "nan", "inf", "1,000,000", "1 2"])
def test_other_words_are_no_number(own_quiz, given):
    with pytest.raises(UserError, match="is not a number"):
        read_answer(read_quiz(own_quiz(STATIC)).questions[1], given)


@pytest.mark.parametrize(("given", "right"), [(0.29, True), (0.31, True), (0.2899, False), (0.3101, False)])
def test_a_number_is_right_within_the_tolerance_its_ends_too(own_quiz, given, right):
    assert is_right(read_quiz(own_quiz(STATIC)).questions[1], given, 0.3) == right


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
        ('name = "number"', 'name = "letter"', "line 12: name 'letter' is also the name of another question"),
        ("tolerance = 0.01", "tolerance = -1", "line 16: tolerance is -1: it must be a number from 0"),
        ("tolerance = 0.01\n", "", "tolerance is missing in [question]"),
        ('"So many."', "", "not TOML"),
        ('"So many."', '""', "line 17: explanation is '': it must be a text in quotes"),
        ('"first loss"', '"last loss"', "asks is 'last loss': it must be one of behavior, lowest rate"),
        ("{ epochs = 1 }", "{ epoch = 1 }", "run has 'epoch', which is no setting: there are learning_rate"),
        ("{ epochs = 1 }", "3", "run is 3: it must be a table"),
        ("tolerance = 0.001", 'choices = ["a", "b"]', "choices is given, but the question asks for a number"),
        ("run = {", "other = {", "'same weights' goes with other"),
    ],
)
def test_a_malformed_quiz_gets_one_clear_line(own_quiz, capsys, monkeypatch, old, new, told):
    path = own_quiz((STATIC + RUN).replace(old, new))
    status, _, err = run(capsys, monkeypatch, ["lesson3", "--quiz", path])
    assert (status, err.count("\n"), told in err) == (2, 1, True), err


@pytest.mark.parametrize(
    ("asks", "choices", "told"),
    [
        ("behavior", ["crawls", "explodes"], "choices of a behavior must be among blows up, bounces, learns"),
        ("same weights", ["a", "b", "c"], "'same weights' goes with other"),
        ("lowest rate", ["low", "high"], "choices of 'lowest rate' must be learning rates"),
    ],
)
def test_choices_must_be_what_a_run_can_answer(own_quiz, asks, choices, told):
    text = RUN.replace('"first loss"', f'"{asks}"').replace("tolerance = 0.001", f"choices = {choices}")
    with pytest.raises(UserError, match=told):
        read_quiz(own_quiz('title = "x"\n' + text))


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
def test_a_prediction_that_no_run_answers_gets_one_clear_line(own_quiz, capsys, monkeypatch, old, new, told):
    path = own_quiz('title = "x"\n' + RUN.replace(old, new))
    status, _, err = run(capsys, monkeypatch, ["lesson3", "--quiz", path], "1\n")
    assert (status, err.count("\n"), told in err) == (2, 1, True), err


def test_a_behavior_that_is_not_among_the_choices_is_told(own_quiz):
    text = RUN.replace('"first loss"', '"behavior"').replace("epochs = 1", "epochs = 5")
    path = own_quiz('title = "x"\n' + text.replace("tolerance = 0.001", 'choices = ["learns", "bounces"]'))
    with pytest.raises(UserError, match="'too short to tell', which is none of its choices; add it"):
        Predictions("lesson3").answer(read_quiz(path).questions[0])


def test_letters_and_kinds_are_enough():
    assert len(LETTERS) == 8
    assert {asks for asks, number in ASKS.items() if not number} == {
        "behavior",
        "lowest rate",
        "same weights",
        "same as fit",
    }
