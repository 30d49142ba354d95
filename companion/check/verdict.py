"""What a check of a loop has found on one problem."""

from dataclasses import dataclass

from companion.check.problem import Problem
from companion.check.rules.findings import Divergence, Finding
from companion.check.steps import Step
from companion.comparison.ulp import abs_difference


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
        """Return "identical", "close" or "differs"."""
        return "differs" if self.findings else "identical" if self.identical else "close"

    @property
    def first_difference(self) -> Divergence | None:
        """Return the first place where the two part."""
        return self.findings[0].difference if self.findings else None

    @property
    def losses_apart(self) -> float:
        """Return the largest distance of two losses."""
        both = min(len(self.learner), len(self.fit))
        return float(abs_difference(self.learner[:both], self.fit[:both]).max(initial=0))
