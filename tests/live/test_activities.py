"""What the activities compute: each training is that of ``.fit``, and the words are true."""

import importlib
import re
import time

import numpy as np
import pytest
from bokeh.document import Document
from marks import a_few, only

from companion import lesson4, lesson5
from companion.live.activities import lesson1 as ball_of_lesson1
from companion.live.activities import lesson3 as inside_of_lesson3
from companion.live.activities.lesson1 import Ball
from companion.live.activities.lesson2 import STAGES as STAGES_OF_FLOW
from companion.live.activities.lesson2 import Flow, names
from companion.live.activities.lesson3 import STAGES, Inside, Moment, code_of
from companion.live.activities.lesson4 import Dial, network_of
from companion.live.activities.lesson5 import SIDE, Reader, centered
from companion.live.activities.lesson5 import test_digits as digits_to_test
from companion.live.fits import Failed, Fits, Task

pytestmark = pytest.mark.xdist_group("live")  # they share a second process

NOISE = 1e-12  # of a number that would be 0 without rounding
X, Y = lesson4.load_data()
ACTIVITIES = {
    "lesson1": "Ball",
    "lesson2": "Flow",
    "lesson3": "Inside",
    "lesson4": "Dial",
    "lesson5": "Reader",
}


@pytest.fixture(scope="module")
def fits():
    made = Fits()
    yield made
    made.close()


@pytest.fixture
def dial(fits):
    return Dial(fits, epochs=30)


def wait_for(holds, seconds=90):
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    assert holds()


def verdict_of(activity):
    wait_for(lambda: activity.ask_fit() or activity.verdict)
    return activity.verdict


@pytest.mark.parametrize("batch_size", a_few([32, 8, 64, 200], 2))
@pytest.mark.parametrize("rate", only([0.1, 30.0], 30.0))
def test_all_epochs_in_one_graph_give_the_bits_of_fit(batch_size, rate):
    one, model = network_of(0, 8, batch_size, "float32"), lesson4.build_model()
    history = lesson4.train_with_fit(model, X, Y, learning_rate=rate, batch_size=batch_size, epochs=20)
    assert one.by_hand([rate] * 20) == history
    weights = one.model.get_weights()
    assert all((own == its).all() for own, its in zip(weights, model.get_weights(), strict=True))
    assert one.with_fit([rate] * 20) == history


def test_xla_is_near_where_rounding_does_not_grow():
    one = network_of(0, 8, 32, "float32")
    exact, _ = one.trajectory.train(one.start, [0.1] * 50)
    quick, _ = one.trajectory.train(one.start, [0.1] * 50, by_xla=True)
    assert 0 < np.abs(exact - quick).max() < 1e-6  # 1.8e-7 was measured: another last bit, no other training


def test_a_dial_that_is_turned_while_it_trains_stays_equal_to_fit(dial):
    for rate, epochs in ((0.1, 7), (3.0, 5), (0.01, 4)):
        dial.turn(rate)
        for _ in range(epochs):
            assert dial.step()
    assert (dial.epoch, dial.plan) == (16, [0.1] * 7 + [3.0] * 5 + [0.01] * 18)
    assert verdict_of(dial) == "identical: 30 of 30 epochs, all 4 weight arrays"
    assert dial.fit == dial.curve  # trained and to come
    while dial.step():
        pass
    assert dial.fit == dial.losses


def test_what_is_said_to_be_identical_is_what_was_trained_here(dial):
    dial.step()
    dial.losses[0] = np.nextafter(dial.losses[0], 1)
    assert verdict_of(dial).startswith("not identical: the epochs trained here")


@pytest.mark.full
def test_in_float64_it_is_equal_to_fit_too(fits):
    dial = Dial(fits, epochs=5, dtype="float64")
    dial.step()
    assert verdict_of(dial) == "identical: 5 of 5 epochs, all 4 weight arrays"
    assert dial.losses[0] != float(np.float32(dial.losses[0]))


def test_reset_and_other_choices_begin_anew(dial):
    start = dial.weights
    dial.step()
    assert (dial.weights != start).any()
    assert (dial.weights_at(0) == start).all()
    dial.reset()
    assert (dial.epoch, dial.rates, (dial.weights == start).all()) == (0, [], True)
    dial.step()
    dial.choose(hidden=2)
    assert (dial.epoch, len(dial.weights), dial.fit) == (0, 9, None)


def test_the_boundary_of_an_epoch_to_come_is_that_of_the_epoch_when_it_has_come(dial):
    ahead = dial.probabilities(X, 20)
    for _ in range(20):
        dial.step()
    assert np.abs(dial.probabilities(X, 20) - ahead).max() < 1e-5  # XLA's last bits
    assert dial.accuracy(20) == np.mean((ahead >= 0.5) == (Y[:, 0] == 1))


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (0.001, "It crawls: from 0.744 to 0.715 only."),
        (1.0, "It learns: from 0.744 to "),
        (5.0, "It bounces: up in 12 of 29 steps, from 0.744 to 0.375."),
    ],
)
def test_the_words_say_what_happens(dial, rate, words):
    dial.turn(rate)
    assert dial.words().startswith(words)


def test_the_words_say_when_it_blew_up(dial):
    for _ in range(5):
        dial.step()
    assert dial.words_so_far() == f"Epoch 5: the loss went from 0.744 to {dial.losses[4]:.3f}."
    dial.turn(100.0)
    told = "up at epoch 5: above 0.744, its start."
    assert dial.words() == f"At epoch 5 the loss is {dial.losses[4]:.3g}. It blows {told}"
    dial.step()
    assert dial.words() == f"At epoch 6 the loss is {dial.losses[5]:.3g}. It blew {told}"
    assert dial.words_so_far().endswith("It has blown up: it began at 0.744.")


def test_two_sessions_share_a_network_and_not_their_training(fits):
    one, other = Dial(fits, epochs=20), Dial(fits, epochs=20)
    one.step()
    other.turn(3.0)
    other.step()
    one.step()
    alone = Dial(fits, epochs=20)
    alone.step()
    alone.step()
    assert one.network is other.network
    assert one.losses == alone.losses != other.losses[:2]


@pytest.mark.parametrize("batch_size", ball_of_lesson1.BATCH_SIZES)
def test_the_ball_goes_the_way_of_fit(fits, batch_size):
    ball = Ball(fits, rate=1.0, batch_size=batch_size)
    for _ in range(5):
        ball.epoch_by_hand()
    ball.rate = 0.05
    for _ in range(3):
        ball.epoch_by_hand()
    assert (len(ball.path), ball.rates) == (1 + 8 * 4 // batch_size, [1.0] * 5 + [0.05] * 3)
    assert verdict_of(ball) == "identical: 8 of 8 epochs, all 2 weight arrays"


def test_the_ball_tells_that_it_climbs_and_turns(fits):
    ball = Ball(fits, rate=1.0)
    for _ in range(30):
        ball.step()
    assert max(ball.losses_here) == pytest.approx(7.98, abs=0.01)
    assert "it climbed to 7.98 after update 2; it went back against the step before in " in ball.words()
    # With all rows in a batch, what an epoch reports is the loss of the place where it began.
    assert ball.losses == pytest.approx(ball.losses_here[:-1], rel=1e-12)


def test_on_the_line_the_neuron_is_undecided(fits):
    ball = Ball(fits)
    ball.step()
    (w1, w2, bias), points = ball.path[-1], ball.line()
    assert [w1 * a + w2 * b + bias for a, b in zip(*points, strict=True)] == pytest.approx([0, 0], abs=1e-12)


def test_each_slope_is_the_product_that_is_told_and_that_of_the_tape(fits):
    flow = Flow(fits)
    slopes = np.concatenate([array.ravel() for array in flow.slopes])
    assert len(names()) == len(slopes) == 31
    for number, slope in enumerate(slopes):
        factors = [float(text) for text in re.findall(r"-?\d+\.\d{4}", flow.product(number))]
        assert np.prod(factors) == pytest.approx(slope, abs=2e-4), names()[number]
        here, foretold = flow.wiggled(number, 1e-5)
        assert here == pytest.approx(foretold, abs=1e-9)
    far = [abs(np.subtract(*flow.wiggled(number, 2.0))) for number in range(31)]
    assert max(far) > 0.5  # far away the slope foretells nothing


def test_the_flow_goes_on_and_its_updates_are_those_of_fit(fits):
    flow = Flow(fits)
    words = [flow.words()]
    while flow.go_on() or len(words) < len(STAGES_OF_FLOW):
        words.append(flow.words())
    assert len(set(words)) == len(STAGES_OF_FLOW)
    assert "Silent: unit" in words[1]
    for _ in range(3):
        flow.update(0.1)
    assert verdict_of(flow) == "identical: 3 of 3 epochs, all 4 weight arrays"
    flow.update(0.5)  # with another rate, both begin anew
    assert verdict_of(flow) == "identical: 1 of 1 epochs, all 4 weight arrays"


def test_the_reader_learns_as_fit_does_while_it_answers(fits):
    reader = Reader(fits)
    before = reader.accuracy()
    reader.choose(3)
    while not reader.losses:
        reader.step(min(7, reader.left_in_epoch()))
        assert reader.answers()[-1].sum() == pytest.approx(1, rel=1e-5)
    assert before < 0.3 < 0.6 < reader.accuracy()
    assert verdict_of(reader) == "identical: 1 of 1 epochs, all 6 weight arrays"
    assert f"It is a {digits_to_test()[1][3]}." in reader.words()
    assert reader.drawing.max() == 1


def test_the_layers_are_those_of_the_network_and_wrong_answers_come_the_surest_first(fits):
    reader = Reader(fits)
    reader.step(20)
    x, y = digits_to_test()
    model = lesson5.build_model()
    model.set_weights(reader.weights)
    assert np.abs(model.predict(x, verbose=0) - reader.layers(x)[-1]).max() < 1e-5
    wrong = reader.wrong()
    assert all(said != y[number] for number, said, _ in wrong)
    assert [sure for *_, sure in wrong] == sorted((sure for *_, sure in wrong), reverse=True)
    assert min(reader.lengths) > 0


def test_a_drawing_is_moved_to_the_middle(fits):
    reader = Reader(fits)
    for up in range(2, 9):
        reader.draw(3, up)
    moved = centered(reader.drawing)
    rows, columns = np.indices(moved.shape)
    assert moved.sum() == pytest.approx(reader.drawing.sum())
    for at in (rows, columns):
        assert float((at * moved).sum() / moved.sum()) == pytest.approx(13.5, abs=0.6)
    reader.clear()
    assert "waits for a digit" in reader.words()


@pytest.mark.parametrize("batch_size", inside_of_lesson3.BATCH_SIZES)
def test_the_moments_inside_a_call_are_those_of_fit(fits, batch_size):
    inside = Inside(fits, batch_size=batch_size)
    stages = list(STAGES)
    seen = []
    while len(inside.losses) < 2:
        moment, coming = inside.now, inside.coming()
        seen.append(moment.stage)
        assert inside.go_on()
        assert inside.now == coming
        if moment.asked:
            numbers = [float(number) for number in re.findall(r"-?\d+\.\d+", moment.words)]
            assert min(abs(number - moment.answer) for number in numbers) < 1e-4
    batches = 576 // batch_size
    assert seen == ["call", "epoch", *stages[2:] * batches, "epoch", *(stages[2:] * batches)[:-1]]
    assert verdict_of(inside) == "identical: 2 of 2 epochs, all 4 weight arrays"


@pytest.mark.parametrize("stage", STAGES)
def test_a_line_is_lit_for_each_stage(stage):
    lines_of = dict(code_of(Moment(stage, 0, 0, "")))
    lit = {name: [line for line, is_lit in lines if is_lit] for name, lines in lines_of.items()}
    signs = dict(zip(lit, STAGES[stage], strict=True))
    assert {name: len(lines) for name, lines in lit.items()} == {name: bool(signs[name]) for name in lit}


def test_at_the_end_of_an_epoch_the_line_that_records_its_loss_is_lit(fits):
    inside = Inside(fits)
    inside.go_to("record")
    by_hand = dict(code_of(inside.now))["by hand"]
    assert [line.strip()[:15] for line, is_lit in by_hand if is_lit] == ["history.append("]


def test_a_stroke_is_drawn_without_gaps(fits):
    one, other = Reader(fits), Reader(fits)
    one.draw(5, 5)
    one.draw(20, 20, goes_on=True)  # a fast pointer is seen at few places
    for at in np.linspace(5, 20, 200):
        other.draw(at, at)
    assert np.abs(one.drawing - other.drawing).max() < 0.2
    one.draw(25, 5)  # set down anew
    assert one.drawing[SIDE - 10, 22] == 0


def test_a_rate_counts_from_the_next_epoch_on_as_in_fit(fits):
    reader = Reader(fits, rate=0.1)
    reader.step(3)
    reader.rate = 1.0
    reader.step(reader.left_in_epoch())
    reader.step(reader.left_in_epoch())
    assert reader.rates == [0.1, 1.0]
    assert verdict_of(reader) == "identical: 2 of 2 epochs, all 6 weight arrays"


def test_a_second_process_that_is_killed_is_told_and_the_next_wish_starts_another():
    fits = Fits()
    dial = Dial(fits, epochs=5)
    dial.ask_fit()
    fits._worker._process.kill()
    fits._worker._process.join()
    assert verdict_of(dial).startswith("not compared: .fit, in the second process, failed")
    dial.turn(1.0)
    assert verdict_of(dial) == "identical: 5 of 5 epochs, all 4 weight arrays"
    fits.close()


@pytest.mark.parametrize(("lesson", "activity"), ACTIVITIES.items())
def test_what_a_page_that_is_closed_has_wished_for_is_forgotten(lesson, activity, monkeypatch):
    fits, document = Fits(), Document()
    monkeypatch.setattr(fits, "_begin", lambda: None)
    page, made = importlib.import_module(f"companion.live.pages.{lesson}"), []
    kind = getattr(page, activity)
    monkeypatch.setattr(page, activity, lambda *words, **more: made.append(kind(*words, **more)) or made[-1])
    page.open_page(document, fits, {})
    fits.result(made[0], Task(lesson, "float64", ()))
    assert list(fits._wishes) == made
    for forget in document.callbacks.session_destroyed_callbacks:
        forget(None)
    assert not fits._wishes


def test_a_training_that_ends_as_no_number_is_equal_too(fits):
    task = Task("lesson2", "float64", (1e200, 3))
    wait_for(lambda: fits.result("nan", task))
    losses = fits.result("nan", task)[1]
    assert np.isnan(losses[-1])
    assert not fits.verdict("nan", task, losses).startswith("not identical: the losses here")


def test_wishes_are_met_in_turn_and_forgotten_with_their_session(fits):
    tasks = [Task("lesson1", "float64", (4, (0.1 + n / 100,))) for n in range(3)]
    assert [fits.result(n, task) for n, task in enumerate(tasks)] == [None] * 3
    fits.forget(1)
    wait_for(lambda: fits.result(0, tasks[0]) and fits.result(2, tasks[2]))
    assert tasks[1] not in fits._results
    broken = Task("lesson1", "float64", (0, (0.1,)))
    wait_for(lambda: fits.result(9, broken))
    assert isinstance(fits.result(9, broken), Failed)


def test_the_picture_of_the_network_shows_each_slope_as_its_product(fits):
    page = importlib.import_module("companion.live.pages.lesson2").FlowPage(Document(), fits, {})
    while page.flow.go_on():
        pass
    page.update()
    products = [eval(text) for text in page.products.data["text"]]
    slopes = [slope for array in (0, 2) for slope in page.flow.slopes[array].ravel() if abs(slope) > NOISE]
    assert len(slopes) == 7  # the others come from a silent unit or a dark pixel
    assert sorted(products) == pytest.approx(sorted(slopes), abs=0.005)  # as two decimals


def test_a_number_whose_slope_is_zero_has_a_flat_line_in_the_middle(fits):
    page = importlib.import_module("companion.live.pages.lesson2").FlowPage(Document(), fits, {})
    page.choose("W1[1,0]")  # its pixel is dark
    assert len(set(page.curve.data["y"])) == 1
    ends = page.slope.y_range.start, page.slope.y_range.end
    assert ends == pytest.approx((page.flow.loss - 0.05, page.flow.loss + 0.05))
