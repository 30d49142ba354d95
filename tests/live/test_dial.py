"""What the live dial turns: its training is that of ``.fit``, and its words are true."""

import numpy as np
import pytest
from dials import X, Y, make_dial, wait_for_fit
from marks import a_few, only

from companion import lesson4
from companion.live.dial import Network
from companion.precision import precision

pytestmark = pytest.mark.xdist_group("live")  # they share a dial


def network(hidden=8, batch_size=32):
    return Network(lesson4.build_model, X, Y, 0, hidden, batch_size)


@pytest.mark.parametrize("batch_size", a_few([32, 8, 64, 200], 2))
@pytest.mark.parametrize("rate", only([0.1, 30.0], 30.0))
def test_all_epochs_in_one_graph_give_the_bits_of_fit(batch_size, rate):
    one, model = network(batch_size=batch_size), lesson4.build_model()
    history = lesson4.train_with_fit(model, X, Y, learning_rate=rate, batch_size=batch_size, epochs=20)
    assert one.by_hand([rate] * 20) == history
    weights = one.model.get_weights()
    assert all((own == its).all() for own, its in zip(weights, model.get_weights(), strict=True))
    assert one.with_fit([rate] * 20) == history


def test_xla_is_near_where_rounding_does_not_grow():
    one = network()
    exact, _ = one.trajectory.train(one.start, [0.1] * 50)
    quick, _ = one.trajectory.train(one.start, [0.1] * 50, by_xla=True)
    assert 0 < np.abs(exact - quick).max() < 1e-6  # 1.8e-7 was measured: another last bit, no other training


def test_a_dial_that_is_turned_while_it_trains_stays_equal_to_fit(dial):
    for rate, epochs in ((0.1, 7), (3.0, 5), (0.01, 4)):
        dial.turn(rate)
        for _ in range(epochs):
            assert dial.step()
    assert (dial.epoch, dial.plan) == (16, [0.1] * 7 + [3.0] * 5 + [0.01] * 18)
    assert wait_for_fit(dial) == dial.curve  # trained and to come
    assert dial.verdict == "identical: 30 of 30 epochs, all 4 weight arrays"
    while dial.step():
        pass
    assert dial.fit == dial.losses


def test_what_is_said_to_be_identical_is_what_was_trained_here(dial):
    dial.step()
    dial.losses[0] = np.nextafter(dial.losses[0], 1)
    assert wait_for_fit(dial)
    assert dial.verdict.startswith("not identical: the epochs trained here")


@pytest.mark.full
def test_in_float64_it_is_equal_to_fit_too():
    with precision("float64"):
        dial = make_dial(epochs=5)
        dial.step()
    fit = wait_for_fit(dial)  # by a second process that starts when the block is over
    dial.close()
    assert (fit == dial.curve, dial.verdict) == (True, "identical: 5 of 5 epochs, all 4 weight arrays")
    assert dial.losses[0] != float(np.float32(dial.losses[0]))


def test_what_is_to_come_is_what_comes(dial):
    wait_for_fit(dial)
    expected = list(dial.curve)
    while dial.step():
        assert dial.curve == expected
    assert dial.fit == expected


def test_reset_and_other_choices_begin_anew(dial):
    start = dial.weights
    dial.step()
    assert (dial.weights != start).any()
    dial.reset()
    assert (dial.epoch, dial.rates, (dial.weights == start).all()) == (0, [], True)
    dial.step()
    dial.choose(hidden=2)
    assert (dial.epoch, len(dial.weights), dial.fit) == (0, 9, None)


def test_a_second_process_that_ends_is_told_and_the_dial_goes_on():
    dial = make_dial(epochs=5)
    dial.ask_worker()
    dial._worker._process.kill()
    dial._worker._process.join()
    while not dial.verdict:
        dial.ask_worker()
    assert dial.verdict.startswith("not compared: .fit, in the second process, failed")
    dial.turn(1.0)
    assert dial.step()
    assert dial.ask_worker() is False
    dial.close()


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (0.001, "crawls: 0.744 to 0.715 only"),
        (1.0, "learns: 0.744 to "),
        (5.0, "bounces: up in 12 of 29 steps, 0.744 to 0.375"),
    ],
)
def test_the_words_say_what_happens(dial, rate, words):
    dial.turn(rate)
    assert dial.words().startswith(words)


def test_the_words_say_when_it_blew_up(dial):
    for _ in range(5):
        dial.step()
    dial.turn(100.0)
    assert dial.words() == f"epoch 5, loss {dial.losses[4]:.3g}: blows up at epoch 5: above 0.744, its start"
    dial.step()
    assert dial.words() == f"epoch 6, loss {dial.losses[5]:.3g}: blew up at epoch 5: above 0.744, its start"
