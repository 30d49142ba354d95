"""A file of answers to a quiz: how it is written and read."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from companion.errors import UserError
from companion.report.questions import LETTERS, Quiz, choices_of, read_answer
from companion.terminal.toml_file import TomlFile


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
    """Read a file of answers."""
    try:
        content = TomlFile(path, data).content
    except UserError as error:
        if "not TOML" not in str(error):
            raise
        told = 'write name = "b" or name = 0.5, and name = "" to leave a question out'
        raise UserError(f"{error}; {told}") from None
    questions = {question.name: question for question in quiz.questions}
    if content and not questions.keys() & content.keys():
        raise UserError(f"{path}: none of its names is a question of this quiz: is it for another lesson?")
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
        f"# Answers to the quiz of {lesson}, {quiz.title}. Write a letter or a number after each =.",
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
