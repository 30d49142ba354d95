"""Why two trainings by ``.fit`` differ: the suspects are turned off, one at a time."""

import argparse
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from companion.compare.own_process import ALL, BATCHES, TWICE, ProcessError, trained, words_of
from companion.compare.suspects import HASHES, SUSPECTS, Suspect
from companion.comparison.fit_comparison import FEW, FitComparison
from companion.errors import UserError
from companion.terminal.console import Report

if TYPE_CHECKING:
    from companion.comparison.training import Training

NAMES = (".fit", ".fit again")
SAME, CHANCE, DIFFERENT = "the same", "the same, by chance", "different"
ABSENT, UNTRIED = "not there", "not tried"
REPEATS = 3  # trainings that must be the same with a suspect turned off: two can be the same by chance


@dataclass
class Causes:
    """Why two trainings differ.

    Attributes
    ----------
    comparison : FitComparison
        Of the first two trainings.
    first : str
        What differs first: the data, the initial weights, a batch.
    tried : dict of str to str
        Whether the trainings agree with each suspect turned off: `SAME`, `CHANCE`, `DIFFERENT`; or
        `ABSENT`, `UNTRIED`.
    found : list of Suspect
        The causes; empty if none of the suspects is one.
    first_alone : bool
        Whether all trainings but the first agree, with no suspect turned off.
    in_one_process : bool
        Whether they differ only in one process, one after the other.
    arguments : dict
        Those of ``.fit`` that are numbers or words.
    """

    comparison: FitComparison
    first: str = ""
    tried: dict[str, str] = field(default_factory=dict)
    found: list[Suspect] = field(default_factory=list)
    first_alone: bool = False
    in_one_process: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)


def find_causes(options: argparse.Namespace, tell: Callable[[str], None]) -> Causes:
    """Train by ``.fit`` twice, each time in a new process; if the two differ, find out why.

    Parameters
    ----------
    options : Namespace
        With `file`, `epochs`, `batch_size` and `seed`.
    tell : callable
        Called with what is being done.

    Raises
    ------
    UserError
        If ``.fit`` fails.
    """
    seen: set[str] = set()
    arguments: dict[str, Any] = {}

    def train(off: Collection[str], what: str = ALL) -> "Training":
        training, more = _in_new_process(options, what, off)
        seen.update(more["seen"])
        arguments.update(more["arguments"])
        return training

    tell("by .fit")
    one = train(())
    tell("by .fit again")
    again = train(())

    def same(first: "Training", second: "Training") -> bool:
        return FitComparison(first, second, options.seed, NAMES).identical

    causes = Causes(FitComparison(one, again, options.seed, NAMES), arguments=arguments)
    if causes.comparison.identical:
        tell("twice in one process")
        second = train((), TWICE)
        after = FitComparison(one, second, options.seed, NAMES)
        if after.identical:
            return causes
        causes.comparison, causes.in_one_process = after, True
    else:
        causes.first = _first_difference(causes.comparison, options)

    def repeated(off: Collection[str]) -> "Training | None":
        """Train several times; return the first training if all are the same."""
        first = train(off)
        others = [TWICE if causes.in_one_process else ALL, *[ALL] * (REPEATS - 2)]
        return first if all(same(first, train(off, what)) for what in others) else None

    there = [one for one in SUSPECTS if one.name in seen]
    causes.tried = {one.name: UNTRIED if one in there else ABSENT for one in SUSPECTS}
    names = [one.name for one in there]
    for suspect in there:
        tell(f"without {suspect.what.partition(',')[0]}")
        without = repeated((suspect.name,))
        if without is None:
            causes.tried[suspect.name] = DIFFERENT
            continue
        if same(again, without) and repeated(()):
            causes.first_alone = True
            return causes
        # Trainings can agree by chance. A cause still works when all the others are turned off.
        others = [other for other in names if other != suspect.name and other not in suspect.off_with]
        if not repeated(others) and repeated((suspect.name,)):
            causes.tried[suspect.name], causes.found = SAME, [suspect]
            return causes
        causes.tried[suspect.name] = CHANCE
    tell("without all suspects")
    if repeated(names):
        for name in reversed(names):  # the threads of operations first: their switch turns off others too
            fewer = [other for other in names if other != name]
            if repeated(fewer):
                names = fewer
        causes.found = [one for one in there if one.name in names]
    return causes


def _in_new_process(
    options: argparse.Namespace, what: str, off: Collection[str] = (), *words: str
) -> tuple["Training", dict[str, Any]]:
    """Train, or read batches, with some suspects turned off; errors as in `find_causes`."""
    # Each process has a hash seed of its own, unless the user has set one for all.
    hash_seed = str(options.seed) if HASHES in off else os.environ.get("PYTHONHASHSEED", "random")
    given = [name for name in off if name != HASHES]
    more = [*words, *(["--off", *given] if given else [])]
    try:
        return trained(options.file, what, words_of(options), *more, env={"PYTHONHASHSEED": hash_seed})
    except ProcessError as error:
        raise UserError(str(error)) from None


def _first_difference(comparison: FitComparison, options: argparse.Namespace) -> str:
    """Return what differs first: the initial weights, the batches, or what a callback was told."""
    one, other = comparison.by_hand, comparison.fit
    if [array.tobytes() for array in one.initial.values()] != [
        array.tobytes() for array in other.initial.values()
    ]:
        return "the initial weights"
    epochs = [number or 0 for method, number, _ in one.calls if method == "on_epoch_begin"]
    epoch, computed = epochs[-1], "the weights after training"
    begun = epochs[0]
    for (method, number, logs), (*_, again) in zip(one.calls, other.calls, strict=False):
        begun = (number or 0) if method == "on_epoch_begin" else begun
        if repr(logs) != repr(again):
            where = f"batch {number}" if "batch" in method else "the end"
            of = "the validation in epoch" if "_test_" in method else "epoch"
            epoch, computed = begun, f"what is computed: {where} of {of} {begun}"
            break
    # Up to this epoch, the data may differ already.
    words = ["--at", str(epoch)]
    read = [_in_new_process(options, BATCHES, (), *words)[1] for _ in range(2)]
    in_data = different_data(read[0], read[1], epochs[0])
    return in_data or f"{computed} (two runs without training read the same data)"


def different_data(one: dict[str, Any], other: dict[str, Any], epoch: int) -> str:
    """Return which batch differs first, from the fingerprints of all; "" if none does.

    Parameters
    ----------
    one, other : dict
        "batches": those of each epoch; "validation": those to validate on.
    epoch : int
        The first one.
    """
    by_epoch = zip(one["batches"], other["batches"], strict=True)
    parts = [(f"epoch {number}", pair) for number, pair in enumerate(by_epoch, start=epoch)]
    for part, (first, second) in [*parts, ("the validation", (one["validation"], other["validation"]))]:
        for number, (a, b) in enumerate(zip(first, second, strict=False)):
            if a != b:
                return f"the data: batch {number} of {part}"
        if len(first) != len(second):
            return f"the data: {part} has {len(first)} batches, then {len(second)}"
    return ""


def print_causes(report: Report, causes: Causes) -> None:
    """Print whether ``.fit`` repeats itself, what differs first, and why."""
    report.part("The verdict")
    identical = causes.comparison.identical
    text = causes.comparison.text("--json has all", FEW)
    report.print(text, style="bold green" if identical else "bold red")
    if identical:
        report.print(".fit repeats itself, in two new processes and twice in one.")
        return
    if causes.in_one_process:
        report.print("In two new processes they were identical; in one process, they differ.")
    else:
        report.part("What differs first")
        of_others = " (in two further runs)" if causes.first.startswith("the data") else ""
        report.print(f"{causes.first[0].upper()}{causes.first[1:]}{of_others}.")
    report.part("The suspects, until one explains it")
    what = {one.name: one.what for one in SUSPECTS}
    report.table(
        ["suspect", "without it"],
        [[what[name], came] for name, came in causes.tried.items()],
        text_columns=(0, 1),
    )
    report.part("Why")
    for one in causes.found:
        report.print(f"{one.what[0].upper()}{one.what[1:]}. {one.cure}")
    if len(causes.found) > 1:
        report.print("Only with all of these turned off are the trainings the same.")
    if causes.first_alone:
        report.print(
            "Only the first training differs; all others agree, though no suspect was off. Either the first "
            "one left something that the others read, such as a file, or they agree by chance. Remove what "
            "it left, and try again."
        )
    elif not causes.found and causes.in_one_process:
        report.print(
            "None of the suspects explains it. So your file keeps something from one training to the next: "
            "data that change, a generator that is used up, a Dataset or a callback that remembers. Make it "
            "anew in load_data(), or give it as a function."
        )
    elif not causes.found:
        report.print(
            "None of the suspects explains it. Look for what comes from outside: the time, os.urandom, "
            "secrets or uuid, the order of files in a folder, the internet, a file that changes, threads of "
            "your own."
        )
