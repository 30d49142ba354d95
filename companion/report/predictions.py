"""What running a lesson answers: the questions of a quiz that ask what will happen."""

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from companion.errors import UserError
from companion.report.curves import steps_up
from companion.report.questions import Question
from companion.report.runs import Run, Runs, Train, accuracy, compare, fast
from companion.terminal.lesson_list import LESSONS


class Predictions:
    """Answers predictions about a lesson, each training made once."""

    def __init__(self, lesson: str, runs: Runs | None = None) -> None:
        self.lesson = lesson
        module = importlib.import_module(f"companion.{lesson}")
        self.train, self.with_fit = module.train_by_hand, module.train_with_fit
        own = own_runs(lesson, module)
        self.runs = runs if runs is not None and runs.settings == own.settings else own

    def answer(self, question: Question) -> tuple[int | float, dict[str, Any]]:
        """Run the lesson and give the right answer."""
        if question.asks == "lowest rate":
            runs = {rate: self._run(question, {"learning_rate": rate}) for rate in question.rates}
            finals = [run.history[-1] for run in runs.values()]
            lowest = int(np.nanargmin(finals))
            named = dict(zip(question.choices, finals, strict=True))
            return lowest, {"final_losses": named, "lowest_rate": question.rates[lowest]}
        run = self._run(question)
        figures = self._figures(run)
        if question.asks == "same weights":
            other = self._run(question, question.other)
            pairs = zip(run.model.get_weights(), other.model.get_weights(), strict=True)
            same = all(np.array_equal(one, two, equal_nan=True) for one, two in pairs)
            return (0 if same else 1), figures | {"other_final_loss": other.history[-1]}
        if question.asks == "same as fit":
            fit = self._run(question, by=fast(self.with_fit))
            same = compare(run, fit, self.runs.settings["dtype"]).identical
            return (0 if same else 1), figures | {"fit_final_loss": fit.history[-1]}
        if question.asks == "behavior":
            word = self.runs.behavior(self.train, **question.run)
            if word not in question.choices:
                told = f"the run {word!r}, which is none of its choices"
                raise UserError(f"question {question.name!r} has no right answer: {told}; add it")
            return question.choices.index(word), figures | {"behavior": word}
        return figures[question.asks.replace(" ", "_")], figures

    def _run(
        self, question: Question, changes: Mapping[str, Any] | None = None, by: Train | None = None
    ) -> Run:
        try:
            return self.runs(by or self.train, **{**question.run, **(changes or {})})
        except (ValueError, TypeError) as error:
            told = f"question {question.name!r} cannot be answered by a run: {error}"
            raise UserError(f"{told}; fix run = {dict(question.run)}") from None

    def _figures(self, run: Run) -> dict[str, Any]:
        return {
            "final_loss": run.history[-1],
            "first_loss": run.history[0],
            "steps_up": float(steps_up(run.history)),
            "train_accuracy": accuracy(run.model, self.runs.x, self.runs.y),
        }


def own_runs(lesson: str, module: ModuleType) -> Runs:
    """Return the runs of a lesson with its own settings."""
    own = LESSONS[lesson]
    x, y = module.load_data()
    settings = {
        "learning_rate": own.learning_rate,
        "epochs": own.epochs,
        "batch_size": own.batch_size or len(x),
        "seed": 0,
        "dtype": own.dtype,
        "hidden": own.hidden,
    }
    return Runs(module.build_model, x, y, settings)
