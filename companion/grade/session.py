"""A run of the grader: what is to be graded, in which order it is done, and what is kept of it."""

import hashlib
import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import asdict, dataclass, replace

import companion
from companion.errors import UserError
from companion.grade.grader import Job, grade, not_run, reference_for
from companion.grade.intake.submissions import NO_LOOP, NOTHING, Submission, UnreadableError
from companion.grade.journal import Journal
from companion.grade.marking.assignment import Assignment
from companion.grade.marking.grade import INTERNAL, MISSING, UNREADABLE, Grade
from companion.grade.marking.quiz_marks import QuizMarks


@dataclass(frozen=True)
class Choices:
    """What an instructor has chosen for a run.

    Attributes
    ----------
    lesson : int
        Which.
    seed : int
        Of data, initial weights and order: secret, unless it was given.
    fixed : bool
        Whether the seed was given: then what was graded with another one is graded again.
    force : bool
        Whether to grade all again.
    only : tuple of str
        Ids of those to grade, again if need be; empty for all.
    forks : bool
        As in `companion.grade.grader.Job`.
    required : tuple of str
        Likewise.
    """

    lesson: int
    seed: int
    fixed: bool = False
    force: bool = False
    only: tuple[str, ...] = ()
    forks: bool = True
    required: tuple[str, ...] = ()


class Session:
    """A run of the grader over submissions.

    Parameters
    ----------
    assignment : Assignment
        What is graded on.
    submissions : sequence of Submission
        All.
    journal : Journal
        Where grades are kept.
    choices : Choices
        What was chosen; with `resume`, the choices of the resumed run count instead.
    resume : bool
        Whether to continue the last run.

    Raises
    ------
    UserError
        If there is nothing to resume, or `only` names nobody.
    """

    def __init__(
        self,
        assignment: Assignment,
        submissions: Sequence[Submission],
        journal: Journal,
        choices: Choices,
        *,
        resume: bool = False,
    ) -> None:
        self.assignment, self.submissions, self.journal = assignment, submissions, journal
        last = journal.last_run
        if resume:
            if last is None:
                raise UserError("there is no run to resume in this folder: leave --resume out")
            kept = {name: last[name] for name in ("seed", "fixed", "force")} | {"only": tuple(last["only"])}
            choices = replace(choices, **kept)
            if last["lesson"] != choices.lesson:
                raise UserError(
                    f"the run to resume is of lesson{last['lesson']}: name this lesson, or leave --resume out"
                )
        elif last is not None and last["lesson"] != choices.lesson:
            told = f"the folder holds the grades of lesson{last['lesson']}"
            raise UserError(f"{told}: name another --output for lesson{choices.lesson}")
        unknown = set(choices.only) - {name for one in submissions for name in _names(one)}
        if unknown:
            raise UserError(
                f"--only {sorted(unknown)[0]!r}: this student has no submission; ids are shown above"
            )
        self.choices, self.quiz = choices, QuizMarks(choices.lesson)
        grades = journal.grades()
        done = {one.id for one in journal.since_last_run()} if resume else set()
        self.waiting = [one for one in submissions if self._is_to_be_graded(one, grades.get(one.id), done)]
        if not resume:
            about = {
                name: value for name, value in asdict(choices).items() if name not in ("forks", "required")
            }
            groups = {one.id: one.members for one in submissions if one.members}
            journal.add_run({"version": companion.__version__} | about | {"groups": groups})

    def _is_to_be_graded(self, one: Submission, old: Grade | None, done: set[str]) -> bool:
        if one.problem == NOTHING or (one.id in done and old is not None and old.key == self.key(one)):
            return False
        if self.choices.only:
            return bool(_names(one) & set(self.choices.only))
        if old is None or self.choices.force or old.status == INTERNAL:
            return True
        if old.package and _is_installed(old.package):
            return True
        other_seed = self.choices.fixed and old.seed != self.choices.seed
        return other_seed or old.key != self.key(one)

    def key(self, one: Submission) -> str:
        """Return a checksum of all that a grade depends on."""
        parts = [one.digest, asdict(self.assignment), companion.__version__, self.choices.lesson]
        parts.append(self.quiz.digest)
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]

    def job(self, one: Submission, files: dict[str, bytes] | None = None) -> Job:
        """Return what a grader needs to know of a submission."""
        assignment, choices = self.assignment, self.choices
        task = {"lesson": choices.lesson, "seed": choices.seed}
        task |= {"epochs": assignment.epochs, "batch_size": assignment.batch_size}
        return Job(
            one.id, one.name, one.source, one.late, one.file, files or {}, self.key(one), task,
            assignment.limits, assignment.points, assignment.share, assignment.packages,
            forks=choices.forks, required=choices.required,
        )  # fmt: skip

    def grade_all(self, executor: Executor, at_once: int, tell: Callable[[Grade], None]) -> None:
        """Grade all that wait; each grade is on disk before `tell` is called with it.

        Parameters
        ----------
        executor : Executor
            Where.
        at_once : int
            How many submissions are handed to it at one time.
        tell : callable
            Called with each grade.

        Raises
        ------
        UserError
            If the executor has ended, or can grade nothing.
        """
        if not self.waiting:
            return
        try:
            self._grade_all(executor, at_once, tell)
        except (BrokenExecutor, CancelledError, ConnectionError) as error:
            told = f"the workers have ended ({type(error).__name__}: {error})"
            raise UserError(f"{told}; --resume goes on where this stopped") from None

    def _grade_all(self, executor: Executor, at_once: int, tell: Callable[[Grade], None]) -> None:
        reference = b""
        jobs = self._jobs(tell)
        running: dict[Future, Job] = {}
        while True:
            while len(running) < at_once and (job := next(jobs, None)) is not None:
                reference = reference or executor.submit(reference_for, job).result()
                job = replace(job, reference=reference)
                running[executor.submit(grade, job)] = job
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                self._keep(_result_of(future, job), job.files, tell)

    def _jobs(self, tell: Callable[[Grade], None]) -> Iterator[Job]:
        """Read one submission after the other; the unreadable ones get their grade at once."""
        for one in self.waiting:
            files: dict[str, bytes] = {}
            try:
                files = one.read()
                if one.problem:
                    raise UnreadableError(one.problem)
            except UnreadableError as error:
                status = MISSING if str(error) == NO_LOOP else UNREADABLE
                self._keep(not_run(self.job(one), status, str(error)), files, tell)
            else:
                yield self.job(one, files)

    def _keep(self, found: Grade, files: dict[str, bytes], tell: Callable[[Grade], None]) -> None:
        found = replace(found, quiz=self.quiz.mark(files))
        self.journal.add_grade(found)
        tell(found)

    def grades(self) -> list[Grade]:
        """Return the last grade of every student, those who have handed in nothing included.

        Each member of a group gets the group's.
        """
        known, kept = self.journal.grades(), self.kept()
        found = []
        for one in self.submissions:
            if one.id in kept:
                found.append(replace(kept[one.id], name=one.name or kept[one.id].name))
            elif one.problem == NOTHING:
                found.append(not_run(self.job(one), MISSING, NOTHING))
            elif one.id in known:
                found += _of_students(replace(known[one.id], late=one.late, prefix=one.prefix), one.members)
        there = {grade.id for grade in found}
        return found + [grade for student, grade in kept.items() if student not in there]

    def kept(self) -> dict[str, Grade]:
        """Return the grades of earlier runs, by student, of those who are not among the submissions now."""
        known, groups = self.journal.grades(), self.journal.groups()
        here = {name for one in self.submissions if one.problem != NOTHING for name in _names(one)}
        students = [one for grade in known.values() for one in _of_students(grade, groups.get(grade.id, ()))]
        return {one.id: one for one in students if not here & {one.id, one.group}}

    def left(self) -> int:
        """Count the submissions that have no grade yet."""
        known = self.journal.grades()
        return sum(one.problem != NOTHING and one.id not in known for one in self.submissions)


def _of_students(grade: Grade, members: Sequence[Sequence[str]]) -> list[Grade]:
    """Return a grade for each member of a group; for a student alone, as it is."""
    if not members:
        return [grade]
    whole = replace(grade, group=grade.id, members=tuple(student for student, _ in members))
    return [replace(whole, id=student, name=name) for student, name in members]


def _names(one: Submission) -> set[str]:
    """Return by what a submission is named: its id, and the ids of a group's members."""
    return {one.id, *(student for student, _ in one.members)}


def _is_installed(package: str) -> bool:
    """Return whether a package that a submission lacked is there now."""
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def _result_of(future: Future, job: Job) -> Grade:
    """Return the grade; if the submission has ended its worker several times, the grade says so."""
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, UserError | BrokenExecutor | CancelledError | ConnectionError):
        raise error
    return not_run(job, INTERNAL, f"the worker failed: {type(error).__name__}: {error}"[:500])
