"""``python -m companion.quiz lesson4``: asks, explains, keeps the score; marks a file of answers."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from companion.errors import UserError
from companion.quiz.answers import Answers, read_answers, sheet
from companion.report.questions import Mark, Question, Quiz, answer_text, ask, mark, read_quiz
from companion.terminal.arguments import OneLineParser, check_outputs
from companion.terminal.console import Report, command
from companion.terminal.lesson_list import FIRST_TO_LAST, LESSONS, lesson_file
from companion.terminal.outputs import STDOUT, write

NAME = "python -m companion.quiz"


def quiz_parser() -> argparse.ArgumentParser:
    """Make the parser of the command."""
    parser = OneLineParser(
        prog=NAME,
        description="Asks the questions of a lesson's quiz, explains each answer, and gives a score. If a "
        "question asks what will happen, the lesson is run to find the answer.",
        epilog="Exit status: 0 done, whatever the score; 2 a file cannot be read, or bad usage.",
        allow_abbrev=False,
    )
    add, off = parser.add_argument, argparse.SUPPRESS
    add("lesson", choices=LESSONS, metavar="LESSON", help=FIRST_TO_LAST)
    add("--answers", metavar="FILE", default=off, help="mark the answers in FILE instead of asking")
    add("--sheet", metavar="FILE", default=off, help="write an empty file of answers, to fill in and hand in")
    told = "write your answers to FILE, to hand in; if FILE has some already, continue after them"
    add("--save", metavar="FILE", default=off, help=told)
    add("--json", metavar="FILE", default=off, help="write the score and the result of each question")
    add("--key", metavar="FILE", default=off, help="write the right answers, in the form of --sheet")
    add(
        "--quiz",
        metavar="FILE",
        default=off,
        help="questions of your own, in the form of lessons/*/quiz.toml",
    )
    return parser


class RightAnswers:
    """Gives right answers; runs the lesson for those that only a run can give."""

    def __init__(self, lesson: str, report: Report) -> None:
        self.lesson, self.report = lesson, report
        self.predictions: Any = None

    def __call__(self, question: Question) -> tuple[int | float, Mapping[str, Any]]:
        """Return the right answer to a question, and what its explanation may name."""
        if question.kind != "prediction":
            assert question.answer is not None
            return question.answer, {}
        self.report.indented("(trains the network to see ...)", "dim")
        if self.predictions is None:
            from companion.report.predictions import Predictions  # TensorFlow: only when a run is needed

            self.predictions = Predictions(self.lesson)
        return self.predictions.answer(question)


@command(NAME)
def main(argv: Sequence[str] | None = None) -> int:
    """Ask, or mark; return 0."""
    parser = quiz_parser()
    options = argparse.Namespace(answers=None, sheet=None, save=None, json=None, quiz=None, key=None)
    parser.parse_args(argv, options)
    if options.answers is not None and (options.save or options.sheet or options.key):
        parser.error("--answers reads a file; --save, --sheet and --key write one: give only one of them")
    to_stdout = check_outputs(parser, options, ("sheet", "save", "json", "key"), read=[options.answers])
    quiz = read_quiz(Path(options.quiz) if options.quiz else lesson_file(options.lesson, "quiz.toml"))
    for option, path in (("--sheet", options.sheet), ("--key", options.key)):
        if is_filled(path):
            parser.error(f"{option}: {path!r} exists, and answers in it would be lost; name another file")
    begun = begun_answers(options.save, quiz) if is_filled(options.save) else {}
    if options.sheet is not None:
        write(options.sheet, sheet(options.lesson, quiz, {}).encode())
        return 0
    if options.key is not None:
        right_of = RightAnswers(options.lesson, Report(quiet=True))
        for question in quiz.questions:
            mark(question, None, right_of)  # whether its explanation can be filled in
        key = {question.name: right_of(question)[0] for question in quiz.questions}
        write(options.key, sheet(options.lesson, quiz, key).encode())
        return 0
    # What goes to standard output goes there alone; questions must be seen all the same.
    report = Report(stderr=to_stdout)
    right_of = RightAnswers(options.lesson, report)

    def keep(given: Mapping[str, float]) -> None:
        """Save each answer when it is given: Ctrl-C while TensorFlow is imported ends all at once."""
        if options.save not in (None, STDOUT):
            write(options.save, sheet(options.lesson, quiz, given).encode())

    handed_in = read_answers(Path(options.answers), quiz) if options.answers is not None else None
    report.heading(f"Quiz of {options.lesson}: {quiz.title}")
    if handed_in is not None:
        marks = [mark(question, handed_in.given.get(question.name), right_of) for question in quiz.questions]
        print_marks(report, marks, handed_in)
    else:
        given, marks = ask_all(report, quiz, right_of, begun, keep)
    print_score(report, marks, quiz)
    if options.save is not None:
        write(options.save, sheet(options.lesson, quiz, given).encode())
        if options.save != STDOUT:
            report.print(f"written: {options.save}", soft_wrap=True)
    if options.json is not None:
        write(options.json, (json.dumps(as_dict(marks, quiz), indent=2) + "\n").encode())
    return 0


def is_filled(path: str | None) -> bool:
    """Return whether something stands in a file."""
    return path not in (None, STDOUT) and Path(str(path)).is_file() and Path(str(path)).stat().st_size > 0


def begun_answers(path: str, quiz: Quiz) -> dict[str, float]:
    """Read the answers of a quiz that is continued."""
    found = read_answers(Path(path), quiz)
    lost = [*(f"{name}: {told}" for name, told in found.refused.items()), *found.notes]
    if lost:
        raise UserError(f"--save: {path!r} cannot be continued ({lost[0]}); fix it, or name another file")
    return found.given


def ask_all(
    report: Report,
    quiz: Quiz,
    right_of: RightAnswers,
    begun: Mapping[str, float],
    keep: Callable[[Mapping[str, float]], None],
) -> tuple[dict[str, float], list[Mark]]:
    """Ask one question after the other; stop where the input ends, or at Ctrl-C: what is given is kept."""
    given = dict(begun)
    marks: list[Mark] = []
    for number, question in enumerate(quiz.questions, start=1):
        try:
            marks.append(ask_one(report, number, question, right_of, given, keep))
        except (EOFError, KeyboardInterrupt):
            report.print(f"\n(ended at question {number})", style="dim")
            break
    return given, marks


def ask_one(
    report: Report,
    number: int,
    question: Question,
    right_of: RightAnswers,
    given: dict[str, float],
    keep: Callable[[Mapping[str, float]], None],
) -> Mark:
    """Ask a question, unless its answer is given already; note the answer, mark and explain it."""
    report.print()
    if question.name in given:
        report.print(f"{number}. (answered before: {answer_text(question, given[question.name])})")
        return mark(question, given[question.name], right_of)
    answer = ask(report, number, question)
    if answer is not None:
        given[question.name] = answer
        keep(given)
    marked = mark(question, answer, right_of)
    print_mark(report, marked)
    return marked


def print_mark(report: Report, one: Mark) -> None:
    """Print whether an answer is right, and why."""
    if one.right:
        report.indented("Right.", "bold green")
    else:
        told = f"Not right (you said {one.given})" if one.given else "Skipped"
        report.indented(f"{told}. Right: {one.right_answer}", "bold red" if one.given else "bold")
    report.indented(one.explanation)


def print_marks(report: Report, marks: Sequence[Mark], answers: Answers) -> None:
    """Print what became of each question of a file."""
    rows = []
    for number, one in enumerate(marks, start=1):
        given = "not accepted" if one.question.name in answers.refused else one.given or "-"
        word = "right" if one.right else "left out" if given == "-" else "not right"
        rows.append([str(number), one.question.name, given, word, one.right_answer])
    report.table(["", "question", "answer", "", "right answer"], rows, text_columns=(1, 2, 3, 4))
    for name, told in answers.refused.items():
        report.print(f"note: {name}: {told}")
    for note in answers.notes:
        report.print(f"note: {note}")


def print_score(report: Report, marks: Sequence[Mark], quiz: Quiz) -> None:
    """Print how many answers are right."""
    report.print()
    report.print(f"Score: {score(marks)} of {len(quiz.questions)}", style="bold")


def score(marks: Sequence[Mark]) -> int:
    """Count the right answers."""
    return sum(one.right for one in marks)


def as_dict(marks: Sequence[Mark], quiz: Quiz) -> dict[str, Any]:
    """Return score and marks as plain data."""
    questions = [
        {"name": one.question.name, "given": one.given, "right_answer": one.right_answer, "right": one.right}
        for one in marks
    ]
    return {"score": score(marks), "maximum": len(quiz.questions), "questions": questions}


if __name__ == "__main__":
    raise SystemExit(main())
