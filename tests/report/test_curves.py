import math

import pytest

from companion.report.curves import (
    behavior,
    blew_up_at,
    first_epoch_apart,
    first_epoch_at,
    standstill,
    steps_up,
)

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
        ([0.9, 0.8, 0.7], "crawls"),
        ([1.0, 0.9, 0.6], "learns"),
        ([1.0, 0.5, 0.6, 0.2], "bounces"),
        ([1.0, 0.5, 1.11], "blows up"),
        ([1.0, 0.5, NAN], "blows up"),
        ([1.0, 0.5, INF], "blows up"),
        ([1.0] + [0.9 - k / 1000 for k in range(200)] + [0.9, 0.2], "learns"),  # one step up in 201
        ([0.8, 0.798, 0.7], "stuck"),  # falls first and last, and stands still between
        ([0.8, 0.8, 0.8], "stuck"),
        ([1.0 - k / 1000 for k in range(300)], "crawls"),
        ([1.0 - k / 1000 for k in range(200)] + [0.8] * 100, "stuck"),
        ([1e9, 0.9, 0.5], "learns"),  # what counts is where it ends, beside the loss before any update
    ],
)
def test_the_word_for_a_curve_follows_the_stated_rule(history, word):
    assert behavior(1.0, history, updates=100) == word


def test_what_is_too_short_is_not_judged_unless_it_is_down_or_up():
    assert behavior(1.0, [0.9, 0.8], updates=99) == "too short to tell"
    assert behavior(1.0, [0.9], updates=1000) == "too short to tell"
    assert behavior(1.0, [0.9, 0.8, 0.67], updates=100) == "too short to tell"  # on its way: 0.57 next
    assert behavior(1.0, [0.6], updates=1) == "learns"
    assert behavior(1.0, [1.2], updates=1) == "blows up"


def test_a_standstill_is_said_with_its_epochs():
    assert standstill(1.0, [0.8, 0.798, 0.7]) == (0, 1)
    assert standstill(1.0, [1.0, 0.8, 0.7]) == (-1, 0)
    assert standstill(1.0, [0.9, 0.8, 0.7]) is None


@pytest.mark.parametrize(
    ("history", "epoch"),
    [([1, 0.5, 2], 2), ([1, 2, 0.5], None), ([1, 2, 0.5, 3], 1), ([1, NAN], 1), ([1, 1.05], None)],
)
def test_it_blew_up_where_it_first_was_above_its_start(history, epoch):
    assert blew_up_at(1.0, history) == epoch


def test_the_first_epoch_apart_is_found_also_where_one_stops_being_a_number():
    assert first_epoch_apart([1.0, 1.0, 1.0], [1.0, 1.001, 1.1], 0.01) == 2
    assert first_epoch_apart([1.0, NAN, 1.0], [1.0, NAN, NAN], 0.01) == 2
    assert first_epoch_apart([INF, 1.0], [INF, 1.0], 0.01) is None


def test_the_first_epoch_at_a_level_is_found():
    assert first_epoch_at([3.0, 2.0, 1.0, 2.0], 2.0) == 1
    assert first_epoch_at([3.0, NAN], 2.0) is None
