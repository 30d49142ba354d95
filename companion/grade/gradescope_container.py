"""The one submission of a Gradescope container, graded; the results file is there from the beginning on."""

import argparse
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from companion.errors import UserError
from companion.grade.class_run import line_of, read_given_assignment, required_of
from companion.grade.intake.submissions import take_in_one
from companion.grade.journal import Journal
from companion.grade.marking.grade import Grade
from companion.grade.output import gradescope
from companion.grade.output.feedback import feedback_text
from companion.grade.output.publish import protections_of, scored
from companion.grade.session import Choices, Session
from companion.terminal.arguments import LARGEST_SEED
from companion.terminal.console import Report
from companion.terminal.outputs import write


def grade_one(options: argparse.Namespace) -> int:
    """Grade what stands in ``/autograder/submission`` and write ``/autograder/results/results.json``."""
    assignment = read_given_assignment(options)
    if not gradescope.RESULTS.parent.is_dir():
        told = f"{str(gradescope.RESULTS.parent)!r} is missing: --gradescope is for a Gradescope container"
        raise UserError(told)
    _put(gradescope.begun(assignment.maximum))
    student, name, late = gradescope.who()
    submission = take_in_one(gradescope.SUBMISSION, student, name, late)
    seed = secrets.randbelow(LARGEST_SEED + 1) if options.seed is None else options.seed
    choices = Choices(int(options.lesson.removeprefix("lesson")), seed, forks=not options.no_fork,
                      required=required_of(options))  # fmt: skip

    report = Report(quiet=options.quiet)

    def tell(grade: Grade) -> None:
        (with_score,) = scored([grade], {})
        _put(gradescope.results(with_score, feedback_text(with_score, assignment.title, assignment.setting)))
        report.print(line_of(grade))
        report.facts(protections_of([grade]))

    with TemporaryDirectory() as folder, Journal(Path(folder, "journal.jsonl")) as journal:
        session = Session(assignment, [submission], journal, choices)
        with ThreadPoolExecutor(1) as executor:
            session.grade_all(executor, 1, tell)
    return 0


def _put(content: dict[str, Any]) -> None:
    write(str(gradescope.RESULTS), gradescope.as_json(content))
