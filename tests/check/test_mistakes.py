"""Every mistake of the catalogue, in at least three loops, is named and no other; so are pairs of them.

``python tests/benchmarks/check.py`` runs all pairs there are and prints the table.
"""

import random

import pytest
from marks import one_of_each, only
from mistake_cases import (
    ENDS_IN_AN_EXCEPTION,
    SINGLES,
    all_pairs,
    findings_of,
    loop,
    said_of,
    table,
)
from mistaken_loops import MISTAKES

from companion import check_loop
from companion.check.catalogue import MISTAKES as CATALOGUE

# Each pair has a place of its own in the draw: the others stay when one is taken out of it.
PAIRS = sorted(all_pairs(), key=lambda pair: random.Random(" ".join(pair)).random())[:70]
BY_EXCEPTION = [case for case in SINGLES if case[1] in ENDS_IN_AN_EXCEPTION]
BY_RULES = [case for case in SINGLES if case not in BY_EXCEPTION]
# Every third mistake once, in the styles in turn.
EVERY_TIME = [(list(styles)[n % len(styles)], name) for n, (name, styles) in enumerate(MISTAKES.items())][::3]


def test_there_are_three_loops_for_each_mistake():
    assert set(MISTAKES) == set(CATALOGUE)
    assert [name for name, styles in MISTAKES.items() if len(styles) < 3] == []


@pytest.mark.parametrize(
    ("style", "name"),
    only(BY_RULES, *(case for case in EVERY_TIME if case in BY_RULES)),
)
def test_a_mistake_is_named_and_nothing_else(style, name):
    found = findings_of(loop(style, name), name)
    assert [finding.name for finding in found] == [name], [finding.evidence for finding in found]


@pytest.mark.parametrize(("style", "name"), one_of_each(BY_EXCEPTION, kind=lambda case: case[1]))
def test_a_mistake_that_ends_in_an_exception_is_named_by_it(style, name):
    check = check_loop(loop(style, name), problem="revealing")
    assert check.verdict == "error"
    assert [mistake.name for mistake in check.mistakes] == [name]
    assert check.mistakes[0].line is not None


@pytest.mark.parametrize(
    "pairs", [PAIRS[:4], pytest.param(PAIRS[4:], marks=pytest.mark.full)], ids=["few", "many"]
)
def test_two_mistakes_at_once_are_both_named(capsys, pairs):
    said = {f"{style} {one} + {other}": said_of(style, one, other) for style, one, other in pairs}
    with capsys.disabled():
        print("\n" + table({"two mistakes at once": list(said.values())}))
    assert [pair for pair, word in said.items() if word == "wrongly"] == []
    assert {pair: word for pair, word in said.items() if word != "rightly"} == {}


def test_the_constraint_binds_under_a_seed_that_draws_a_short_kernel():
    # Without a constraint that binds, updating by assign_sub is no mistake that shows.
    check = check_loop(loop("eager", "updates-by-assign"), 3, problem="revealing", seed=75107384)
    assert [one.name for one in check.mistakes] == ["updates-by-assign"]
