"""By hand, `.fit` and NumPy train the same network: the claims that the lesson stands on."""

import keras
import numpy as np
import pytest
from marks import a_few, only
from scipy.special import expit, log_expit

from companion import lesson3
from companion.precision import precision
from companion.report.curves import first_epoch_apart
from companion.report.runs import Runs, compare, fast

FULL = 576
EPSILON = np.finfo("float64").eps


def settings(**changes):
    usual = dict(learning_rate=0.1, epochs=300, batch_size=FULL, seed=0, dtype="float64", hidden=16)
    return usual | changes


@pytest.fixture(scope="module")
def runs():
    return Runs(lesson3.build_model, *lesson3.load_data(), settings())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("learning_rate", a_few([0.1, 0.01, 30.0, 1.0], 2))
def test_hand_loop_equals_fit_in_every_epoch_and_weight(runs, learning_rate, dtype):
    changes = dict(learning_rate=learning_rate, dtype=dtype)
    by_hand, fit = runs(lesson3.train_by_hand, **changes), runs(fast(lesson3.train_with_fit), **changes)
    comparison = compare(by_hand, fit, dtype)
    assert comparison.identical, comparison.verdict()
    assert len(by_hand.history) == 300
    assert {w.dtype.name for w in by_hand.model.get_weights()} == {dtype}


def test_hand_loop_equals_fit_over_the_whole_lesson_where_rounding_decides(runs):
    changes = dict(learning_rate=1.0, dtype="float32", epochs=2000)
    comparison = compare(
        runs(lesson3.train_by_hand, **changes), runs(fast(lesson3.train_with_fit), **changes), "float32"
    )
    assert comparison.identical, comparison.verdict()


def test_at_that_rate_the_two_precisions_part_and_at_the_lessons_rate_they_do_not(runs):
    def history(learning_rate, dtype):
        return runs(lesson3.train_by_hand, learning_rate=learning_rate, dtype=dtype, epochs=2000).history

    assert first_epoch_apart(history(1.0, "float64"), history(1.0, "float32"), 0.001) is not None
    # 3e-5 was measured
    assert first_epoch_apart(history(0.1, "float64"), history(0.1, "float32"), 1e-4) is None


@pytest.mark.parametrize("dtype", only(["float64", "float32"], "float64"))
def test_the_fast_fit_equals_the_textbook_fit(runs, dtype):
    changes = dict(dtype=dtype, epochs=60, learning_rate=1.0)
    ready, textbook = runs(fast(lesson3.train_with_fit), **changes), runs(lesson3.train_with_fit, **changes)
    comparison = compare(ready, textbook, dtype, ("fast", "textbook"))
    assert comparison.identical, comparison.verdict()


@pytest.mark.parametrize("batch_size", a_few([100, 192, 575, 576, 1000, 1], 3))
def test_hand_loop_and_both_fits_are_equal_in_mini_batches_too(runs, batch_size):
    changes = dict(batch_size=batch_size, epochs=2, dtype="float32")
    by_hand = runs(lesson3.train_by_hand, **changes)
    for fit in (fast(lesson3.train_with_fit), lesson3.train_with_fit):
        comparison = compare(by_hand, runs(fit, **changes), "float32")
        assert comparison.identical, comparison.verdict()


@pytest.mark.parametrize(("hidden", "seed"), [(1, 0), (3, 7), (40, 1)])
def test_hand_loop_equals_fit_for_other_sizes_and_seeds(runs, hidden, seed):
    changes = dict(hidden=hidden, seed=seed, epochs=50, learning_rate=0.5)
    comparison = compare(
        runs(lesson3.train_by_hand, **changes), runs(fast(lesson3.train_with_fit), **changes), "float64"
    )
    assert comparison.identical, comparison.verdict()


def oracle(weights, x, y, learning_rate, epochs):
    """Train the same network with formulas of its own: scipy's sigmoid, einsum, an update a matrix."""
    v, c, w, d = (array.astype("float64") for array in weights)
    losses = []
    for _ in range(epochs):
        before = np.einsum("ni,ih->nh", x, v) + c
        after = before * (before > 0)
        logit = np.einsum("nh,ho->no", after, w) + d
        losses.append(-np.mean(y * log_expit(logit) + (1 - y) * log_expit(-logit)))
        error = expit(logit) - y
        back = np.einsum("no,ho,nh->nh", error, w, before > 0)
        slopes = [
            np.einsum("ni,nh->ih", x, back),
            back.sum(0),
            np.einsum("nh,no->ho", after, error),
            error.sum(0),
        ]
        v, c, w, d = (p - learning_rate * s / len(x) for p, s in zip((v, c, w, d), slopes, strict=True))
    return losses, [v, c, w, d]


@pytest.mark.parametrize("train", [lesson3.train_with_numpy, lesson3.train_by_hand])
@pytest.mark.parametrize("learning_rate", [0.01, 0.1, 1.0])
def test_an_independent_oracle_agrees_to_the_last_digits(runs, train, learning_rate):
    run = runs(train, learning_rate=learning_rate)
    with precision("float64"):
        start = lesson3.build_model().get_weights()
    losses, weights = oracle(start, runs.x, runs.y, learning_rate, 300)
    np.testing.assert_allclose(run.history, losses, rtol=0, atol=4 * EPSILON)
    for array, expected in zip(run.model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(array, expected, rtol=0, atol=32 * EPSILON)


def test_at_rate_30_the_oracle_agrees_until_rounding_has_grown(runs):
    with precision("float64"):
        start = lesson3.build_model().get_weights()
    losses, _ = oracle(start, runs.x, runs.y, 30.0, 8)
    for train in (lesson3.train_with_numpy, lesson3.train_by_hand):
        np.testing.assert_allclose(runs(train, learning_rate=30.0).history[:8], losses, rtol=1e-12)


def test_at_rate_30_in_float32_the_loss_stops_being_a_number_in_the_same_epoch(runs):
    changes = dict(learning_rate=30.0, dtype="float32")
    by_hand, fit = (
        runs(train, **changes).history for train in (lesson3.train_by_hand, fast(lesson3.train_with_fit))
    )
    assert not np.isfinite(by_hand[-1])
    assert np.array_equal(np.isfinite(by_hand), np.isfinite(fit))


def test_the_lessons_measured_figures_hold(runs):
    """Figures of 2000 epochs that were measured on more than one machine."""
    finals = {
        rate: runs(lesson3.train_by_hand, learning_rate=rate, epochs=2000).history[-1]
        for rate in (0.01, 0.1, 1.0)
    }
    assert finals == pytest.approx(
        {0.01: 0.45796840103407466, 0.1: 0.38240088470369016, 1.0: 0.3619416084528944}, rel=1e-14
    )


def test_the_network_starts_from_the_published_weights():
    with precision("float64"):
        w1, b1, w2, b2 = lesson3.build_model(seed=0).get_weights()
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(w1, 0.1 * rng.standard_normal((8, 16)))
    np.testing.assert_array_equal(w2, 0.1 * rng.standard_normal((16, 1)))
    assert not b1.any()
    assert not b2.any()


def test_histories_are_lists_of_python_floats(runs):
    for train in (lesson3.train_with_numpy, lesson3.train_by_hand, fast(lesson3.train_with_fit)):
        for dtype in ("float64", "float32"):
            history = runs(train, dtype=dtype, epochs=2).history
            assert isinstance(history, list)
            assert {type(loss) for loss in history} == {float}


def test_without_a_word_about_precision_the_functions_train_in_keras_float32_and_agree():
    x, y = lesson3.load_data()
    histories = []
    for train in (lesson3.train_by_hand, fast(lesson3.train_with_fit), lesson3.train_with_fit):
        model = lesson3.build_model()
        assert model.dtype == keras.config.floatx() == "float32"
        histories.append(train(model, x, y, learning_rate=0.1, batch_size=len(x), epochs=5))
    assert histories[0] == histories[1] == histories[2]


def test_an_update_that_is_a_millionth_too_large_is_seen(runs, monkeypatch):
    """The comparison can fail: a loop that is not `.fit` is not called identical."""
    sgd = keras.optimizers.SGD
    with monkeypatch.context() as patched:
        patched.setattr(keras.optimizers, "SGD", lambda rate: sgd(rate * (1 + 1e-6)))
        wrong = Runs(lesson3.build_model, runs.x, runs.y, settings())(lesson3.train_by_hand, epochs=5)
    comparison = compare(wrong, runs(fast(lesson3.train_with_fit), epochs=5), "float64")
    assert not comparison.identical
    assert comparison.first_difference.epoch == 1
