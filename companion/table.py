"""The conformance table: all combinations, what came out of each, and a summary by option."""

import gc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from companion import combination, compile_options, fit_options
from companion.combination import Combination

# Where a combination is known to differ, why: by its group, its network and the name of the row.
REASONS: Mapping[tuple[str, str, str], str] = {}


@dataclass(frozen=True)
class Outcome:
    """What came out of a combination.

    Attributes
    ----------
    row : Combination
        Which.
    identical : bool
        Whether by hand and ``.fit`` left the same bits everywhere.
    largest, largest_ulp : float
        The largest distance in the histories.
    verdict : str
        What was compared, or the first difference, or why it could not be trained.
    """

    row: Combination
    identical: bool
    largest: float
    largest_ulp: float
    verdict: str

    @property
    def reason(self) -> str:
        """Why it differs, where that is known."""
        return REASONS.get((self.row.group, self.row.network, self.row.name), "")

    def as_dict(self) -> dict[str, Any]:
        """Give it as strings, numbers and booleans."""
        return {
            "group": self.row.group,
            "network": self.row.network,
            "name": self.row.name,
            "identical": self.identical,
            "largest_difference": self.largest,
            "largest_ulp": self.largest_ulp,
            "verdict": self.verdict,
            "reason": self.reason,
        }


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


def train(rows: Sequence[Combination]) -> Iterator[Outcome]:
    """Train each row both ways; give what came out, one after the other."""
    for row in rows:
        try:
            compared = row.compare()
        except (
            Exception
        ) as error:  # one row that cannot be trained must not hide the others: it counts as differing
            yield Outcome(row, False, float("inf"), float("inf"), f"{type(error).__name__}: {error}")
        else:
            yield Outcome(
                row, compared.identical, compared.max_abs_diff, compared.max_ulp, compared.verdict()
            )
        gc.collect()  # models and graphs hold each other: hundreds of them would fill the memory


def summary(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Count the outcomes by option.

    Returns
    -------
    DataFrame
        A row a group of options; columns ``combinations``, ``identical``, ``largest`` (distance
        in a history) and ``largest_ulp``.
    """
    frame = pd.DataFrame([outcome.as_dict() for outcome in outcomes])
    return frame.groupby("group", sort=False).agg(
        combinations=("identical", "size"),
        identical=("identical", "sum"),
        largest=("largest_difference", "max"),
        largest_ulp=("largest_ulp", "max"),
    )
