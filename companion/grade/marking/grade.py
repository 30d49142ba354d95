"""The record of a grade: what was judged, whose it is, and how it stands in the journal."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from companion.check.catalogue import ExerciseResult, Mistake
from companion.terminal.formats import spell_out

# What a submission is graded on, by name, and in words.
CRITERIA = {
    "runs": "it runs, and is a loop by hand",
    "first_loss": "the first batch's loss",
    "gradients": "the gradients",
    "updates": "the updates",
    "rows": "all rows, in the order of .fit",
    "short_batch": "the short last batch",
    "reports": "the reported losses",
    "final_weights": "the final weights",
}
RIGHT, WRONG, NOT_JUDGED = "right", "wrong", "not judged"  # of a criterion
GRADED, ERROR, UNREADABLE, MISSING, INTERNAL = "graded", "error", "unreadable", "missing", "internal"
CRASHED = "crashed"  # its process was ended by the system, which may be the fault of a library
UNSEEN = "unseen"  # its result is right, and how it came about was not seen
NOT_DONE = "not done yet"


@dataclass(frozen=True)
class CriterionMark:
    """What came out on a criterion.

    Attributes
    ----------
    name : str
        A key of `CRITERIA`.
    state : {"right", "wrong", "not judged"}
        "not judged" if it cannot be known, because something before it is wrong.
    told : str
        The reason.
    points, maximum : float
        The points that it gives, and could give.
    follows : bool
        Whether it is not judged because another criterion does not hold.
    """

    name: str
    state: str
    told: str = ""
    points: float = 0.0
    maximum: float = 0.0
    follows: bool = False


def not_judged(told: str, others: str = "there is no run to judge") -> tuple[CriterionMark, ...]:
    """Return the criteria of a submission that gave no result: the first is wrong, no other is judged."""
    states = {name: (WRONG, told) if name == "runs" else (NOT_JUDGED, others) for name in CRITERIA}
    return tuple(CriterionMark(name, *state) for name, state in states.items())


@dataclass(frozen=True)
class FirstDifference:
    """Where a submission first parts from ``.fit``: in what, in which epoch, in which batch."""

    what: str
    epoch: int | None = None
    batch: int | None = None


@dataclass(frozen=True)
class QuestionMark:
    """What became of a question of the quiz: its name, its text, the answer, and whether that is right."""

    name: str
    question: str
    given: str
    right: bool


@dataclass(frozen=True)
class QuizMark:
    """What became of a quiz.

    Attributes
    ----------
    lesson : str
        Such as "lesson3".
    score, maximum : int
        How many questions are right, and how many there are.
    questions : tuple of QuestionMark
        All of them.
    notes : tuple of str
        What else there is to say of the file.
    unreadable : str
        Why the file cannot be read, or "".
    """

    lesson: str
    score: int
    maximum: int
    questions: tuple[QuestionMark, ...]
    notes: tuple[str, ...] = ()
    unreadable: str = ""


@dataclass(frozen=True)
class Override:
    """A score, or the points of some criteria, that an instructor has set by hand.

    Attributes
    ----------
    score : float or None
        The score; None if it is the sum of the points.
    reason : str
        Why.
    points : mapping of str to float
        By criterion, for those that were set.
    is_of_student : bool
        Whether it was set for this student, and not for the group.
    """

    score: float | None
    reason: str
    points: Mapping[str, float] = field(default_factory=dict)
    is_of_student: bool = False


@dataclass(frozen=True, kw_only=True)
class Judgment:
    """What the judge says of a submission.

    Attributes
    ----------
    status : {"graded", "error", "not done yet", "internal", "unseen"}
        "internal" where the judge itself failed, "unseen" where the result is right and the way is not known.
    criteria : tuple of CriterionMark
        In the order of `CRITERIA`.
    mistakes : tuple of Mistake
        Those known by name, the earliest first.
    unknown : tuple of str
        The evidence of other differences.
    learner, fit : tuple of float
        The losses of each epoch.
    first_difference : FirstDifference or None
        None where there is none.
    notes : tuple of str
        What could not be seen.
    trajectory : str
        The same for runs that went wrong in the same way; "" for a right one.
    error, shown : str
        What the run ended in, and its traceback.
    package : str
        The package that it needs and that is not installed.
    compiled : bool
        Whether the loop compiles itself: then it may be something else when it is not watched.
    look : tuple of str
        Why somebody should read the submission.
    """

    status: str
    criteria: tuple[CriterionMark, ...]
    mistakes: tuple[Mistake, ...] = ()
    unknown: tuple[str, ...] = ()
    learner: tuple[float, ...] = ()
    fit: tuple[float, ...] = ()
    first_difference: FirstDifference | None = None
    notes: tuple[str, ...] = ()
    trajectory: str = ""
    error: str = ""
    package: str = ""
    compiled: bool = False
    shown: str = ""
    look: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Grade(Judgment):
    """A grade: what was judged, and whose it is. Its status may also say how the run ended, or "missing".

    Attributes
    ----------
    id, name, source : str
        The student's id and name, and the file.
    late : bool
        Whether it was handed in late.
    key : str
        A checksum of all that the grade depends on.
    seed : int
        Of data, initial weights and order.
    told : str
        Why it was not judged, in a line; else "".
    shape : str
        The same for loops that differ in names, numbers and comments only; "" if it could not be read.
    in_train : bool
        Whether its ``train`` had been called: what goes wrong before that is no mistake of the loop.
    seconds, memory : float and int, or None
        What the run took, in seconds and megabytes.
    printed : str
        The beginning of what it printed.
    maximum : float
        The highest score.
    exercises : tuple of ExerciseResult
        Empty where none was handed in.
    quiz : QuizMark or None
        None where no answers were handed in.
    protections : mapping of str to bool
        Which of the sandbox's held.
    layers : tuple of str
        By which layers.
    override : Override or None
        The score set by hand.
    page : str
        The name of the student's page, without its ending.
    group : str
        The group that handed it in together, and
    members : tuple of str
        the ids of its students; both empty for a single student.
    prefix : str
        As in `companion.grade.intake.layouts.Owner`. These five are not in the journal.
    """

    id: str
    key: str
    seed: int
    maximum: float
    name: str = ""
    source: str = ""
    late: bool = False
    told: str = ""
    shape: str = ""
    in_train: bool = True
    seconds: float | None = None
    memory: int | None = None
    printed: str = ""
    exercises: tuple[ExerciseResult, ...] = ()
    quiz: QuizMark | None = None
    protections: Mapping[str, bool] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    override: Override | None = None
    page: str = ""
    group: str = ""
    members: tuple[str, ...] = ()
    prefix: str = ""

    @property
    def graded(self) -> float:
        """Return the sum of the criteria's points."""
        return round(sum(one.points for one in self.criteria), 2)

    @property
    def was_judged(self) -> bool:
        """Return whether the grader gave points: not where what went wrong is not the loop."""
        if self.status in (GRADED, MISSING, NOT_DONE):
            return True
        return (
            not self.package and self.in_train and self.status not in (UNREADABLE, INTERNAL, UNSEEN, CRASHED)
        )

    @property
    def needs_decision(self) -> bool:
        """Return whether an instructor must decide: it was not judged, and no score is set by hand."""
        return self.override is None and not self.was_judged

    @property
    def score(self) -> float | None:
        """Return the score that counts; None where an instructor must decide: a blank is no zero."""
        if self.override is not None and self.override.score is not None:
            return self.override.score
        return None if self.needs_decision else round(sum(map(self.points_of, self.criteria)), 2)

    def points_of(self, one: CriterionMark) -> float:
        """Return the points that count for a criterion: those set by hand, if there are some."""
        return one.points if self.override is None else self.override.points.get(one.name, one.points)


def as_json(record: Judgment) -> dict[str, Any]:
    """Return a judgment or a grade as what JSON knows; losses that are not finite become words."""
    content = asdict(record)
    for name in ("override", "page", "group", "members", "prefix"):
        content.pop(name, None)
    return spell_out(content)


def judgment_of(content: Mapping[str, Any]) -> Judgment:
    """Return the judgment that `as_json` has made into `content`."""
    return Judgment(**_parts(Judgment, content))


def grade_of(content: Mapping[str, Any]) -> Grade:
    """Return the grade that `as_json` has made into `content`."""
    return Grade(**_parts(Grade, content))


def _parts(kind: type, content: Mapping[str, Any]) -> dict[str, Any]:
    """Make the fields of a record, and of the records in it, from JSON."""
    made = {one.name: content[one.name] for one in fields(kind) if one.name in content}
    made["criteria"] = tuple(CriterionMark(**one) for one in made["criteria"])
    made["mistakes"] = tuple(Mistake(**one) for one in made["mistakes"])
    for name in ("learner", "fit"):
        made[name] = tuple(map(float, made[name]))
    for name in ("unknown", "notes", "look", "layers"):
        if name in made:
            made[name] = tuple(made[name])
    if made["first_difference"] is not None:
        made["first_difference"] = FirstDifference(**made["first_difference"])
    if "exercises" in made:
        made["exercises"] = tuple(ExerciseResult(**one) for one in made["exercises"])
    if made.get("quiz"):
        quiz = made["quiz"]
        questions = tuple(QuestionMark(**one) for one in quiz["questions"])
        made["quiz"] = QuizMark(**{**quiz, "questions": questions, "notes": tuple(quiz["notes"])})
    return made
