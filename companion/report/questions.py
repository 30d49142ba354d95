"""A quiz: read its questions from a TOML file, check them, ask them, and mark the answers."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from companion.errors import UserError
from companion.report.curves import BEHAVIORS
from companion.terminal.console import Report
from companion.terminal.lesson_list import lesson_file
from companion.terminal.toml_file import TomlFile

LETTERS = "abcdefgh"
SETTINGS = ("learning_rate", "epochs", "hidden", "seed", "batch_size", "dtype")
# What can be asked of a run, and whether the answer is a number.
ASKS = {
    "behavior": False,
    "lowest rate": False,
    "same weights": False,
    "same as fit": False,
    "final loss": True,
    "first loss": True,
    "steps up": True,
    "train accuracy": True,
}
KEYS = {
    "choice": {"name", "kind", "question", "choices", "answer", "explanation"},
    "number": {"name", "kind", "question", "answer", "tolerance", "explanation"},
    "prediction": {
        "name", "kind", "question", "choices", "tolerance", "asks", "run", "other", "rates", "explanation",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Question:
    """A question of a quiz.

    Attributes
    ----------
    name : str
        What an answer file calls it.
    kind : {"choice", "number", "prediction"}
        The answer to a prediction is found by running the lesson.
    text, explanation : str
        The explanation of a prediction may name what the run gave, such as ``{final_loss:.4f}``.
    choices : tuple of str
        Empty where a number is asked for.
    answer : int, float or None
        Which choice, from 0 on; or the number; None of a prediction.
    tolerance : float
        How far a number may be off.
    asks : str
        Of a prediction: a key of `ASKS`.
    run, other : dict
        Settings that differ from the lesson's own: of the training, and of the one it is compared with.
    rates : tuple of float
        The learning rates among which the lowest final loss is asked for.
    """

    name: str
    kind: str
    text: str
    explanation: str
    choices: tuple[str, ...] = ()
    answer: int | float | None = None
    tolerance: float = 0.0
    asks: str = ""
    run: Mapping[str, Any] = field(default_factory=dict)
    other: Mapping[str, Any] = field(default_factory=dict)
    rates: tuple[float, ...] = ()


@dataclass(frozen=True)
class Quiz:
    """The quiz of a lesson.

    Attributes
    ----------
    title : str
        What it is about.
    questions : tuple of Question
        In the order in which they are asked.
    """

    title: str
    questions: tuple[Question, ...]


def read_quiz(path: Path) -> Quiz:
    """Read and check a quiz."""
    file = TomlFile(path)
    file.know(file.content, {"title", "question"}, "")
    title = file.text(file.content, "title", "")
    tables = file.content.get("question")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise UserError(f"{path}: there are no questions: begin each with a line [[question]]")
    questions = tuple(_question(file, table, number) for number, table in enumerate(tables, start=1))
    names = [question.name for question in questions]
    for number, name in enumerate(names, start=1):
        if name in names[: number - 1]:
            told = f"{name!r} is also the name of another question; give each its own"
            raise file.error("name", "question", told, number)
    return Quiz(title, questions)


def _question(file: TomlFile, table: Mapping[str, Any], number: int) -> Question:
    def refuse(key: str, told: str) -> UserError:
        return file.error(key, "question", told, number)

    kind = file.text(table, "kind", "question", number)
    if kind not in KEYS:
        raise refuse("kind", f"is {kind!r}: it must be one of {', '.join(KEYS)}")
    file.know(table, KEYS[kind], "question", number)
    name, text, explanation = (
        file.text(table, key, "question", number) for key in ("name", "question", "explanation")
    )
    asks = file.text(table, "asks", "question", number) if kind == "prediction" else ""
    if kind == "prediction" and asks not in ASKS:
        raise refuse("asks", f"is {asks!r}: it must be one of {', '.join(ASKS)}")
    wants_number = kind == "number" or ASKS.get(asks, False)
    given: dict[str, Any] = {}
    if wants_number:
        if "choices" in table:
            raise refuse("choices", "is given, but the question asks for a number: leave it out")
        given["tolerance"] = float(file.number(table, "tolerance", "question", 0, math.inf, number=number))
    else:
        given["choices"] = _choices(table, refuse)
    if kind == "number":
        given["answer"] = float(file.number(table, "answer", "question", -math.inf, math.inf, number=number))
    elif kind == "choice":
        most = len(given["choices"])
        given["answer"] = file.number(table, "answer", "question", 1, most, whole=True, number=number) - 1
    else:
        given |= {"asks": asks, **_run(table, asks, given.get("choices", ()), refuse)}
    return Question(name, kind, text.strip(), explanation.strip(), **given)


def _choices(table: Mapping[str, Any], refuse: Any) -> tuple[str, ...]:
    choices = table.get("choices")
    is_list = isinstance(choices, list) and all(isinstance(one, str) and one.strip() for one in choices)
    if not is_list or not 2 <= len(choices or []) <= len(LETTERS):
        key = "choices" if "choices" in table else "question"
        raise refuse(key, f"needs a list of 2 to {len(LETTERS)} texts: choices = [...]")
    assert choices is not None
    if len({one.strip().lower() for one in choices}) < len(choices):
        raise refuse("choices", "has the same text twice")
    return tuple(one.strip() for one in choices)


def _run(table: Mapping[str, Any], asks: str, choices: tuple[str, ...], refuse: Any) -> dict[str, Any]:
    """Read what a prediction is about, and whether its choices are what the run can answer."""
    found: dict[str, Any] = {}
    for key in ("run", "other"):
        settings = found[key] = table.get(key, {})
        if not isinstance(settings, dict):
            raise refuse(key, f"is {settings!r}: it must be a table, such as {{ epochs = 5 }}")
        for name in settings:
            if name not in SETTINGS:
                raise refuse(key, f"has {name!r}, which is no setting: there are {', '.join(SETTINGS)}")
    if ("other" in table) != (asks == "same weights"):
        raise refuse("asks", "'same weights' goes with other = {...}, the settings of the second training")
    if asks == "behavior" and set(choices) - set(BEHAVIORS):
        raise refuse("choices", f"of a behavior must be among {', '.join(BEHAVIORS)}")
    if asks in ("same weights", "same as fit") and len(choices) != 2:
        told = f"of {asks!r} must be two: the first means the same, the second different"
        raise refuse("choices", told)
    if asks == "lowest rate":
        try:
            found["rates"] = tuple(float(choice) for choice in choices)
        except ValueError:
            raise refuse("choices", "of 'lowest rate' must be learning rates, such as \"0.1\"") from None
    return found


def read_answer(question: Question, given: Any) -> int | float:
    """Take an answer as a learner writes it."""
    text = str(given).strip().lower() if isinstance(given, str | float | int) else ""
    if question.choices:
        words = [choice.lower() for choice in question.choices]
        letters = LETTERS[: len(words)]
        if len(text.rstrip(").")) == 1 and text[0] in letters:  # also "b)", as printed before each choice
            return letters.index(text[0])
        if text in words and isinstance(given, str):
            return words.index(text)
        raise UserError(f"{given!r} is none of the answers: give a letter from a to {letters[-1]}")
    try:
        number = float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{given!r} is not a number: give one, such as 0.25")
    return number


def is_right(question: Question, answer: float, right: float) -> bool:
    """Return whether an answer is the right one."""
    if question.choices:
        return answer == right
    return abs(answer - right) <= question.tolerance * (1 + 1e-12)  # 0.1 + 0.2 is no reason to fail


def answer_text(question: Question, answer: float) -> str:
    """Write an answer out: the letter and the choice, or the number."""
    if question.choices:
        return f"{LETTERS[int(answer)]}) {question.choices[int(answer)]}"
    return f"{answer:.6g}"


def choices_of(question: Question) -> Sequence[str]:
    """Return a line for each choice."""
    return [answer_text(question, number) for number in range(len(question.choices))]


def ask(report: Report, number: int, question: Question) -> float | None:
    """Ask a question until the answer can be one; return None where it is left out."""
    report.print(f"{number}. {question.text}", style="bold")
    for line in choices_of(question):
        report.indented(line)
    last = LETTERS[len(question.choices) - 1]
    wanted = f"a letter from a to {last}" if question.choices else "a number"
    while True:
        report.print(f"   {wanted}, or Enter to skip it: ", end="")
        text = input().strip()
        if not text:
            return None
        try:
            return read_answer(question, text)
        except UserError as error:
            report.indented(str(error))


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
    """Mark an answer."""
    right, figures = right_of(question)
    try:
        explanation = question.explanation.format_map(dict(figures)) if figures else question.explanation
    except (KeyError, ValueError, IndexError, TypeError, AttributeError) as error:
        told = f"question {question.name!r}: its explanation cannot be filled in ({error})"
        raise UserError(f"{told}; it may name {', '.join(figures)}") from None
    good = answer is not None and is_right(question, answer, right)
    given = "" if answer is None else answer_text(question, answer)
    return Mark(question, given, answer_text(question, right), good, explanation)


def predictions_of(lesson: str) -> list[Question]:
    """Return the questions about a lesson, such as "lesson3", that are answered by running it."""
    questions = read_quiz(lesson_file(lesson, "quiz.toml")).questions
    return [question for question in questions if question.kind == "prediction"]
