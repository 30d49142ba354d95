"""Lesson 1: the chapter's loop and its `.fit` call, each written as the other."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from marks import a_few

from companion import lesson1, lesson3
from companion.comparison import Comparison
from companion.precision import precision
from companion.report import lesson1 as report
from companion.report.gap import change_one_by_one, keras_weights, train_as
from companion.report.runs import Run, Runs, compare, fast

LOOP = {
    "initial weights": "the page's",
    "learning rate": 0.1,
    "order": "as given",
    "batch size": 4,
    "precision": "float64",
    "clipping": "1e-9 in log",
}


@pytest.fixture(scope="module")
def runs():
    usual = dict(learning_rate=0.1, epochs=2000, batch_size=4, seed=0, dtype="float64", hidden=0)
    return Runs(lesson1.build_model, *lesson1.load_data(), usual)


def run_as(call, ways, epochs, seed=0):
    return train_as(call, ways, lesson1.build_model, lesson1.load_data(), seed, epochs)


@pytest.mark.full
def test_the_chapters_figures_come_out_in_all_three_ways(runs):
    """As its own code, run alone, gives them in float64."""
    for train in (lesson1.train_with_numpy, lesson1.train_by_hand, fast(lesson1.train_with_fit)):
        run = runs(train)
        assert run.history[0] == pytest.approx(0.6330428616771039, rel=1e-15)
        assert run.history[-1] == pytest.approx(0.06295268959401422, rel=1e-14)
        weights, bias = run.model.get_weights()
        np.testing.assert_allclose(weights[:, 0], [1.402812, 0.49471431], atol=5e-9)
        np.testing.assert_allclose(bias, -8.084155100134485, rtol=1e-14)


@pytest.mark.parametrize(
    ("learning_rate", "batch_size", "dtype"),
    a_few(
        [
            (0.1, 1, "float64"),
            (0.1, 3, "float64"),
            (3.0, 4, "float64"),
            (3.0, 1, "float32"),
            (3.0, 2, "float32"),
            (0.1, 9, "float32"),
        ],
        3,
    ),
)
def test_hand_loop_equals_both_fits_and_so_does_lesson_3s_in_keras_loss(
    runs, learning_rate, batch_size, dtype
):
    changes = dict(learning_rate=learning_rate, batch_size=batch_size, dtype=dtype, epochs=12)
    by_hand = runs(lesson1.train_by_hand, **changes)
    for fit in (fast(lesson1.train_with_fit), lesson1.train_with_fit):
        other = runs(fit, **changes)
        comparison = compare(by_hand, other, dtype)
        assert comparison.identical, comparison.verdict()
        assert Comparison(runs(lesson3.train_by_hand, **changes).history, keras_loss(other)).identical


def keras_loss(run):
    return run.model.history.history["loss"]


def test_numpy_is_within_the_noise(runs):
    numpy, by_hand = runs(lesson1.train_with_numpy), runs(lesson1.train_by_hand)
    assert compare(numpy, by_hand, "float64").max_abs_diff < 4 * np.finfo("float64").eps


@pytest.mark.parametrize("seed", [0, 2])
def test_the_pages_call_as_it_stands_is_the_loop_it_is_written_as(seed):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(optimizer="sgd", loss="binary_crossentropy")
    x, y = lesson1.load_data()
    start = model.get_weights()
    keras.utils.set_random_seed(seed)
    page = Run(model, model.fit(x, y, epochs=25, batch_size=2, verbose=0).history["loss"])
    for weights, drawn in zip(start, keras_weights(lesson1.build_model, seed), strict=True):
        np.testing.assert_array_equal(weights, drawn)
    for ways in (report.BY_HAND, report.BY_FIT):
        comparison = compare(run_as(report.FIT_CALL, ways, 25, seed), page, "float32")
        assert comparison.identical, comparison.verdict()


@pytest.mark.parametrize("forward", [True, False])
def test_every_change_closes_a_part_of_the_gap_and_the_last_closes_it_whole(forward):
    ways, other = (report.BY_FIT, report.BY_HAND) if forward else (report.BY_HAND, report.BY_FIT)
    start, goal = (report.FIT_CALL, LOOP) if forward else (LOOP, report.FIT_CALL)
    ends = run_as(start, ways, 30), run_as(goal, ways, 30)
    target = run_as(goal, other, 30).history
    losses = change_one_by_one(lambda call: run_as(call, ways, 30), start, goal, ends)
    assert list(losses) == ["", *goal]
    apart = [Comparison(history, target).max_abs_diff for history in losses.values()]
    assert min(apart[:-1]) > 1e-9
    assert apart[-1] == 0
    assert len({tuple(history) for history in losses.values()}) == 7


def test_without_any_one_of_the_changes_a_gap_stays():
    target = run_as(LOOP, report.BY_HAND, 30).history
    for name in LOOP:
        if name != "order":  # of the rows of a single batch, which only changes how they are rounded
            left_out = LOOP | {name: report.FIT_CALL[name]}
            assert run_as(left_out, report.BY_FIT, 30).history != target, name


def test_the_neuron_starts_from_the_chapters_weights_and_takes_no_hidden_units():
    with precision("float64"):
        weights, bias = lesson1.build_model().get_weights()
        other = lesson1.build_model(seed=3).get_weights()[0]
    np.testing.assert_array_equal(weights[:, 0], np.random.RandomState(42).randn(2))
    assert not bias.any()
    assert (other != weights).all()
    with pytest.raises(ValueError, match="hidden is 3: one neuron has no hidden units"):
        lesson1.build_model(hidden=3)


@pytest.mark.full
@pytest.mark.xdist_group("lesson1")
def test_the_report_walks_the_gap_from_both_ends_down_to_exactly_0(whole_run):
    out = whole_run("lesson1").out
    rows = [line.split() for line in out.splitlines()]
    clipping = [row for row in rows if row[:1] == ["clipping"]]
    assert " ".join(clipping[0][:-1]) == "clipping none (logits) 1e-9 in log 0"
    assert " ".join(clipping[1]) == "clipping 1e-9 in log none (logits) 0"
    words = " ".join(out.split())
    assert "the page's loop as a .fit call: identical: 2000 of 2000 epochs" in words
    assert "the page's .fit call as a loop: identical: 300 of 300 epochs" in words
    updates = [row[1:3] for row in rows if row[:1] in (["batch"], ["mini"], ["one"]) and len(row) == 8]
    assert updates == [["4", "100"], ["2", "200"], ["1", "400"]]


def test_the_second_pair_decides_the_exit_status_too(lesson_main, monkeypatch):
    right = report.train_as_the_page

    def wrong(model, *rows, **how):
        history = right(model, *rows, **how)
        model.history.history["loss"][-1] = float(np.nextafter(np.float32(history[-1]), np.float32(1)))
        return history

    monkeypatch.setattr(report, "BY_FIT", report.BY_FIT._replace(keras_loss=wrong))
    status, out, _ = lesson_main("lesson1", "--epochs", "5", "--json", "-")
    result = json.loads(out)
    assert status == 1
    assert result["comparison"]["identical"] is True
    assert result["others"]["page_fit"]["first_difference"]["epoch"] == 4


def test_hidden_units_are_refused(lesson_main):
    status, _, err = lesson_main("lesson1", "--hidden", "3")
    assert status == 2
    assert "--hidden: '3' is not 0: one neuron has no hidden units; leave it out" in err


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_1e_9_keeps_the_reported_loss_finite_where_the_neuron_is_wholly_wrong(dtype):
    """Compiled, TensorFlow may compute (1 + 1e-9) - p instead of (1 - p) + 1e-9: in float32 that is 0."""
    of_rows = tf.TensorSpec((2, 1), dtype)
    compiled = tf.function(lesson1.chapter_loss, input_signature=[of_rows, of_rows])
    right, wrong = np.array([[0.0], [1.0]], dtype), np.array([[1.0], [0.0]], dtype)
    np.testing.assert_allclose(compiled(right, wrong), [-np.log(1e-9)] * 2, rtol=1e-6)
    np.testing.assert_allclose(compiled(right, right), [0, 0], atol=2e-9)
