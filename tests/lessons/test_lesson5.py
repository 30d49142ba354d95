"""Lesson 5: digits in shuffled batches, accuracy beside loss; one weight alone; the gradient's length."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from marks import a_few

from companion import lesson5
from companion.comparison import Comparison
from companion.datasets import digits
from companion.precision import precision
from companion.report import lesson5 as report
from companion.report.landscape import (
    REACH,
    LandscapePoint,
    Survey,
    WeightHistory,
    flat,
    look_along,
    move,
    names_of,
    print_lengths,
    steepest_in_a_valley,
    step_down,
)
from companion.report.runs import Runs, accuracy, compare, fast
from companion.terminal.console import Report

ROWS = 1000  # of 60,000: no multiple of 32


@pytest.fixture(scope="module")
def all_digits():
    return digits()


@pytest.fixture
def few_digits(all_digits, monkeypatch):
    """Let the lesson's command see only some of the digits."""
    (x, y), (x_test, y_test) = all_digits
    few = (x[:ROWS], y[:ROWS]), (x_test[:300], y_test[:300])
    monkeypatch.setattr(report, "digits", lambda: few)


@pytest.fixture(scope="module")
def runs(all_digits):
    (x, y), _ = all_digits
    usual = dict(learning_rate=0.1, epochs=2, batch_size=32, seed=0, dtype="float32", hidden=16)
    return Runs(lesson5.build_model, x[:ROWS], y[:ROWS], usual)


@pytest.mark.parametrize(
    "changes",
    a_few(
        [
            {},
            dict(dtype="float64"),
            dict(learning_rate=5.0),
            dict(seed=4, batch_size=3000),
            dict(seed=3, hidden=5, batch_size=40),
        ],
        3,
    ),
)
def test_hand_loop_equals_both_fits_in_loss_accuracy_and_all_parameters(runs, changes):
    by_hand = runs(lesson5.train_by_hand, **changes)
    for fit in (fast(lesson5.train_with_fit), lesson5.train_with_fit):
        other = runs(fit, **changes)
        dtype = changes.get("dtype", "float32")
        comparison = compare(by_hand, other, dtype)
        assert comparison.identical, comparison.verdict()
        of_fit = other.model.history.history["accuracy"]
        assert Comparison(list(by_hand.model.accuracies), of_fit, dtype=dtype).identical


def test_a_loop_whose_accuracy_is_measured_after_the_update_is_not_fit(runs, monkeypatch):
    right = keras.metrics.sparse_categorical_accuracy
    with monkeypatch.context() as patched:
        patched.setattr(keras.metrics, "sparse_categorical_accuracy", lambda y, p: right(y, p) * 0.5)
        wrong = Runs(lesson5.build_model, runs.x, runs.y, runs.settings)(lesson5.train_by_hand)
    fit = runs(fast(lesson5.train_with_fit))
    assert wrong.history == fit.history
    assert wrong.model.accuracies != fit.model.history.history["accuracy"]


def test_the_network_has_13002_parameters():
    assert lesson5.build_model().count_params() == 13_002


def test_fit_on_ready_made_batches_keeps_the_weights_of_each_epoch(runs):
    kept = WeightHistory()
    two, one = runs(fast(lesson5.train_with_fit, kept)), runs(lesson5.train_by_hand, epochs=1)
    assert two.history == runs(lesson5.train_by_hand).history
    first, last = kept.weights
    for weights, array in zip(
        [*first, *last], [*one.model.get_weights(), *two.model.get_weights()], strict=True
    ):
        np.testing.assert_array_equal(weights, array)


@pytest.fixture(scope="module")
def survey(runs):
    with precision("float64"):
        model = lesson5.build_model()
        loss_function = keras.losses.SparseCategoricalCrossentropy()
    return Survey(model, loss_function, runs.x, runs.y), model.get_weights()


def test_the_gradient_is_the_slope_of_the_loss_along_any_weight(survey):
    at, weights = survey
    here = at.place(weights)
    assert here.gradient.shape == (13_002,)
    for number in (steepest_in_a_valley(at, here), 6000, 12_600, 13_001):
        above, below = (at.loss(move(weights, number, side * 1e-6)) for side in (1, -1))
        assert (above - below) / 2e-6 == pytest.approx(here.gradient[number], abs=1e-8)


def test_surveying_leaves_the_network_as_it_was(survey):
    at, weights = survey
    at.place(move(weights, 5, 1.0))
    for own, before in zip(at.model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(own, before)


def test_a_weight_moved_is_the_one_that_is_named(survey):
    _, weights = survey
    names = names_of(weights)
    for number in (0, 12_543, 12_544, 12_700, 13_001):
        moved = flat(move(weights, number, 2.0)) - flat(weights)
        assert np.flatnonzero(moved).tolist() == [number]
    assert names[12_544] == "b1[0]"
    assert names[12_560] == "W2[0,0]"


def test_a_step_down_the_whole_gradient_is_what_sgd_does_with_one_batch_of_all(survey, runs):
    at, weights = survey
    changes = dict(batch_size=ROWS, epochs=1, dtype="float64")
    sgd = runs(lesson5.train_by_hand, **changes).model.get_weights()
    np.testing.assert_allclose(flat(step_down(at.place(weights), 0.1)), flat(sgd), rtol=0, atol=1e-15)


def test_the_slice_goes_through_the_weight_and_its_step_goes_down(survey):
    at, weights = survey
    name, line, step = look_along(at, weights, 0.1)
    assert name.startswith("W")
    assert line["loss"][len(line["loss"]) // 2] == pytest.approx(step["loss"], rel=1e-12)
    assert step["wiggled"] == pytest.approx(step["slope"], rel=0.01)  # ReLUs turn on and off within
    assert step["new"] == step["old"] - 0.1 * step["slope"]
    assert step["loss"] - step["new_loss"] == pytest.approx(0.1 * step["slope"] ** 2, rel=0.05)


def test_accuracy_counts_the_largest_output_and_takes_nan_for_wrong():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
    model.set_weights([np.eye(2)])
    x = np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 2.0], [np.nan, np.nan]])
    assert accuracy(model, x, np.array([0, 1, 1, 0])) == 0.5


@pytest.mark.parametrize(
    "words",
    a_few([["--epochs", "1"], ["--hidden", "1"], ["--dtype", "float64"], ["--learning-rate", "3e38"]], 1),
)
def test_other_settings_are_reported_and_drawn_without_a_warning(lesson_main, few_digits, tmp_path, words):
    picture = tmp_path / "digits.png"
    status, out, err = lesson_main("lesson5", *words, "--plot", str(picture))
    assert (status, err) == (0, "")
    assert picture.stat().st_size > 10_000
    assert "nan" not in out
    assert max(len(line) for line in out.splitlines()) <= 80


def test_a_wrong_accuracy_decides_the_exit_status_too(lesson_main, few_digits, monkeypatch):
    right = lesson5.train_with_fit

    def wrong(model, *rows, **how):
        history = right(model, *rows, **how)
        model.history.history["accuracy"][0] += 1 / 1024
        return history

    monkeypatch.setattr(lesson5, "train_with_fit", wrong)
    status, out, _ = lesson_main("lesson5", "--epochs", "2", "--json", "-")
    result = json.loads(out)
    assert status == 1
    assert result["comparison"]["identical"] is True
    assert result["others"]["accuracy"]["first_difference"]["epoch"] == 0


def test_the_csv_has_the_accuracies_too(lesson_main, few_digits):
    _, out, _ = lesson_main("lesson5", "--epochs", "2", "--csv", "-")
    header = "epoch,by_hand,fit,largest_difference,accuracy_by_hand,accuracy_fit"
    assert out.splitlines()[0] == header
    assert len(out.splitlines()) == 3


def test_the_first_test_images_are_drawn_and_then_wrong_ones(all_digits):
    from companion.plots import plots

    _, (x, y) = all_digits
    figure = plots.new_figure(False, 4, 4)
    axes = figure.subplots()
    report.draw_some_digits(axes, lesson5.build_model(), x[:500], y[:500])
    words = [text.get_text() for text in axes.texts]
    assert len(words) == 40
    assert all(", not " in word for word in words[20:])
    answers = tf.argmax(lesson5.build_model()(x[:20]), axis=1).numpy()
    assert [int(word.split(",")[0]) for word in words[:20]] == answers.tolist()


def test_the_weight_that_is_looked_along_stands_in_a_valley_and_is_the_steepest_that_does(survey):
    at, weights = survey
    here = at.place(weights)
    chosen = steepest_in_a_valley(at, here)
    assert names_of(weights)[chosen].startswith("W")

    def in_a_valley(number):
        return all(at.loss(move(weights, number, reach)) > here.loss for reach in (-REACH, REACH))

    steeper = np.flatnonzero(np.abs(here.gradient) > abs(here.gradient[chosen]))
    assert in_a_valley(chosen)
    assert not any(in_a_valley(number) for number in steeper if names_of(weights)[number][0] == "W")


def test_without_a_finite_loss_nothing_is_claimed_of_the_gradient(capsys):
    start = LandscapePoint([], 2.0, np.ones(3))
    end = LandscapePoint([], np.nan, np.full(3, np.nan))
    print_lengths(Report(), [start, end], [1.9, np.nan], np.nan, 0.1, "float32")
    out = capsys.readouterr().out
    assert "there is nothing to measure" in " ".join(out.split())
    assert "nan" not in out
