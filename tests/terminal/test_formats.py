"""Numbers in tables."""

import math

import pytest

from companion.terminal.formats import column


@pytest.mark.parametrize(
    ("losses", "shown"),
    [
        ([0.5, 12.25], ["0.500000000000", "12.250000000000"]),
        ([0.5, 39772.25, math.nan], ["0.5000000000", "39772.2500000000", "NaN"]),
        ([0.5, -2e9], ["5.00000000e-01", "-2.00000000e+09"]),
        ([math.inf], ["Infinity"]),
        ([], []),
    ],
)
def test_the_numbers_of_a_column_are_written_alike(losses, shown):
    assert column(losses) == shown
