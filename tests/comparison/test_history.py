import doctest
import math

import numpy as np
import pytest

import companion.comparison.history
from companion.comparison.history import Comparison

NAN, INF = math.nan, math.inf


def test_equal_histories_are_identical_and_have_no_first_difference():
    comparison = Comparison([0.5, 0.25], [0.5, 0.25])
    assert comparison.identical
    assert comparison.first_difference is None
    assert comparison.max_abs_diff == comparison.max_ulp == 0


def test_one_bit_is_enough_to_differ():
    nudged = np.nextafter(0.25, 1.0)
    comparison = Comparison([0.5, 0.25, 0.125], [0.5, nudged, 0.125])
    assert not comparison.identical
    assert comparison.epochs_identical == 2
    found = comparison.first_difference
    assert (found.what, found.epoch, found.first, found.second) == ("loss", 1, 0.25, nudged)
    assert found.ulp == comparison.max_ulp == 1
    assert found.abs_diff == comparison.max_abs_diff == nudged - 0.25


def test_the_first_difference_need_not_be_the_largest():
    comparison = Comparison([1.0, 1.0, 1.0], [1.0, 1.5, 3.0])
    assert comparison.first_difference.epoch == 1
    assert comparison.max_abs_diff == 2.0


def test_nan_in_the_same_place_is_equal():
    assert Comparison([1.0, NAN, INF, -INF], [1.0, NAN, INF, -INF]).identical


@pytest.mark.parametrize("other", [1.0, INF, -INF])
def test_nan_against_anything_else_differs_without_end(other):
    comparison = Comparison([NAN], [other])
    assert not comparison.identical
    assert comparison.max_abs_diff == comparison.max_ulp == INF


def test_minus_zero_is_not_zero_bit_for_bit():
    comparison = Comparison([0.0], [-0.0])
    assert not comparison.identical
    assert (comparison.max_abs_diff, comparison.max_ulp) == (0.0, 1)


def test_histories_of_other_length_are_not_identical_though_they_begin_alike():
    comparison = Comparison([0.5, 0.25, 0.1], [0.5, 0.25])
    assert not comparison.identical
    found = comparison.first_difference
    assert (found.what, found.epoch, found.first, found.second) == ("length", 2, 0.1, None)
    assert "by hand has 3 epochs, .fit 2" in comparison.verdict()


def test_a_difference_before_the_shorter_ends_comes_first():
    assert Comparison([0.5, 0.25, 0.1], [0.4, 0.25]).first_difference.what == "loss"


def test_an_empty_history_against_losses_differs():
    assert Comparison([], [0.5]).first_difference.what == "length"


def test_losses_computed_in_float32_are_counted_in_ulps_of_float32():
    one, next_one = 1.0, float(np.nextafter(np.float32(1), np.float32(2)))
    assert Comparison([one], [next_one], dtype="float32").max_ulp == 1
    assert Comparison([one], [next_one]).max_ulp == 2**29
    assert Comparison(np.array([one], "float32"), np.array([next_one], "float32")).max_ulp == 1


@pytest.mark.parametrize(
    ("first", "second", "dtype"), [(0.1, 0.1 + 1e-12, "float32"), (1e300, 1e301, "float32")]
)
def test_a_type_that_would_round_a_difference_away_is_refused(first, second, dtype):
    with pytest.raises(ValueError, match="losses that are not float32"):
        Comparison([first], [second], dtype=dtype)


def test_a_type_that_is_no_float_is_refused():
    with pytest.raises(ValueError, match="dtype is int32: it must be one of float16"):
        Comparison([1.0], [1.0], dtype="int32")


def test_large_integers_are_not_rounded_into_equality():
    weights = [np.array([2**53])], [np.array([2**53 + 1])]
    assert not Comparison([1.0], [1.0], *weights).identical
    with pytest.raises(ValueError, match="integers beyond"):
        Comparison([2**53 + 1], [2**53])


def test_weights_that_are_no_real_numbers_are_refused():
    with pytest.raises(TypeError, match="complex128 cannot be compared"):
        Comparison([1.0], [1.0], [np.array([1j])], [np.array([1j])])


@pytest.mark.parametrize("names", [("a", "a"), ("a", "ulp"), ("difference", "b")])
def test_names_that_would_hide_a_column_are_refused(names):
    with pytest.raises(ValueError, match="they must differ"):
        Comparison([1.0], [1.0], names=names)


def test_weights_that_differ_in_one_number_are_found():
    kernel = np.arange(6.0).reshape(2, 3)
    changed = kernel.copy()
    changed[1, 2] = np.nextafter(5.0, 6.0)
    comparison = Comparison([1.0], [1.0], [kernel, np.zeros(3)], [changed, np.zeros(3)])
    assert comparison.history_identical
    assert not comparison.weights_identical
    assert not comparison.identical
    found = comparison.first_difference
    assert (found.what, found.array, found.index, found.ulp) == ("weights", 0, (1, 2), 1)
    assert comparison.weights_max_abs_diff == found.abs_diff > 0
    assert "1 of 2 weight arrays" in comparison.verdict()


def test_weights_of_other_shape_type_or_number_are_not_identical():
    zeros = np.zeros(3)
    shape = Comparison([1.0], [1.0], [zeros], [np.zeros((3, 1))])
    dtype = Comparison([1.0], [1.0], [zeros], [zeros.astype("float32")])
    number = Comparison([1.0], [1.0], [zeros, zeros], [zeros])
    assert [c.first_difference.what for c in (shape, dtype, number)] == ["shape", "dtype", "shape"]
    assert number.first_difference.array == 1
    assert not any(c.identical for c in (shape, dtype, number))
    assert all(c.weights_max_abs_diff == INF for c in (shape, dtype, number))


def test_scalar_empty_and_integer_weights_compare_too():
    weights = [np.array(7, "int64"), np.zeros((0, 3)), np.array([1, 2], "uint32")]
    assert Comparison([1.0], [1.0], weights, weights).identical
    other = [np.array(8, "int64"), *weights[1:]]
    assert Comparison([1.0], [1.0], weights, other).first_difference.index == ()


def test_the_verdict_counts_epochs_and_arrays():
    zeros = [np.zeros(2)] * 4
    assert Comparison([1.0] * 20, [1.0] * 20, zeros, zeros).verdict() == (
        "identical: 20 of 20 epochs, all 4 weight arrays"
    )


def test_the_verdict_on_a_difference_says_where_how_far_and_how_many_ulps():
    verdict = Comparison([0.5, 0.25], [0.5, 0.375], names=("NumPy", "by hand")).verdict()
    assert verdict == (
        "not identical: the same in 1 of 2 epochs; first difference at epoch 1: NumPy 0.25, by hand 0.375, "
        "0.12 or 2.3e+15 ulp apart; the largest is 0.12 or 2.3e+15 ulp"
    )


def test_the_frame_has_a_row_an_epoch_and_marks_where_one_has_ended():
    frame = Comparison([1.0, NAN, 0.5], [1.0, NAN]).frame()
    assert list(frame.columns) == ["by hand", ".fit", "difference", "ulp"]
    assert frame.index.name == "epoch"
    assert frame["difference"].tolist() == [0.0, 0.0, INF]
    assert frame["ulp"].tolist() == [0.0, 0.0, INF]
    assert frame["by hand"].tolist()[2] == 0.5
    assert math.isnan(frame[".fit"].tolist()[2])


@pytest.mark.parametrize("history", [[[1.0, 2.0]], 3.0])
def test_a_history_that_is_no_list_of_losses_is_refused(history):
    with pytest.raises(ValueError, match=r"'by hand' has shape .* one dimension"):
        Comparison(history, [1.0])


@pytest.mark.parametrize("history", [["0.5"], [None], [1j]])
def test_a_history_of_something_else_than_numbers_is_refused(history):
    with pytest.raises(TypeError, match=r"'\.fit' holds .* real number"):
        Comparison([1.0], history)


def test_nothing_against_nothing_is_refused_rather_than_called_identical():
    with pytest.raises(ValueError, match="nothing to compare"):
        Comparison([], [])


def test_the_examples_in_the_docstring_are_true():
    assert doctest.testmod(companion.comparison.history).failed == 0
    assert doctest.testmod(companion.comparison.history).attempted > 0
