"""A right loop is never accused, however it is written."""

import pytest
from marks import a_few
from right_loops import RIGHT_LOOPS

from companion import check_loop


@pytest.mark.parametrize("name", a_few(RIGHT_LOOPS, 6))
def test_a_right_loop_is_identical_or_close(name):
    lesson, train = RIGHT_LOOPS[name]
    check = check_loop(train, lesson, problem="revealing")
    assert check.verdict in ("identical", "close"), repr(check)


def test_there_are_many():
    assert len(RIGHT_LOOPS) >= 20
