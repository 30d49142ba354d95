import math

import pytest

from companion.plots.curves import behavior, first_epoch_apart, first_epoch_at, steps_up

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("history", "count"),
    [
        ([1.0], 0),
        ([3, 2, 1], 0),
        ([1, 1, 1], 0),
        ([1, 2, 1, 2], 2),
        ([1, INF, NAN, NAN], 2),
        ([NAN, 1, 2], 1),
    ],
)
def test_a_step_goes_up_when_the_loss_rises_or_stops_being_a_number(history, count):
    assert steps_up(history) == count


@pytest.mark.parametrize(
    ("history", "word"),
    [
        ([1.0, 0.5, 0.2], "learns"),
        ([1.0, 0.9, 0.61], "crawls"),
        ([1.0, 0.9, 0.59], "learns"),
        ([1.0, 0.5, 0.6, 0.2], "bounces"),
        ([1.0, 0.5, 1.1], "blows up"),
        ([1.0, 0.5, NAN], "blows up"),
        ([1.0, 0.5, INF], "blows up"),
        ([1.0] + [0.9 - k / 1000 for k in range(200)] + [0.9, 0.2], "learns"),  # one step up in 201
    ],
)
def test_the_word_for_a_curve_follows_the_stated_rule(history, word):
    assert behavior(history) == word


def test_a_single_epoch_is_not_judged():
    assert behavior([0.5]) == "is one epoch only"


def test_the_first_epoch_apart_is_found_also_where_one_stops_being_a_number():
    assert first_epoch_apart([1.0, 1.0, 1.0], [1.0, 1.001, 1.1], 0.01) == 2
    assert first_epoch_apart([1.0, NAN, 1.0], [1.0, NAN, NAN], 0.01) == 2
    assert first_epoch_apart([INF, 1.0], [INF, 1.0], 0.01) is None


def test_the_first_epoch_at_a_level_is_found():
    assert first_epoch_at([3.0, 2.0, 1.0, 2.0], 2.0) == 1
    assert first_epoch_at([3.0, NAN], 2.0) is None
