"""A lesson's exercises in a submission: what its functions are called with, and how they are judged."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from companion.check.catalogue import ExerciseResult
from companion.check.exercises import ERROR, RIGHT, Exercise, exercises_of, judge_given
from companion.check.learner.file import a
from companion.grade.sandbox.inside import ERROR_HEAD

MOST_RESULT = 8 << 20  # bytes
MOST_TOLD = 500  # characters of the text about an exercise
NOT_HANDED_IN = "not handed in"
FORGED = "its result was not written by the grader"


def calls_of(lesson: int, seed: int) -> list[list[Any]]:
    """Return the calls of a lesson's exercises: name, arguments, type. The seed draws each last call."""
    return [[one.name, arguments, one.dtype] for one, arguments in _calls(lesson, seed)]


def _calls(lesson: int, seed: int) -> list[tuple[Exercise, list[Any]]]:
    rng = np.random.default_rng(seed)
    known = exercises_of(lesson)
    return [(one, arguments) for one in known for arguments in (*map(list, one.calls), one.draw(rng))]


def judge(lesson: int, seed: int, result: bytes, names: Sequence[str]) -> list[dict[str, str]]:
    """Judge what came out of a sandbox, of which every byte may be the submission's own."""
    calls = [(one, arguments) for one, arguments in _calls(lesson, seed) if one.name in names]
    try:
        if len(result) > MOST_RESULT:
            raise ValueError
        if result.startswith(ERROR_HEAD):
            told = str(json.loads(result[len(ERROR_HEAD) :])["text"])[:MOST_TOLD]
            return _all_failed(names, told)
        given = [_checked(one) for one in json.loads(result)]
        if len(given) != len(calls):
            raise ValueError
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return _all_failed(names, FORGED)
    done: dict[str, ExerciseResult] = {}
    for (exercise, arguments), one in zip(calls, given, strict=True):
        if exercise.name not in done or done[exercise.name].status == RIGHT:
            missing = ExerciseResult(exercise.name, NOT_HANDED_IN, "")
            done[exercise.name] = missing if "missing" in one else judge_given(exercise, arguments, one)
    return [asdict(one) | {"told": one.told[:MOST_TOLD]} for one in done.values()]


def _all_failed(names: Sequence[str], told: str) -> list[dict[str, str]]:
    return [asdict(ExerciseResult(name, ERROR, told)) for name in names]


def _checked(given: Any) -> Mapping[str, Any]:
    """Take nothing but what `companion.check.exercise_calls.call` writes."""
    if given in ({"missing": True}, {"not_done": True}):
        return given
    if set(given) == {"error"} or set(given) == {"type"}:
        return {key: str(value)[:MOST_TOLD] for key, value in given.items()}
    if set(given) != {"numbers", "shape"}:
        raise ValueError(f"{a('answer')} is something else")
    numbers = [float(number) for number in given["numbers"]]
    shape = [int(size) for size in given["shape"]]
    if len(shape) > 32 or any(size < 0 for size in shape):
        raise ValueError("no shape")
    return {"numbers": numbers, "shape": shape}
