"""Lesson 4: shuffled batches, the last one short, by hand and by `.fit`; the dial."""

import json

import keras
import numpy as np
import pytest
from marks import a_few, only

from companion import lesson4
from companion.batches import order_of_fit
from companion.plots import panels, plots
from companion.report.runs import Runs, compare, fast


@pytest.fixture(scope="module")
def runs():
    usual = dict(learning_rate=0.1, epochs=20, batch_size=32, seed=0, dtype="float32", hidden=8)
    return Runs(lesson4.build_model, *lesson4.load_data(), usual)


def equal(runs, fit, **changes):
    dtype = changes.get("dtype", "float32")
    comparison = compare(runs(lesson4.train_by_hand, **changes), runs(fit, **changes), dtype)
    return comparison.identical, comparison.verdict()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("learning_rate", a_few([0.1, 0.001, 1000.0, 10.0], 2))
def test_hand_loop_equals_fit_although_shuffled(runs, learning_rate, dtype):
    assert equal(runs, fast(lesson4.train_with_fit), learning_rate=learning_rate, dtype=dtype)[0]


@pytest.mark.parametrize(
    ("seed", "batch_size", "hidden"), a_few([(1, 200, 3), (0, 32, 8), (3, 40, 1), (4, 500, 8), (2, 7, 8)], 3)
)
def test_hand_loop_equals_the_textbook_call_for_other_seeds_batches_and_sizes(runs, seed, batch_size, hidden):
    changes = dict(seed=seed, batch_size=batch_size, hidden=hidden, epochs=3)
    assert equal(runs, lesson4.train_with_fit, **changes)[0]


def test_the_pages_call_as_it_stands_gives_the_losses_of_the_hand_loop(runs):
    """No batch size, no shuffle, the loss by name: 32, True and the same loss are what .fit takes."""
    model = lesson4.build_model()
    model.compile(optimizer=keras.optimizers.SGD(learning_rate=0.1), loss="binary_crossentropy")
    x, y = lesson4.load_data()
    assert model.fit(x, y, epochs=20, verbose=0).history["loss"] == runs(lesson4.train_by_hand).history


def test_a_loop_that_does_not_shuffle_is_not_fit(runs, monkeypatch):
    right = lesson4.batches_of_fit
    monkeypatch.setattr(
        lesson4, "batches_of_fit", lambda x, y, batch_size, shuffle: right(x, y, batch_size, shuffle=False)
    )
    model = lesson4.build_model()
    x, y = lesson4.load_data()
    history = lesson4.train_by_hand(model, x, y, learning_rate=0.1, batch_size=32, epochs=20)
    assert history != runs(fast(lesson4.train_with_fit)).history


def test_the_data_are_two_balanced_classes_and_the_test_points_are_others():
    from companion.datasets import moons

    (x, y), (x_test, y_test) = moons()
    assert x.shape == x_test.shape == (200, 2)
    assert y.shape == y_test.shape == (200, 1)
    assert y.mean() == y_test.mean() == 0.5
    assert not (x == x_test).any()


@pytest.mark.xdist_group("lesson4")
@pytest.mark.full
def test_the_report_shows_the_order_and_the_dial_and_both_are_those_of_the_run(whole_run):
    out = whole_run("lesson4").out
    words = " ".join(out.split())
    places = [out.index(f"\n{part}. ") for part in range(1, 6)]
    assert places == sorted(places)
    keras.utils.set_random_seed(0)
    assert f"rows {', '.join(map(str, order_of_fit(200)[:8]))}, ...; the same in every epoch" in words
    assert "7 batches, the last of 8 rows" in words
    assert "identical: 200 of 200 epochs, all 4 weight arrays" in words
    dial = [
        line.split()
        for line in out.splitlines()
        if line.strip().startswith(("0.001 ", "0.01 ", "0.1 ", "1.0 ", "10.0 ", "100.0 "))
    ]
    assert [row[0] for row in dial] == ["0.001", "0.01", "0.1", "1.0", "10.0", "100.0"]
    words = [row[3].strip(":,") for row in dial]
    assert words[:4] == ["crawls", "learns", "learns", "learns"]
    # Beyond, rounding decides where it ends: another TensorFlow gave another of these two words.
    assert set(words[4:]) <= {"bounces", "blows"}
    assert max(len(line) for line in out.splitlines()) <= 80


def test_json_has_the_promised_keys_without_numpy(lesson4_main):
    status, out, _ = lesson4_main("--epochs", "3", "--learning-rate", "0.5", "--json", "-")
    result = json.loads(out)
    assert status == 0
    assert result["lesson"] == 4
    assert result["settings"] == dict(
        learning_rate=0.5, epochs=3, batch_size=32, seed=0, dtype="float32", hidden=8
    )
    assert sorted(result["histories"]) == ["by_hand", "fit"]
    assert result["histories"]["by_hand"] == result["histories"]["fit"]
    assert [row["learning_rate"] for row in result["scan"]] == [0.001, 0.01, 0.1, 0.5, 1.0, 10.0, 100.0]


def test_the_textbook_call_is_what_the_option_runs(lesson4_main, monkeypatch):
    called = []
    right = lesson4.train_with_fit
    monkeypatch.setattr(lesson4, "train_with_fit", lambda *a, **k: called.append(k) or right(*a, **k))
    assert lesson4_main("--epochs", "2", "--textbook-fit")[0] == 0
    assert called == [dict(learning_rate=0.1, batch_size=32, epochs=2)]


def test_exercises_are_refused_as_the_page_has_none(lesson4_main):
    status, out, err = lesson4_main("--exercises")
    assert (status, out) == (2, "")
    assert (
        err
        == "python -m companion.lesson4: error: --exercises: the page of this lesson has none; leave it out\n"
    )


@pytest.mark.parametrize("rate", only(["0.1", "1e30"], "1e30"))
def test_the_picture_is_drawn_without_a_warning_also_of_a_training_that_blew_up(lesson4_main, tmp_path, rate):
    path = tmp_path / "dial.png"
    status, _, err = lesson4_main("--epochs", "5", "--learning-rate", rate, "--plot", str(path))
    assert (status, err) == (0, "")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_boundary_is_where_the_network_passes_one_half():
    figure = plots.new_figure(False, 4, 4)
    axes = figure.subplots()
    x = np.array([[-1.0, 0.0], [1.0, 0.0]])
    panels.draw_boundary(
        axes, lambda points: 1 / (1 + np.exp(-9 * (points[:, :1] - 0.25))), x, np.array([[0], [1]])
    )
    (line,) = [
        c for c in axes.collections if getattr(c, "levels", None) is not None and list(c.levels) == [0.5]
    ]
    across = np.concatenate([path.vertices[:, 0] for path in line.get_paths()])
    np.testing.assert_allclose(across, 0.25, atol=0.01)
