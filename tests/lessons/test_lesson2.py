"""Lesson 2: 31 gradients three ways, and the training on one image and on all 16."""

import json

import numpy as np
import pytest
from marks import a_few

from companion import lesson2
from companion.lesson2 import (
    WIGGLE,
    by_chain_rule,
    by_tape,
    by_wiggling,
    forward,
    mean_squared_error,
)
from companion.precision import precision
from companion.report.landscape import flat, names_of
from companion.report.runs import Runs, compare, fast

IMAGES = {"one": lesson2.load_data, "all": lesson2.load_all_images}


@pytest.fixture(scope="module")
def start():
    with precision("float64"):
        return lesson2.build_model()


def runs_on(images, **changes):
    x, y = IMAGES[images]()
    usual = dict(learning_rate=0.1, epochs=200, batch_size=len(x), seed=0, dtype="float64", hidden=3)
    return Runs(lesson2.build_model, x, y, usual | changes)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("images", "changes"),
    a_few(
        [
            ("one", {}),
            ("one", dict(learning_rate=10.0)),
            ("all", {}),
            ("all", dict(seed=2, hidden=7, epochs=20, learning_rate=1.0)),
            ("all", dict(batch_size=3, epochs=20)),
        ],
        2,
    ),
)
def test_hand_loop_equals_both_fits_on_one_image_and_on_all(images, changes, dtype):
    runs = runs_on(images, dtype=dtype, **changes)
    by_hand = runs(lesson2.train_by_hand)
    comparison = compare(by_hand, runs(fast(lesson2.train_with_fit)), dtype)
    assert comparison.identical, comparison.verdict()
    few = compare(runs(lesson2.train_by_hand, epochs=5), runs(lesson2.train_with_fit, epochs=5), dtype)
    assert few.identical, few.verdict()


def test_numpy_is_within_the_noise_on_one_image_and_on_all():
    for images in IMAGES:
        runs = runs_on(images)
        pair = runs(lesson2.train_with_numpy), runs(lesson2.train_by_hand)
        assert compare(*pair, "float64").max_abs_diff < 4 * np.finfo("float64").eps


def test_the_pages_prediction_loss_and_gradients_come_out(start):
    x, y = lesson2.load_data()
    weights = start.get_weights()
    np.testing.assert_allclose(forward(weights, x)[2], [[0.1, -0.1, -0.05, -0.25]], atol=1e-15)
    assert mean_squared_error(weights, x, y) == pytest.approx(0.89625, rel=1e-15)
    expected = [np.zeros(array.shape) for array in weights]
    expected[0][:, 2] = [0.44, 0, 0.44, 0.44]
    expected[1][2] = 0.44
    expected[2][2] = [-0.225, -0.275, -0.0125, -0.3125]
    expected[3][:] = [-0.45, -0.55, -0.025, -0.625]
    for gradients in (by_chain_rule(weights, x, y), by_tape(start, x, y)()):
        np.testing.assert_allclose(flat(gradients), flat(expected), rtol=0, atol=1e-15)
    # differences of losses of about 1, divided by 2e-4
    np.testing.assert_allclose(flat(by_wiggling(weights, x, y)), flat(expected), rtol=0, atol=5e-12)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_three_ways_agree_on_other_weights_and_all_images(seed):
    """Seeds with no hidden unit near the corner, where they could not agree."""
    x, y = lesson2.load_all_images()
    with precision("float64"):
        model = lesson2.build_model(seed, hidden=5)
        model.layers[0].bias.assign(np.linspace(-0.3, 0.5, 5))
        weights = model.get_weights()
        assert np.abs(forward(weights, x)[0]).min() > 2 * WIGGLE
        tape = by_tape(model, x, y)()
    np.testing.assert_allclose(flat(tape), flat(by_chain_rule(weights, x, y)), rtol=0, atol=1e-15)
    np.testing.assert_allclose(flat(tape), flat(by_wiggling(weights, x, y)), rtol=0, atol=2e-11)


def test_wiggling_at_the_corner_finds_the_mean_of_the_two_slopes(start):
    x, y = lesson2.load_data()
    weights = start.get_weights()
    weights[2][0] = [0.3, -0.2, 0.4, 0.1]
    # straight above the corner: b1[0] a little higher
    above = [array.copy() for array in weights]
    above[1][0] += 0.01
    slope = by_wiggling(above, x, y)[1][0]
    at_corner = by_wiggling(weights, x, y)[1][0]
    assert slope == pytest.approx(-0.0975, abs=0.005)
    assert at_corner == pytest.approx(-0.0975 / 2, abs=1e-5)


def test_the_number_of_forward_passes_of_wiggling_is_two_a_weight(start, monkeypatch):
    passes = []
    right = forward
    monkeypatch.setattr("companion.lesson2.forward", lambda *a: passes.append(1) or right(*a))
    by_wiggling(start.get_weights(), *lesson2.load_data())
    assert len(passes) == 62
    passes.clear()
    by_chain_rule(start.get_weights(), *lesson2.load_data())
    assert len(passes) == 1


def test_one_update_gives_the_worked_out_weights_and_loss():
    updated = runs_on("one")(lesson2.train_by_hand, epochs=1).model.get_weights()
    np.testing.assert_allclose(updated[3], [0.045, 0.155, -0.0975, 0.0625], rtol=1e-14)
    np.testing.assert_allclose(updated[2][2], [0.2225, -0.3725, 0.10125, -0.46875], rtol=1e-14)
    assert mean_squared_error(updated, *lesson2.load_data()) == pytest.approx(0.7257526444625, rel=1e-13)


def test_the_images_are_all_there_are_and_their_flips_are_transposed():
    x, y = lesson2.load_all_images()
    assert len({tuple(row) for row in x}) == 16
    for image, flip in zip(x, y, strict=True):
        np.testing.assert_array_equal(image.reshape(2, 2).T, flip.reshape(2, 2))


def test_names_follow_the_weights_as_keras_gives_them(start):
    names = names_of(start.get_weights())
    assert len(names) == 31
    assert [names[0], names[11], names[12], names[15], names[30]] == [
        "W1[0,0]", "W1[3,2]", "b1[0]", "W2[0,0]", "b2[3]"
    ]  # fmt: skip


@pytest.mark.xdist_group("lesson2")
def test_the_report_shows_trace_gradients_update_units_and_rates(whole_run):
    out = whole_run("lesson2").out
    words = " ".join(out.split())
    assert "0.1, -0.1, -0.05, -0.25, the prediction" in words
    assert "loss before: 0.89625, after: 0.7257526444625" in words
    assert out.count("\nW1[") == 24
    assert "W2[2,3] -0.500000000 -0.312500000 -0.468750000" in words
    assert "0.000000000-" not in out
    assert "-0.000000000" not in out
    assert "identical: 200 of 200 epochs, all 4 weight arrays" in words
    assert words.count("by hand and .fit: identical") == 2
    assert "1 -0.1 silent" in words
    assert "at the corner" in words
    assert "rate 1.0 fast but unstable learns differs" in words
    assert "1 of 14 differ" in words
    assert max(len(line) for line in out.splitlines()) <= 80


def test_training_on_all_images_decides_the_exit_status_too(lesson_main, monkeypatch):
    right = lesson2.train_with_fit

    def wrong(model, x, y, **how):
        history = right(model, x, y, **how)
        if len(x) == 16:
            model.layers[0].bias.assign_add(np.full(3, 1e-12))
        return history

    monkeypatch.setattr(lesson2, "train_with_fit", wrong)
    status, out, _ = lesson_main("lesson2", "--epochs", "3", "--json", "-")
    result = json.loads(out)
    assert status == 1
    assert result["comparison"]["identical"] is True
    assert result["others"]["all_images"]["first_difference"]["what"] == "weights"
    assert sorted(result["metrics"]) == ["all_images_accuracy", "test_accuracy", "train_accuracy"]


@pytest.mark.parametrize(
    "words", a_few([["--hidden", "40"], ["--epochs", "1"], ["--learning-rate", "10"]], 1)
)
def test_other_settings_are_reported_without_a_warning(lesson_main, words, tmp_path):
    picture = tmp_path / "lesson2.png"
    status, out, err = lesson_main("lesson2", *words, "--plot", str(picture))
    assert (status, err) == (0, "")
    assert max(len(line) for line in out.splitlines()) <= 80
    assert picture.stat().st_size > 10_000
