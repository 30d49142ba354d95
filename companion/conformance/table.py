"""The conformance table: all combinations, and what comes out of each."""

import functools
import gc
import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from companion.conformance import combination, compile_options, fit_options
from companion.conformance.combination import Combination
from companion.terminal.cluster import cluster_executor
from companion.terminal.quiet_start import begin_worker

PER_TASK = 6  # rows that a worker of a cluster takes at a time
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


def train_on_cluster(rows: Sequence[Combination], address: str) -> Iterator[Row]:
    """Train rows on the workers of a Dask cluster; return what comes out, in their order."""
    titles = [row.title for row in rows]
    with cluster_executor(address) as (executor, _):
        futures = [
            executor.submit(_train_in_own_process, titles[at : at + PER_TASK])
            for at in range(0, len(titles), PER_TASK)
        ]
        for future in futures:
            yield from future.result()


def _train_in_own_process(titles: Sequence[str]) -> list[Row]:
    """Train rows in a process of their own: a worker may have several threads, and seeds are global."""
    done = subprocess.run(
        [sys.executable, "-m", __name__], input=json.dumps(titles), capture_output=True, text=True,
        check=False, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"a process of the conformance table failed: {done.stderr.strip()[-500:]}")
    return [Row(**row) for row in json.loads(done.stdout.splitlines()[-1])]


def main() -> int:
    """Train the rows whose titles come in as JSON, and print what comes out as JSON."""
    begin_worker()
    rows = [_train_by_title(title).as_dict() for title in json.load(sys.stdin)]
    print(json.dumps(rows))
    return 0


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


if __name__ == "__main__":
    raise SystemExit(main())
