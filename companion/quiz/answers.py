"""A file of answers to a quiz: how it is written, read and marked."""

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from companion.errors import UserError
from companion.quiz.questions import LETTERS, Question, Quiz, answer_text, is_right, read_answer
from companion.terminal.toml_file import TomlFile

Right = Callable[[Question], tuple[int | float, Mapping[str, Any]]]


@dataclass(frozen=True)
class Mark:
    """What became of a question.

    Attributes
    ----------
    question : Question
        Which.
    given : str
        The answer, written out; empty if there is none.
    right_answer : str
        Likewise.
    right : bool
        Whether they are the same.
    explanation : str
        With the figures of the run.
    """

    question: Question
    given: str
    right_answer: str
    right: bool
    explanation: str


def mark(question: Question, answer: float | None, right_of: Right) -> Mark:
    """Mark an answer.

    Raises
    ------
    UserError
        If the explanation names what there is not.
    """
    right, figures = right_of(question)
    try:
        explanation = question.explanation.format_map(dict(figures)) if figures else question.explanation
    except (KeyError, ValueError, IndexError, TypeError, AttributeError) as error:
        told = f"question {question.name!r}: its explanation cannot be filled in ({error})"
        raise UserError(f"{told}; it may name {', '.join(figures)}") from None
    good = answer is not None and is_right(question, answer, right)
    given = "" if answer is None else answer_text(question, answer)
    return Mark(question, given, answer_text(question, right), good, explanation)


@dataclass(frozen=True)
class Answers:
    """What stands in a file of answers.

    Attributes
    ----------
    given : dict of str to int or float
        By question; those left empty are missing.
    refused : dict of str to str
        By question: what is written there, and why it can be no answer.
    notes : list of str
        What else stands in the file.
    """

    given: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_answers(path: Path, quiz: Quiz, data: bytes | None = None) -> Answers:
    """Read a file of answers.

    Raises
    ------
    UserError
        If the file cannot be read at all.
    """
    try:
        content = TomlFile(path, data).content
    except UserError as error:
        if "not TOML" not in str(error):
            raise
        told = 'write name = "b" or name = 0.5, and name = "" for what is left out'
        raise UserError(f"{error}; {told}") from None
    questions = {question.name: question for question in quiz.questions}
    if content and not questions.keys() & content.keys():
        raise UserError(f"{path}: none of its names is a question of this quiz: is it another lesson's?")
    answers = Answers()
    for name, given in content.items():
        if name not in questions:
            near = difflib.get_close_matches(name, questions, 1)
            meant = f": did you mean {near[0]}?" if near else ""
            answers.notes.append(f"{name!r} is no question of this quiz{meant}")
        elif isinstance(given, str) and not given.strip():
            continue
        else:
            try:
                answers.given[name] = read_answer(questions[name], given)
            except UserError as error:
                answers.refused[name] = str(error)
    return answers


def sheet(lesson: str, quiz: Quiz, answers: Mapping[str, float]) -> str:
    """Write a file of answers, with the questions as comments."""
    lines = [
        f"# Answers to the quiz of {lesson}, {quiz.title}. A letter or a number behind each =.",
        f"# To mark them: python -m companion.quiz {lesson} --answers FILE",
    ]
    for number, question in enumerate(quiz.questions, start=1):
        lines += ["", *(f"# {line}" for line in [f"{number}. {question.text}", *choices_of(question)])]
        answer = answers.get(question.name)
        written: Any = "" if answer is None else LETTERS[int(answer)] if question.choices else answer
        lines.append(f"{key_text(question.name)} = {json.dumps(written)}")
    return "\n".join(lines) + "\n"


def key_text(name: str) -> str:
    """Write a name as TOML has it on the left of a "="."""
    return name if name.replace("-", "").replace("_", "").isalnum() and name.isascii() else json.dumps(name)


def choices_of(question: Question) -> Sequence[str]:
    """Give a line for each choice."""
    return [answer_text(question, number) for number in range(len(question.choices))]
