import numpy as np
import pytest
from numpy.testing import assert_array_equal

from companion.comparison.ulp import abs_difference, as_numbers, ulp_distance

TYPES = ("float16", "float32", "float64")


@pytest.mark.parametrize("dtype", TYPES)
def test_neighbors_are_one_ulp_apart(dtype):
    values = np.array([1.0, -1.0, 0.1, 1e-7, 6e4, 0.0], dtype)
    above = np.nextafter(values, np.array(np.inf, dtype))
    assert_array_equal(ulp_distance(values, above), 1)
    assert_array_equal(ulp_distance(above, values), 1)


@pytest.mark.parametrize("dtype", TYPES)
def test_steps_add_up_across_zero(dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    minus, plus = np.array([-2 * tiny], dtype), np.array([3 * tiny], dtype)
    # -2, -1, -0.0, 0.0, 1, 2, 3: six steps
    assert ulp_distance(minus, plus) == 6


def test_zeros_of_other_sign_are_not_the_same_bits():
    assert ulp_distance(np.array([-0.0]), np.array([0.0])) == 1


def test_nan_equals_nan_whatever_its_payload():
    quiet, other = np.array([0x7FF8000000000000, 0xFFF8000000000001], "uint64").view("float64")
    assert ulp_distance(np.array([quiet]), np.array([other])) == 0


def test_nan_is_infinitely_far_from_a_number_and_from_infinity():
    nans, others = np.array([np.nan, np.nan]), np.array([1.0, np.inf])
    assert_array_equal(ulp_distance(nans, others), np.inf)
    assert_array_equal(abs_difference(nans, others), np.inf)


def test_infinities_equal_themselves_only():
    a, b = np.array([np.inf, -np.inf, np.inf, np.inf]), np.array([np.inf, -np.inf, -np.inf, 1.0])
    assert_array_equal(abs_difference(a, b), [0, 0, np.inf, np.inf])
    assert_array_equal(ulp_distance(a, b) == 0, [True, True, False, False])


def test_bfloat16_counts_its_own_ulps():
    import ml_dtypes

    one = np.array([1.0], ml_dtypes.bfloat16)
    assert ulp_distance(one, np.array([1.0078125], ml_dtypes.bfloat16)) == 1


def test_byte_order_does_not_count():
    one = np.array([1.0])
    assert ulp_distance(one.astype(">f8"), np.nextafter(one, 2.0)) == 1


def test_integers_that_are_the_same_as_floats_are_still_told_apart():
    assert ulp_distance(np.array([2**53]), np.array([2**53 + 1])) == 1
    assert ulp_distance(np.array([2**64 - 1], "uint64"), np.array([2**64 - 2], "uint64")) == 1
    assert ulp_distance(np.array([7]), np.array([7])) == 0


def test_shapes_and_types_must_be_the_same():
    with pytest.raises(ValueError, match=r"float64 of shape \(1,\) against float64 of \(2,\)"):
        ulp_distance(np.zeros(1), np.zeros(2))
    with pytest.raises(ValueError, match=r"float64 of shape .* against float32"):
        ulp_distance(np.zeros(1), np.zeros(1, "float32"))


@pytest.mark.parametrize("values", [[1j], ["1"], [None], np.zeros(1, "longdouble")])
def test_what_is_no_comparable_number_is_refused(values):
    with pytest.raises(TypeError, match="cannot be compared: allowed are float16"):
        as_numbers(values)
