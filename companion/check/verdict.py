"""What a check of a loop has found on one problem, and the mistakes in it."""

from dataclasses import dataclass

from companion.check.catalogue import MISTAKES
from companion.check.learner.lines import Location
from companion.check.problem import Problem
from companion.check.rules.findings import Divergence, Finding
from companion.check.steps import Step
from companion.comparison.ulp import abs_difference


@dataclass(frozen=True)
class Mistake:
    """A mistake found in a loop.

    Attributes
    ----------
    name : str
        Such as ``sum-instead-of-mean``.
    title : str
        What it is, in a sentence.
    evidence : str
        The numbers.
    file : str or None
        Of the learner's code; of a notebook, with the cell.
    line : int or None
        There.
    code : str
        That line.
    cure : str
        What to do instead.
    link : str
        Where to read on: a document and the anchor in it.
    section : str
        The heading there.
    problems : list of str
        On which problems it showed.
    """

    name: str
    title: str
    evidence: str
    file: str | None
    line: int | None
    code: str
    cure: str
    link: str
    section: str
    problems: list[str]


def mistake(name: str, evidence: str, place: Location | None, code: str, problems: list[str]) -> Mistake:
    """Say all that is known of a mistake.

    Parameters
    ----------
    name, evidence : str
        As found.
    place : Location or None
        The line of the learner's code.
    code : str
        Its text.
    problems : list of str
        On which problems it showed.

    Returns
    -------
    Mistake
    """
    known = MISTAKES[name]
    file, line = (place.file, place.line) if place else (None, None)
    about = (known.cure, known.link, known.section, problems)
    return Mistake(name, known.title, evidence, file, line, code, *about)


@dataclass(frozen=True)
class ProblemVerdict:
    """What came out on one problem.

    Attributes
    ----------
    problem : Problem
        On which.
    learner, fit : list of float
        The losses of each epoch: of the loop as it is written, and of ``.fit``.
    identical : bool
        Whether these, and the weights afterwards, are the same bit for bit.
    weights_apart : float
        The largest distance of two weights.
    findings : list of Finding
        Where and why the two part, the earliest first.
    unwatched : list of str
        What could not be seen.
    steps : list of Step
        The run that was watched, cut into steps.
    """

    problem: Problem
    learner: list[float]
    fit: list[float]
    identical: bool
    weights_apart: float
    findings: list[Finding]
    unwatched: list[str]
    steps: list[Step]

    @property
    def verdict(self) -> str:
        """Give "identical", "close" or "differs"."""
        return "differs" if self.findings else "identical" if self.identical else "close"

    @property
    def first_difference(self) -> Divergence | None:
        """Give the first place where the two part."""
        return self.findings[0].difference if self.findings else None

    @property
    def losses_apart(self) -> float:
        """Give the largest distance of two losses."""
        return float(abs_difference(self.learner, self.fit).max())
