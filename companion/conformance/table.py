"""The conformance table: all combinations, and what comes out of each."""

import functools
import gc
import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from companion.conformance import combination, compile_options, fit_options
from companion.conformance.combination import Combination
from companion.terminal.quiet_start import begin_worker

PER_PROCESS = 60  # rows; TensorFlow does not give back the memory of its graphs, some 15 MB a row


@dataclass(frozen=True)
class Row:
    """What came out of a combination.

    Attributes
    ----------
    title, group, network, name : str
        Which combination: all of it in words, and its parts.
    identical : bool
        Whether by hand and ``.fit`` left the same bits everywhere.
    largest, largest_ulp : float
        The largest distance in the histories.
    verdict : str
        What was compared, or the first difference, or why it could not be trained.
    repeatable : bool
        Whether ``.fit`` equals itself when it trains the same network from the same seed again,
        tried where the two differ. Where it does not, no loop can equal it.
    """

    title: str
    group: str
    network: str
    name: str
    identical: bool
    largest: float
    largest_ulp: float
    verdict: str
    repeatable: bool = True

    @property
    def option(self) -> str:
        """The line that counts it: its group; for networks also how they are run."""
        return f"{self.group}: {self.name}" if self.group == "networks" else self.group

    @property
    def differs(self) -> bool:
        """Whether the loop is to blame."""
        return self.repeatable and not self.identical

    def as_dict(self) -> dict[str, Any]:
        """Return it as strings, numbers and booleans."""
        return asdict(self)


def combinations(word: str = "") -> list[Combination]:
    """List the rows of the table, only those in which `word` stands, in large or small letters."""
    rows = [
        *combination.networks(),
        *compile_options.optimizers(),
        *compile_options.losses(),
        *compile_options.metrics(),
        *fit_options.inputs(),
        *fit_options.calls(),
        *fit_options.callbacks(),
    ]
    return [row for row in rows if word.lower() in row.title.lower()]


def train_all(rows: Sequence[Combination], jobs: int) -> Iterator[Row]:
    """Train rows both ways, in their order; return what comes out, one after the other."""
    if jobs == 1 and len(rows) <= PER_PROCESS:
        yield from map(train, rows)
        return
    fresh = multiprocessing.get_context("spawn")
    with fresh.Pool(jobs, begin_worker, maxtasksperchild=PER_PROCESS) as pool:
        yield from pool.imap(_train_by_title, [row.title for row in rows])


def _train_by_title(title: str) -> Row:
    """Find a combination in another process: the functions it is made of cannot be sent there."""
    return train(_by_title()[title])


@functools.cache
def _by_title() -> dict[str, Combination]:
    return {row.title: row for row in combinations()}


def train(row: Combination) -> Row:
    """Train a row both ways; one that cannot be trained counts as differing, and stops no others."""
    named = (row.title, row.group, row.network, row.name)
    try:
        compared = row.compare()
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        return Row(*named, False, float("inf"), float("inf"), why)
    finally:
        gc.collect()
    sizes = compared.max_abs_diff, compared.max_ulp
    return Row(*named, compared.identical, *sizes, compared.verdict(), compared.repeatable)
