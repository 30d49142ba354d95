"""What ``.fit`` does on a problem, and how a run of a learner's loop is compared with it.

Nothing in here holds or runs the learner's code.
"""

import functools
from dataclasses import replace

import numpy as np

from companion.check.diagnose import Diagnosis, diagnose
from companion.check.problem import Problem, Reference
from companion.check.recording.events import Recording, State, Update
from companion.check.replay import Replay
from companion.check.rules.findings import REPORT, Divergence, Finding, largest_difference, told_apart
from companion.check.run import LoopRun
from companion.check.steps import steps_of
from companion.check.verdict import ProblemVerdict
from companion.comparison.ulp import abs_difference

TIMES_AS_FAR = 4  # as .fit run eagerly: two roundings of the same steps are about as far from a third
Result = tuple[list[float], State]  # losses, and all variables at the end


class Judge:
    """Compares runs of a problem with ``.fit``, which runs only once."""

    def __init__(
        self, problem: Problem, reference: Reference | None = None, trace_after: int | None = None
    ) -> None:
        self.problem = problem
        if reference is not None:
            self.reference = reference
        self.replay = Replay(problem, trace_after)

    @functools.cached_property
    def reference(self) -> Reference:
        """Return ``.fit``, run eagerly and watched."""
        return Reference(self.problem)

    @functools.cached_property
    def compiled(self) -> Result:
        """Return the result of ``.fit`` as it is used, in a graph."""
        return self._fit()

    @functools.cached_property
    def by_xla(self) -> Result:
        """Return the result of ``.fit`` with ``jit_compile=True``."""
        return self._fit(jit_compile=True)

    def _fit(self, **how: bool) -> Result:
        model = self.problem.compiled(run_eagerly=False, **how)
        losses = self.problem.fit(model)
        return losses, [np.array(variable.numpy()) for variable in model.variables]

    def judge(self, run: LoopRun) -> ProblemVerdict:
        """Find out whether a run is equal to that of ``.fit``, and if not, where and why the two differ."""
        self.replay.forget()
        diagnosis = self._watched(run)
        findings, unwatched = diagnosis.findings, diagnosis.unwatched
        losses, variables = self.compiled
        if not findings:
            findings = self._unseen((run.history, run.end), self.compiled, "")
            if findings and run.recording is not None:
                findings, note = self._compiled_otherwise(run, findings)
                unwatched = unwatched + note
        if not run.history and not run.returned:
            unwatched = [*unwatched, "the losses were not judged: train returned none"]
        same = [np.array_equal(a, b, equal_nan=True) for a, b in zip(run.end, variables, strict=True)]
        identical = np.array_equal(run.history, losses, equal_nan=True) and all(same)
        distances = [abs_difference(a, b).max(initial=0) for a, b in zip(run.end, variables, strict=True)]
        apart = max(map(float, distances))
        return ProblemVerdict(
            self.problem, run.history, losses, identical, apart, findings, unwatched, diagnosis.steps
        )

    def near(self, a: float | np.ndarray, b: float | np.ndarray) -> bool:
        """Return whether two numbers, or arrays, are the same except for rounding."""
        noise = self.reference.noise
        return bool(np.allclose(a, b, rtol=noise, atol=noise, equal_nan=True))

    def has_same_end(self, run: LoopRun) -> bool:
        """Return whether a run ends with the variables of ``.fit``, except for rounding."""
        return all(self.near(a, b) for a, b in zip(run.end, self.compiled[1], strict=True))

    def _watched(self, run: LoopRun) -> Diagnosis:
        """Diagnose the run that was watched."""
        if run.recording is None:
            told = f"watched in an eager run, the loop ends in {run.told}: only the result was compared"
            return Diagnosis([], [told], [])
        if not run.history or not self._has_a_loss_per_epoch(run.recording):
            run.recording.history = list(self.reference.history)
        with np.errstate(all="ignore"):  # a run that blows up gives numbers that are not finite
            diagnosis = diagnose(self.problem, self.reference, run.recording, self.replay)
        if not diagnosis.findings:
            fit = self.reference.history, self.reference.recording.end
            mine = run.recording.history, run.recording.end
            return replace(diagnosis, findings=self._unseen(mine, fit, "run eagerly, "))
        return diagnosis

    def _has_a_loss_per_epoch(self, recording: Recording) -> bool:
        """Return whether the losses are as many as the epochs; there may be more epochs than in ``.fit``."""
        losses, epochs = len(recording.history), len(self.reference.history)
        if losses == epochs or list(self.problem.callbacks()):
            return True
        return len(steps_of(recording, 1).steps) * epochs == losses * len(self.reference.updates)

    def _unseen(self, mine: Result, fit: Result, how: str) -> list[Finding]:
        """Find differences of the results where no rule has seen one."""
        for epoch, (a, b) in enumerate(zip(mine[0], fit[0], strict=False)):
            if not self.near(a, b):
                mine_told, fit_told = told_apart(a, b)
                told = (
                    f"epoch {epoch}: {how}you report {mine_told}, but .fit {fit_told}; no rule explains this"
                )
                return [Finding("", REPORT, Divergence("report", epoch, None, None, a, b), told)]
        if all(self.near(a, b) for a, b in zip(mine[1], fit[1], strict=True)):
            return []
        names = self.reference.recording.variables
        variable, one, other = largest_difference(names, mine[1], fit[1])
        told = f"at the end, {how}`{variable}` is {one:.7g}, but {other:.7g} with .fit; no rule explains this"
        at = Divergence("weights", len(fit[0]) - 1, None, variable, one, other)
        return [Finding("", REPORT, at, told)]

    def _rounding_grows(self, run: LoopRun) -> str:
        """Return a note if a loop is no farther from ``.fit`` than ``.fit`` run eagerly is; else ""."""
        mine, eager, compiled = (np.array(h) for h in (run.history, self.reference.history, self.compiled[0]))
        if len(mine) != len(compiled):
            return ""
        own, apart = np.abs(eager - compiled).max(), np.abs(mine - compiled).max()
        if not apart <= TIMES_AS_FAR * own:
            return ""
        return (
            f"rounding grows in this training: the losses are {apart:.2g} from those of .fit, and those of "
            f".fit run eagerly are {own:.2g} from them"
        )

    def _compiled_otherwise(self, run: LoopRun, found: list[Finding]) -> tuple[list[Finding], list[str]]:
        """Explain why a loop equals ``.fit`` when it runs eagerly, but not as it is written."""
        if not self._unseen((run.history, run.end), self.by_xla, ""):
            how = "compiled by XLA, and equal to .fit with jit_compile=True; dropout draws other numbers then"
            return [], [f"the loop is {how}"]
        grown = self._rounding_grows(run)
        if grown:
            return [], [grown]
        if run.recording is not None and run.recording.compiled and found[0].difference.epoch:
            told = f"{found[0].evidence.removesuffix('; no rule explains this')}; run eagerly, both are equal"
            updates = [event for event in run.recording.events if isinstance(event, Update)]
            place = updates[-1].place if updates else None
            return [replace(found[0], name="frozen-number", evidence=told, place=place)], []
        told = (
            f"{found[0].evidence}; run eagerly, both are equal: a tf.function repeats what its Python code "
            "did in the first call, and under jit_compile=True dropout draws other numbers"
        )
        return [replace(found[0], evidence=told)], []
