"""Grading a class: take in what was handed in, grade what is new, publish."""

import argparse
import os
import secrets
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from companion.errors import OutputError, UserError
from companion.grade.clean_text import one_line
from companion.grade.grader import close_machines
from companion.grade.intake.groups import Groups, in_groups, read_groups
from companion.grade.intake.roster import ROSTER, as_roster, encoding_of, read_roster
from companion.grade.intake.submissions import Intake, Submission, missing, take_in
from companion.grade.journal import Journal
from companion.grade.marking.assignment import Assignment, read_assignment
from companion.grade.marking.grade import INTERNAL, Grade, Override
from companion.grade.output import publish
from companion.grade.output.gradebook import score_text
from companion.grade.output.lms import Target, canvas_target, moodle_groups, moodle_target
from companion.grade.output.overrides import FILE, read_overrides
from companion.grade.sandbox.limits import RANGES
from companion.grade.sandbox.probe import PROTECTIONS
from companion.grade.session import Choices, Session
from companion.grade.workers.machine import CAN_FORK
from companion.terminal.arguments import LARGEST_SEED
from companion.terminal.cluster import cluster_executor
from companion.terminal.console import Report, counting
from companion.terminal.lesson_list import lesson_file

LONGEST_LINE = 160  # characters of what is told of a submission


def read_given_assignment(options: argparse.Namespace) -> Assignment:
    """Read the assignment, and put the limits of the options in."""
    own = lesson_file(options.lesson, "assignment.toml")
    assignment = read_assignment(Path(options.assignment or own), options.lesson)
    given = {name: getattr(options, name) for name in RANGES if getattr(options, name) is not None}
    return replace(assignment, limits=replace(assignment.limits, **given))


def grade_class(options: argparse.Namespace, report: Report) -> int:
    """Take in, grade and publish."""
    assignment = read_given_assignment(options)
    roster = roster_of(options)
    intake, submissions, strangers = take_in_all(options, roster)
    show_intake(report, intake, submissions, strangers)
    refuse_overwriting(options)
    targets = read_targets(options, assignment.maximum, submissions)
    if options.dry_run:
        show_all(report, submissions)
        return 0
    sheets = [path for path in (options.roster, options.canvas, options.moodle) if path]
    report.facts(
        [
            ("read as cp1252", f"{path}: it is not in UTF-8")
            for path in sheets
            if encoding_of(Path(path)) == "cp1252"
        ]
    )
    folder = Path(options.output)
    publish.make_folder(folder)
    if options.roster:
        publish.put(folder / ROSTER, as_roster(roster))
    overrides = read_overrides(folder / FILE, assignment)  # before any submission runs
    with Journal(folder / "journal.jsonl") as journal:
        session = start(options, assignment, submissions, journal)
        started = time.perf_counter()
        try:
            run(session, options, report)
        except BaseException:
            if journal.since_last_run():  # show what has been graded, even if some are left
                publish_all(folder, session, overrides, targets, report, started, options.replace)
            raise
        failed = publish_all(folder, session, overrides, targets, report, started, options.replace)
    return int(failed)


def refuse_overwriting(options: argparse.Namespace) -> None:
    """Refuse to read from files that this command writes, and to write among the submissions."""
    if options.output is None:
        return
    if Path(options.output).resolve().is_relative_to(Path(options.submissions).resolve()):
        told = f"--output {options.output!r} lies in the folder of the submissions; name one beside it"
        raise UserError(told)
    written = {Path(options.output, name).resolve() for name in ("gradebook.csv", "canvas.csv", "moodle.csv")}
    for name in ("canvas", "moodle", "groups", "roster", "assignment"):
        given = getattr(options, name)
        own = {Path(options.output, ROSTER).resolve()} if name == "roster" else set()
        if given and Path(given).resolve() in written | own:
            raise UserError(f"--{name} {given!r} is written by the grader: name the file you downloaded")


def roster_of(options: argparse.Namespace) -> dict[str, str]:
    """Return the names of all students by id: of the given roster, or of that which the folder remembers."""
    if options.roster:
        return read_roster(Path(options.roster))
    remembered = Path(options.output or "", ROSTER)
    try:
        is_there = bool(options.output) and remembered.is_file()
    except OSError as error:
        told = f"--output {options.output!r} cannot be read: {error.strerror}; name another folder"
        raise OutputError(told) from None
    return read_roster(remembered) if is_there else {}


def show_all(report: Report, submissions: Sequence[Submission]) -> None:
    """Print who has handed in what, and what cannot be graded."""
    rows = [[one.id, one.name, "late" if one.late else "", one.problem or one.source] for one in submissions]
    report.print()
    report.table(["id", "name", "", "file, or why there is none"], rows)


def take_in_all(
    options: argparse.Namespace, roster: Mapping[str, str]
) -> tuple[Intake, list[Submission], list[str]]:
    """Find the submissions; add those of the roster who handed in nothing; list who is not on it."""
    intake = take_in(Path(options.submissions), options.due)
    if options.due and not intake.is_dated:
        told = f"--due: {options.submissions!r} does not say when anything was handed in"
        raise UserError(f"{told}; leave --due out, and let the course system mark late ones")
    groups, by_name = groups_of(options, intake), bool(options.moodle and not options.groups)
    together = in_groups(intake.submissions, groups, by_name=by_name)
    if groups and not any(one.members for one in together):
        raise UserError("--groups: no submission is of a student in that file; use the ids of --dry-run")
    intake = replace(intake, submissions=together)
    if not roster:
        return intake, intake.submissions, []
    known = [_named(one, roster) for one in intake.submissions]
    handed_in = {student for one in known for student, _ in one.students}
    if known and not handed_in & roster.keys():
        raise UserError(
            f"no id of the roster has handed in anything: it has {next(iter(roster))!r}, and the "
            f"submissions have {known[0].id!r}; give the roster the ids of the submissions"
        )
    known += [missing(student, name) for student, name in roster.items() if student not in handed_in]
    return intake, sorted(known, key=lambda one: one.id), sorted(handed_in - roster.keys())


def groups_of(options: argparse.Namespace, intake: Intake) -> Groups:
    """Return who hands in together: by the CSV file of groups, or the teams of Moodle's worksheet."""
    if options.groups:
        return read_groups(Path(options.groups))
    if options.moodle:
        sheet = moodle_target(Path(options.moodle), None)
        return moodle_groups(sheet, {one.id: one.name for one in intake.submissions})
    return {}


def _named(one: Submission, roster: Mapping[str, str]) -> Submission:
    """Take the names of the roster, also of a group's members."""
    members = tuple((student, roster.get(student) or name) for student, name in one.members)
    return replace(one, name=roster.get(one.id) or one.name, members=members)


def show_intake(
    report: Report, intake: Intake, submissions: Sequence[Submission], strangers: Sequence[str]
) -> None:
    """Print what was found, whose it is taken to be, and who is not on the roster."""
    groups = sum(bool(one.members) for one in submissions)
    few = [f"{one.id} ({one.source or one.problem})" for one in submissions[:3]]
    more = f" and {len(submissions) - 3} more" if len(submissions) > 3 else ""
    facts = [
        ("submissions", f"{len(intake.submissions)}, {intake.system}"),
        ("students", ", ".join(few) + more),
    ]
    if groups:
        facts.append(("groups", f"{groups}: each member gets the grade"))
    absent = len(submissions) - len(intake.submissions)
    if absent:
        facts.append(("missing", f"{absent} of the roster: no submission here"))
    if strangers:
        named = ", ".join(strangers[:5]) + (" ..." if len(strangers) > 5 else "")
        facts.append(("not on roster", f"{len(strangers)}, graded anyway: {named}"))
    late = sum(one.late for one in submissions)
    if late:
        facts.append(("late", str(late)))
    if intake.ignored:
        facts.append(
            ("ignored", one_line(", ".join(intake.ignored[:5])) + (" ..." if len(intake.ignored) > 5 else ""))
        )
    report.facts(facts)


def read_targets(
    options: argparse.Namespace, maximum: float, submissions: Sequence[Submission]
) -> dict[str, Target]:
    """Read the sheets that are to be filled in; refuse them before the work is done."""
    found: dict[str, Target] = {}
    if options.canvas:
        found["canvas.csv"] = canvas_target(Path(options.canvas), options.column, maximum)
    if options.moodle:
        found["moodle.csv"] = moodle_target(Path(options.moodle), maximum)
    students = dict(student for one in submissions for student in one.students)
    for name, target in found.items():
        if not any(target.rows_for(students).values()):
            given = options.canvas if name == "canvas.csv" else options.moodle
            told = f"{given}: no row is of a student of these submissions, such as {next(iter(students))!r}"
            raise UserError(f"{told}; name the sheet of this class")
    return found


def start(
    options: argparse.Namespace, assignment: Assignment, submissions: Sequence[Submission], journal: Any
) -> Session:
    """Begin a run, or go on with the last."""
    seed = secrets.randbelow(LARGEST_SEED + 1) if options.seed is None else options.seed
    choices = Choices(
        int(options.lesson.removeprefix("lesson")),
        seed,
        fixed=options.seed is not None,
        force=options.force,
        only=tuple(options.only),
        forks=not options.no_fork,
        required=required_of(options),
    )
    return Session(assignment, submissions, journal, choices, resume=options.resume)


def required_of(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the protections without which nothing is graded."""
    if options.unsafe:
        return ()
    return tuple(PROTECTIONS) if options.require_sandbox else ("writing",)


def run(session: Session, options: argparse.Namespace, report: Report) -> None:
    """Grade all waiting submissions; print a line for each."""
    count = len(session.waiting)
    report.facts([("to grade", f"{count} of {len(session.submissions)}" if count else "nothing new")])
    if not count:
        return
    if options.no_fork or not CAN_FORK:
        told = "one per submission, each imports TensorFlow again: slower, and with fewer protections"
        report.facts([("processes", told)])
    with executor_of(options) as (executor, at_once), counting(report, count, "grading") as tell:
        try:
            session.grade_all(executor, at_once, lambda grade: tell(line_of(grade)))
        except BaseException:
            stop(executor)
            raise


@contextmanager
def executor_of(options: argparse.Namespace) -> Iterator[tuple[Executor, int]]:
    """Return where to grade, and how many at one time."""
    if options.scheduler:
        with cluster_executor(options.scheduler) as on_cluster:
            yield on_cluster
        return
    jobs = options.jobs or _processors()
    with ThreadPoolExecutor(jobs) as executor:
        yield executor, 2 * jobs


def _processors() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def stop(executor: Executor) -> None:
    """End what is being graded."""
    executor.shutdown(wait=False, cancel_futures=True)
    close_machines()


def line_of(grade: Grade) -> str:
    """Return a grade as a line of the report."""
    score = sum(one.points for one in grade.criteria)
    why = ", ".join(one.name for one in grade.mistakes) or grade.told or ("differs" if grade.unknown else "")
    seconds = f"{grade.seconds:.1f} s" if grade.seconds is not None else ""
    status = f"{grade.status}, needs your decision" if grade.needs_decision else grade.status
    told = f"{status}: {why}" if why else status
    if grade.quiz and grade.quiz.unreadable:
        told += "; answers to the quiz unreadable"
    points = f"{'-' if grade.needs_decision else score_text(score)}/{score_text(grade.maximum)}"
    return f"{grade.id:<16} {points:>7}  {told[:LONGEST_LINE]}  {seconds}  <- {grade.source}"


def undecided(grades: Sequence[Grade]) -> list[tuple[str, str]]:
    """Return whom an instructor must decide about, and which packages submissions lack."""
    open_ones = list(dict.fromkeys(grade.group or grade.id for grade in grades if grade.needs_decision))
    if not open_ones:
        return []
    shown = ", ".join(open_ones[:5]) + (" ..." if len(open_ones) > 5 else "")
    facts = [("your decision", f"{len(open_ones)} without a score: {shown}; see class.html, and use {FILE}")]
    packages: dict[str, list[str]] = {}
    for grade in grades:
        if grade.package:
            packages.setdefault(grade.package, []).append(grade.id)
    for package, students in packages.items():
        told = f"{', '.join(students[:5])}: python -m pip install {package}, then run this again"
        facts.append((f"{one_line(package)} is missing", told))
    return facts


def publish_all(
    folder: Path,
    session: Session,
    overrides: Mapping[str, Override],
    targets: Mapping[str, Target],
    report: Report,
    started: float,
    replace_scores: bool,
) -> bool:
    """Write all pages; return whether something is left that could not be graded or filled in."""
    assignment = session.assignment
    grades = publish.scored(session.grades(), overrides)
    seed = f"{session.choices.seed}: keep it to yourself; --seed repeats the run"
    facts = [("seed", seed)] if session.waiting else []
    facts = publish.protections_of(grades) + facts
    publish.publish(folder, grades, assignment, [("students", str(len(grades))), *facts])
    notes = [
        note
        for name, target in targets.items()
        for note in publish.fill(target, grades, folder / name, replace=replace_scores)
    ]
    notes += [
        f"{FILE}: {name!r} is not a student of this class"
        for name in overrides.keys() - {name for one in grades for name in (one.id, one.group)}
    ]
    failed = sorted({grade.group or grade.id for grade in grades if grade.status == INTERNAL})
    notes += [f"{student} could not be graded; --only {student} tries again" for student in failed]
    if left := session.left():
        notes.append(f"{left} not graded yet; --resume goes on")
    if kept := list(session.kept()):
        told = f"{len(kept)} of earlier runs, not among these submissions: {', '.join(kept[:5])}"
        facts.append(("grades kept", told + (" ..." if len(kept) > 5 else "")))
    facts += undecided(grades)
    names = ["gradebook.csv", "class.html", "feedback/", "results/", *targets]
    names += [publish.FEEDBACK_ZIP] if any(grade.prefix for grade in grades) else []
    report.facts(
        [*facts, ("written", f"{folder}: {', '.join(names)}  ({time.perf_counter() - started:.0f} s)")]
    )
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return bool(notes)
