"""A quiz's answers in a submission, marked. No TensorFlow here: runs are made by the quiz's own command."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from companion.answers import read_answers
from companion.errors import UserError
from companion.grading.text import one_line
from companion.lesson_files import lesson_file
from companion.questions import Quiz, answer_text, is_right, read_quiz

MOST_NOTES = 10


class QuizMarks:
    """Marks the answers of a class to a lesson's quiz.

    Parameters
    ----------
    lesson : int
        Which.
    """

    def __init__(self, lesson: int) -> None:
        self.lesson, self.path = lesson, lesson_file(lesson, "quiz.toml")
        self._key: dict[str, float] = {}

    @property
    def digest(self) -> str:
        """Give the text of the questions, on which marks depend."""
        return self.path.read_text(encoding="utf-8")

    def mark(self, files: Mapping[str, bytes]) -> dict[str, Any] | None:
        """Mark the answers among a student's files.

        Parameters
        ----------
        files : mapping of str to bytes
            By name; ``answers.toml`` is what is looked for.

        Returns
        -------
        dict or None
            ``score``, ``maximum``, ``questions`` and ``notes``; None if no answers are there.
        """
        found = [name for name in sorted(files) if is_answers(name)]
        if not found:
            return None
        quiz = read_quiz(self.path)
        notes = [f"{found[0]} was marked, of {len(found)} files of answers"] if len(found) > 1 else []
        try:
            given, more = read_answers(Path(found[0]), quiz, files[found[0]])
        except UserError as error:
            given, more = {}, [str(error)]
        return self._marked(quiz, given) | {"notes": [one_line(note) for note in (notes + more)[:MOST_NOTES]]}

    def _marked(self, quiz: Quiz, given: Mapping[str, float]) -> dict[str, Any]:
        if not self._key:
            self._key = key_of(self.lesson)
        questions = [
            {
                "name": question.name,
                "question": question.text,
                "given": answer_text(question, given[question.name]) if question.name in given else "",
                "right": question.name in given
                and is_right(question, given[question.name], self._key[question.name]),
            }
            for question in quiz.questions
        ]
        score = sum(bool(one["right"]) for one in questions)
        return {"score": score, "maximum": len(questions), "questions": questions}


def is_answers(name: str) -> bool:
    """Say whether a file is one of answers: answers.toml, or what a course system makes of a second one."""
    file = PurePosixPath(name).name.lower()
    return file.startswith("answers") and file.endswith(".toml")


def key_of(lesson: int) -> dict[str, float]:
    """Give the right answers to a lesson's quiz, the lesson having been run for those that ask for it.

    Raises
    ------
    UserError
        If the quiz cannot be answered.
    """
    command = [sys.executable, "-m", "companion.quiz", f"lesson{lesson}", "--key", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        told = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise UserError(f"the quiz of lesson{lesson} has no key: {told}")
    return json.loads(done.stdout)
