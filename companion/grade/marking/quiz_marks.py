"""A quiz's answers in a submission, marked. No TensorFlow here: runs are made by the quiz's own command."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from companion.errors import UserError
from companion.grade.clean_text import clean, one_line
from companion.grade.marking.grade import QuestionMark, QuizMark
from companion.quiz.answers import Answers, read_answers
from companion.report.questions import Quiz, answer_text, is_right, read_quiz
from companion.terminal.lesson_list import lesson_file

MOST_NOTES = 10


class QuizMarks:
    """Marks the answers of a class to a lesson's quiz."""

    def __init__(self, lesson: int) -> None:
        self.lesson, self.path = lesson, lesson_file(lesson, "quiz.toml")
        self._key: dict[str, float] = {}

    @property
    def digest(self) -> str:
        """Return the text of the questions, on which marks depend."""
        return self.path.read_text(encoding="utf-8")

    def mark(self, files: Mapping[str, bytes]) -> QuizMark | None:
        """Mark the answers among a student's files, by name; None if there are none."""
        found = [name for name in sorted(files) if is_answers(name)]
        if not found:
            return None
        quiz = read_quiz(self.path)
        notes = [f"only {found[0]} was marked, of {len(found)} answer files"] if len(found) > 1 else []
        unreadable = ""
        try:
            if len(files[found[0]]) > MOST_ANSWERS:
                raise UserError(f"{found[0]} is larger than {MOST_ANSWERS >> 10} kB")
            answers = read_answers(Path(found[0]), quiz, files[found[0]])
        except (UserError, ValueError) as error:
            answers, unreadable = Answers(), clean(str(error))
        questions = self._marked(quiz, answers)
        notes = [one_line(note) for note in (notes + answers.notes)[:MOST_NOTES]]
        score = sum(one.right for one in questions)
        return QuizMark(f"lesson{self.lesson}", score, len(questions), questions, tuple(notes), unreadable)

    def _marked(self, quiz: Quiz, answers: Answers) -> tuple[QuestionMark, ...]:
        if not self._key:
            self._key = key_of(self.lesson)
        given = answers.given
        shown = {one.name: answer_text(one, given[one.name]) for one in quiz.questions if one.name in given}
        shown |= {name: f"not accepted: {one_line(told)}" for name, told in answers.refused.items()}
        return tuple(
            QuestionMark(
                one.name,
                one.text,
                clean(shown.get(one.name, "")),
                one.name in given and bool(is_right(one, given[one.name], self._key[one.name])),
            )
            for one in quiz.questions
        )


MOST_ANSWERS = 16 << 10  # bytes: a sheet has some 2,000, and reading can take much longer than writing


def is_answers(name: str) -> bool:
    """Return whether a file has answers: answers.toml, or a variant of this name."""
    file = PurePosixPath(name).name.lower()
    return "answers" in file and file.endswith(".toml")


def key_of(lesson: int) -> dict[str, float]:
    """Return the right answers to a lesson's quiz, the lesson having been run for those that ask for it."""
    command = [sys.executable, "-m", "companion.quiz", f"lesson{lesson}", "--key", "-"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        told = (done.stderr.decode(errors="replace").strip().splitlines() or ["it ended without a word"])[-1]
        raise UserError(f"the quiz of lesson{lesson} has no key: {told}")
    path = lesson_file(lesson, "quiz.toml")
    return read_answers(path, read_quiz(path), done.stdout).given
