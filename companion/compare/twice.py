"""Why two trainings by ``.fit`` differ: the suspects are turned off, one at a time."""

import argparse
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from companion.compare.own_process import ALL, BATCHES, TWICE, ProcessError, trained, words_of
from companion.compare.suspects import HASHES, SUSPECTS, Suspect
from companion.comparison.fit_comparison import FitComparison
from companion.errors import UserError
from companion.terminal.console import Report

if TYPE_CHECKING:
    from companion.comparison.training import Training

NAMES = (".fit", ".fit again")
SAME, DIFFERENT, ABSENT, UNTRIED = "the same", "different", "not there", "not tried"
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
        What came out without each suspect: `SAME`, `DIFFERENT`, `ABSENT` or `UNTRIED`.
    found : list of Suspect
        The causes; empty if none of the suspects is one.
    in_one_process : bool
        Whether they differ only in one process, one after the other.
    """

    comparison: FitComparison
    first: str = ""
    tried: dict[str, str] = field(default_factory=dict)
    found: list[Suspect] = field(default_factory=list)
    in_one_process: bool = False


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

    def train(off: Collection[str], what: str = ALL) -> "Training":
        # Unless it is set, each process has a hash seed of its own.
        env = {"PYTHONHASHSEED": str(options.seed) if HASHES in off else "random"}
        try:
            given = [name for name in off if name != HASHES]
            training, more = trained(
                options.file, what, words_of(options), *(["--off", *given] if given else []), env=env
            )
        except ProcessError as error:
            raise UserError(str(error)) from None
        seen.update(more["seen"])
        return training

    tell("by .fit")
    one = train(())
    tell("by .fit again")
    causes = Causes(FitComparison(one, train(()), options.seed, NAMES))
    if causes.comparison.identical:
        tell("twice in one process")
        second = train((), TWICE)
        after = FitComparison(one, second, options.seed, NAMES)
        if not after.identical:
            causes.comparison, causes.in_one_process = after, True
        return causes
    causes.first = _first_difference(causes.comparison, options)

    def repeats(off: Collection[str]) -> bool:
        first = train(off)
        return all(
            FitComparison(first, train(off), options.seed, NAMES).identical for _ in range(REPEATS - 1)
        )

    there = [one for one in SUSPECTS if one.name in seen]
    causes.tried = {one.name: UNTRIED if one in there else ABSENT for one in SUSPECTS}
    for suspect in there:
        tell(f"without {suspect.what.partition(',')[0]}")
        causes.tried[suspect.name] = SAME if repeats((suspect.name,)) else DIFFERENT
        if causes.tried[suspect.name] == SAME:
            causes.found = [suspect]
            return causes
    tell("without all suspects")
    names = [one.name for one in there]
    if repeats(names):
        for name in list(names):
            others = [other for other in names if other != name]
            if repeats(others):
                names = others
        causes.found = [one for one in there if one.name in names]
    return causes


def _first_difference(comparison: FitComparison, options: argparse.Namespace) -> str:
    """Return what differs first: the initial weights, the batches, or what a callback was told."""
    one, other = comparison.by_hand, comparison.fit
    if [array.tobytes() for array in one.initial.values()] != [
        array.tobytes() for array in other.initial.values()
    ]:
        return "the initial weights"
    read = [trained(options.file, BATCHES, words_of(options))[1]["batches"] for _ in range(2)]
    for at, (first, second) in enumerate(zip(*read, strict=True)):
        for number, (a, b) in enumerate(zip(first, second, strict=False)):
            if a != b:
                return f"the data: batch {number} of epoch {at}"
        if len(first) != len(second):
            return f"the data: epoch {at} has {len(first)} batches, then {len(second)}"
    begun = 0
    for (method, count, logs), (*_, again) in zip(one.calls, other.calls, strict=False):
        begun = (number or 0) if method == "on_epoch_begin" else begun
        if repr(logs) != repr(again):
            if "batch" in method:
                return f"what is computed: batch {count} of epoch {begun}, on the same data"
            return f"what is computed: the end of epoch {begun}, on the same data"
    return "the weights after training"


def print_causes(report: Report, causes: Causes) -> None:
    """Print whether ``.fit`` repeats itself, what differs first, and why."""
    report.part("The verdict")
    identical = causes.comparison.identical
    report.print(causes.comparison.text("--json has all"), style="bold green" if identical else "bold red")
    if identical:
        report.print("Twice in new processes, and twice in one process.")
        return
    if causes.in_one_process:
        report.part("Why")
        report.print(
            "In new processes the two are identical; one after the other in one process they differ. So "
            "your file keeps something from one training to the next: data that change, a generator that is "
            "used up, a Dataset or a callback that remembers. Make it anew in load_data(), or give it as a "
            "function."
        )
        return
    report.part("What differs first")
    report.print(f"{causes.first[0].upper()}{causes.first[1:]}.")
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
    if not causes.found:
        report.print(
            "None of the suspects explains it. Look for what comes from outside: the time, the order of "
            "files in a folder, the network, a file that changes, threads of your own."
        )
