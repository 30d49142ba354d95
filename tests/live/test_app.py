"""The live dial: its picture shows what it does, and a mouse moves it in a browser."""

import functools
import io
import re
import time

import numpy as np
import pytest
from live_page import live_page
from matplotlib.backend_bases import MouseButton, MouseEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from companion import lesson4
from companion.live import app
from companion.live.app import LiveDial

pytestmark = pytest.mark.xdist_group("live")  # they share a dial

NETWORK = (0.02, 0.37, 0.45, 0.95)  # parts of the figure: left, bottom, right, top
CURVES = (0.51, 0.37, 0.97, 0.9)


@pytest.fixture
def shown(dial, monkeypatch):
    monkeypatch.setattr(app, "BETWEEN_PICTURES", 0)
    figure = Figure(figsize=app.SIZE)
    canvas = FigureCanvasAgg(figure)
    shown = LiveDial(dial, figure, "title")
    canvas.draw()
    return shown, functools.partial(part_of, canvas)


def part_of(canvas, corners):
    pixels = np.asarray(canvas.buffer_rgba()).copy()
    (height, width), (left, low, right, high) = pixels.shape[:2], corners
    rows = slice(int((1 - high) * height), int((1 - low) * height))
    return pixels[rows, int(left * width) : int(right * width)]


def test_dragging_changes_the_curves_and_not_the_network(shown):
    page, part = shown
    before = part(NETWORK), part(CURVES)
    page.rate.set_val(1.0)
    assert ((part(NETWORK) == before[0]).all(), (part(CURVES) == before[1]).all()) == (True, False)
    assert page.dial.plan[0] == pytest.approx(10)


def test_a_curve_that_leaves_the_picture_runs_along_its_top(shown):
    page, part = shown
    page.rate.set_val(2.0)
    assert min(page.dial.curve) > 3 * page.dial.network.start_loss
    red, _, blue = np.moveaxis(part((0.55, 0.84, 0.93, 0.88))[..., :3].astype(int), -1, 0)
    assert (red - blue > 80).any(axis=0).all()  # orange, from left to right


def test_a_picture_that_comes_too_soon_is_noted_until_a_later_tick(shown, monkeypatch):
    page, part = shown
    before = part(CURVES)
    monkeypatch.setattr(app, "BETWEEN_PICTURES", 3600)
    page.rate.set_val(1.0)
    page.tick()
    assert (part(CURVES) == before).all()
    monkeypatch.setattr(app, "BETWEEN_PICTURES", 0)
    page.tick()
    assert (part(CURVES) != before).any()
    assert page.dial.plan[0] == pytest.approx(10)


def test_what_moves_leaves_nothing_behind(shown):
    page, part = shown
    page.dial.verdict = "fixed"  # else .fit would come in between
    everything = (0, 0, 1, 1)
    page.rate.set_val(0.5)
    page.tick()
    first = part(everything)
    for power in (-3, 2, 0.5):
        page.rate.set_val(power)
        page.tick()
    assert (part(everything) == first).all()
    page._page.figure.canvas.draw()
    assert (part(everything) == first).all()  # drawn in parts or as a whole, it is the same picture


def test_longer_words_leave_nothing_behind_either(shown):
    page, part = shown
    page.dial.verdict = "fixed"
    for _ in range(12):
        page.step()
    page.reset()
    page._page.set_words("short", "")
    page._page.show("words", "verdict")
    drawn = part((0, 0, 1, 1))
    page._page.figure.canvas.draw()
    assert (part((0, 0, 1, 1)) == drawn).all()


def test_a_web_page_gets_the_whole_picture_once_all_is_at_rest(shown, monkeypatch):
    page, _ = shown
    sent = []
    page._page.figure.canvas.handle_refresh = sent.append  # as canvases of web pages have it
    monkeypatch.setattr(app, "AT_REST", 0.05)
    page.dial.verdict = page.dial.fit = [0.0]  # nothing comes from beside
    time.sleep(0.1)
    page.tick()
    assert len(sent) == 1
    page.tick()
    assert len(sent) == 1  # until something moves again
    page.rate.set_val(0.5)
    page.tick()
    page.dial.fit = [0.0]
    assert len(sent) == 1
    time.sleep(0.1)
    page.tick()
    assert len(sent) == 2


def test_the_buttons_train_step_and_reset(shown):
    page, part = shown
    start = part(NETWORK)
    page.train()
    page.tick()
    assert (page.dial.epoch, page.buttons["Train"].label.get_text()) == (app.EPOCHS_A_TICK, "Pause")
    assert (part(NETWORK) != start).any()
    page.step()
    assert (page.dial.epoch, page.training) == (app.EPOCHS_A_TICK + 1, False)
    page.tick()
    assert page.dial.epoch == app.EPOCHS_A_TICK + 1
    page.train()
    for _ in range(30):
        page.tick()
    assert (page.dial.epoch, page.training) == (30, False)  # at the end it stops
    page.train()
    assert (page.dial.epoch, page.training) == (0, True)  # and begins anew
    page.reset()
    assert (page.dial.epoch, page.training) == (0, False)


@pytest.mark.parametrize(("across", "power"), [(0.194, -3), (0.806, 2)])
def test_a_knob_at_an_end_can_be_taken_by_its_outer_half(shown, across, power):
    page, _ = shown
    canvas = page._page.figure.canvas
    width, height = canvas.get_width_height()
    pressed = MouseEvent("button_press_event", canvas, across * width, 0.165 * height, MouseButton.LEFT)
    canvas.callbacks.process(pressed.name, pressed)
    assert page.rate.val == power


def test_hidden_units_and_batch_size_are_chosen(shown):
    page, _ = shown
    page.hidden.set_val(1)
    page.batch_size.set_val(4)
    assert (page.dial.hidden, page.dial.batch_size) == (2, 200)
    assert (page.hidden.valtext.get_text(), page.batch_size.valtext.get_text()) == ("2", "200")


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_in_a_browser_the_dial_is_dragged_and_the_network_trained():
    with live_page("--epochs", "60") as (page, process):
        before = {part: pixels(page.picture(*part)) for part in (NETWORK, CURVES)}
        page.drag_rate(0.4, 0.95)
        wait_until(lambda: (pixels(page.picture(*CURVES)) != before[CURVES]).any(axis=2).mean() > 0.01)
        page.rest()
        assert (pixels(page.picture(*NETWORK)) == before[NETWORK]).all()
        page.drag_rate(0.95, 0.6)
        page.click("train")
        wait_until(lambda: (pixels(page.picture(*NETWORK)) != before[NETWORK]).any(axis=2).mean() > 0.5)
        wait_until(lambda: stays(page, NETWORK))
        trained = pixels(page.picture(*NETWORK))
        assert (trained != before[NETWORK]).any(axis=2).mean() > 0.5
    out, err = process.communicate()
    told = re.search(r"rate (\S+), 60 of 60 epochs trained, right on (\S+)%", out)
    assert 0.9 < float(told[1]) < 1.1
    assert float(told[2]) > 90  # 26.5 before
    assert (process.returncode, err) == (0, "")


def stays(page, part):
    """Say whether a part of the page looks the same two seconds later: a busy machine may draw as seldom."""
    before = page.picture(*part)
    time.sleep(2)
    return page.picture(*part) == before


def wait_until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.5)
    assert condition()


def reach(png):
    """Return how far to the right something dark stands, from 0 to 1."""
    dark = (pixels(png) < 128).any(axis=(0, 2))
    return np.flatnonzero(dark).max(initial=0) / len(dark)


@pytest.mark.full
def test_what_stands_on_the_page_at_rest_is_what_a_reload_shows():
    everything, verdict = (0, 0, 1, 1), (0.05, 0.2, 0.9, 0.235)
    with live_page("--epochs", "40") as (page, _):
        wait_until(lambda: reach(page.picture(*verdict)) > 0.5)  # a line longer than "being trained"
        page.rest()
        identical = page.picture(*verdict)
        for start, end in ((0.4, 1.0), (1.0, 0.3)):
            page.click("train")
            page.drag_rate(start, end, moves=30, pause=25)
            page.click("train")
            page.page.mouse.move(0, 0)
            wait_until(lambda: page.picture(*verdict) == identical)  # else .fit would come in between
            page.rest()
            resting = pixels(page.picture(*everything))
            page.page.reload()
            page.rest()
            wait_until(lambda: page.picture(*verdict) == identical)
            assert (pixels(page.picture(*everything)) != resting).any(axis=2).sum() == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--live"],
            "--live: no display was found (backend 'agg'); use --live --browser, a web page, instead",
        ),
        (["--live", "--plot", "x.png"], "--plot: the live dial has no report; leave out --plot, or --live"),
        (["--browser", "--learning-rate", "200"], "200 is not on the dial, which goes from 0.001 to 100"),
    ],
)
def test_what_cannot_be_shown_is_told_in_one_line(lesson4_main, words, told):
    status, out, err = lesson4_main(*words)
    assert (status, out, err.count("\n"), told in err) == (2, "", 1, True), err


def test_a_missing_tornado_is_told_in_one_line(lesson4_main, monkeypatch):
    monkeypatch.setattr(app.importlib.util, "find_spec", lambda name: None)
    status, _, err = lesson4_main("--browser")
    assert (status, err.count("\n"), "pip install 'fit-by-hand[live]'" in err) == (2, 1, True)


def test_a_figure_without_a_mouse_is_refused(dial):
    with pytest.raises(app.OutputError, match="%matplotlib widget"):
        lesson4.live_dial()
