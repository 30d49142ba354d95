"""Which cases of a kind run every time, and which only with ``pytest -m full``."""

import pytest


def a_few(cases, count):
    """Return all cases: `count` of them, spread evenly, run every time, the others are full."""
    cases = list(cases)
    kept = {round(number * (len(cases) - 1) / max(1, count - 1)) for number in range(count)}
    return [case if number in kept else full(case) for number, case in enumerate(cases)]


def one_of_each(cases, kind):
    """Return all cases: the first of each kind runs every time, the others are full."""
    seen = set()
    return [full(case) if kind(case) in seen else seen.add(kind(case)) or case for case in cases]


def only(cases, *kept):
    """Return all cases: those that are named run every time, the others are full."""
    assert set(kept) <= set(cases), f"no case: {set(kept) - set(cases)}"
    return [case if case in kept else full(case) for case in cases]


def full(case):
    """Mark a case as full."""
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.full)
