"""The activities in a browser: mouse, touch and keyboard, at every width, for many at once."""

import signal
import socket
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from live_page import Page, browser, serving
from marks import only

from companion.live import start
from companion.live.__main__ import main
from companion.live.pages.shell import TITLES

pytestmark = pytest.mark.xdist_group("live")  # one server at a time


@pytest.fixture(scope="module")
def served():
    with serving() as (address, process):
        yield address, process


@pytest.fixture(scope="module")
def started():
    with browser() as one:
        yield one


@pytest.fixture
def opened(started, served):
    """Open pages, and close them afterwards; none may have met an error."""
    pages = []

    def make(lesson, *size, **how):
        pages.append(Page(started, served[0], lesson, *size, **how))
        return pages[-1]

    yield make
    for one in pages:
        assert one.errors == []
        one.page.close()


def test_the_ball_is_stepped_and_trained_and_is_that_of_fit(opened):
    page = opened("lesson1")
    assert page.words().startswith("The ball stands where the loss is 0.633")
    page.press("Step")
    page.wait("After 1 update the loss is")
    page.press("Train / pause")
    page.wait("After 2")
    page.press("Train / pause")
    page.wait("identical: ", of="verdict")
    page.page.get_by_label("batch size").select_option("1")
    page.wait("The ball stands")
    page.press("Step")
    page.wait("After 1 update")
    assert "no epoch is over yet" in page.verdict()


def test_a_number_is_wiggled_and_the_slope_comes_back(opened):
    page = opened("lesson2")
    for word in ("Each hidden unit", "Each output", "The loss is", "Back: ", "Further back: "):
        page.press("Next")
        page.wait(word)
    page.page.get_by_label("one of the 31 numbers").select_option("W2[1,0]")
    page.page.locator(".noUi-handle").last.focus()
    page.page.keyboard.press("ArrowRight")
    page.wait("the slope foretells")
    page.press("Update")
    page.wait("Update 1 has moved the loss from 0.89625 to ")
    page.wait("identical: 1 of 1 epochs", of="verdict")


def test_a_click_on_a_line_of_the_network_chooses_its_weight(opened):
    page = opened("lesson2")
    box = page.page.locator(".bk-Figure").first.bounding_box()
    chosen = page.page.get_by_label("one of the 31 numbers")
    assert chosen.input_value() == "W2[2,0]"
    page.page.mouse.click(box["x"] + 0.2 * box["width"], box["y"] + 0.25 * box["height"])
    page.page.wait_for_function("at => at.value !== 'W2[2,0]'", arg=chosen.element_handle(), timeout=10_000)
    assert chosen.input_value().startswith("W1[0,")


def test_a_digit_is_drawn_and_read_while_the_network_learns(opened):
    page = opened("lesson5")
    page.wait("it waits for a digit")
    box = page.page.locator(".bk-Figure").first.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.page.mouse.move(middle[0], middle[1] - 80)
    page.page.mouse.down()
    page.page.mouse.move(middle[0], middle[1] + 80, steps=8)
    page.page.mouse.up()
    page.wait("After 0 epochs and 0 batches it says")
    page.press("Train / pause")
    page.wait("After 1 epoch and")
    page.press("Train / pause")
    page.wait("identical: ", of="verdict")
    page.press("Clear the sheet")
    page.wait("it waits for a digit")
    page.page.get_by_label("or a test digit").select_option("7: a 9")  # for those who do not draw
    page.wait("It is a 9.")


def test_a_finger_draws_and_does_not_move_the_page(started, served):
    page = Page(started, served[0], "lesson5", 400, 800, has_touch=True, is_mobile=True)
    page.wait("it waits for a digit")
    sheet = page.page.locator(".bk-Figure").first
    sheet.scroll_into_view_if_needed()
    box, before = sheet.bounding_box(), page.page.evaluate("scrollY")
    finger = page.page.context.new_cdp_session(page.page)
    across = box["x"] + box["width"] / 2
    ups = [box["y"] + box["height"] * part for part in (0.8, 0.7, 0.6, 0.5, 0.4, 0.3)]
    for number, up in enumerate([*ups, None]):
        kind = "touchEnd" if up is None else "touchMove" if number else "touchStart"
        points = [] if up is None else [{"x": across, "y": up}]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        page.page.wait_for_timeout(60)
    page.wait("it says ")
    assert page.page.evaluate("scrollY") == before
    assert page.errors == []
    page.page.close()


def test_without_a_lesson_in_the_address_the_first_one_comes(opened, served):
    page = opened("")
    assert page.page.url.startswith(f"{served[0]}/lesson1")


def test_a_call_of_fit_is_gone_through_and_guesses_are_held_against_it(opened):
    page = opened("lesson3")
    for word in ("Epoch 0 begins", "Batch 0 holds", "Patient 0 is a row", "The network answers"):
        page.press("Next")
        page.wait(word)
    guess = page.page.locator("input[type=text]")
    guess.fill("0.7")
    guess.press("Enter")
    page.wait("You guessed 0.7: off by 0.0063.")
    assert page.page.locator("pre span").first.is_visible()
    page.press("Next epoch")
    page.wait("Epoch 1 begins")
    page.wait("identical: 1 of 1 epochs", of="verdict")


def test_a_guess_that_is_no_number_is_told_and_nothing_moves(opened):
    page = opened("lesson3")
    for word in ("Epoch 0 begins", "Batch 0 holds", "Patient 0 is a row"):
        page.press("Next")
        page.wait(word)
    guess = page.page.locator("input[type=text]")
    guess.fill("__import__('os')")
    guess.press("Tab")
    page.press("Next")
    page.wait("is no number; write one such as 0.69.")
    assert page.words().startswith("Patient 0 is a row")


def test_the_dial_trains_hides_the_future_and_shows_it(opened):
    page = opened("lesson4")
    page.wait("Where will it stop falling?")
    box = page.page.locator(".bk-Figure").nth(1).bounding_box()
    page.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait("Your guess: epoch ")
    page.press("Step")
    page.wait("Epoch 1: the loss went from 0.744 to")
    page.press("Show / hide the future")
    page.wait("It learns: from 0.744 to 0.225. You guessed epoch ")
    page.wait("identical: 200 of 200 epochs", of="verdict")
    page.press("Reset")
    page.press("Train / pause")
    page.wait("At epoch 200 the loss is 0.225. It learns: from 0.744 to 0.225.")


def test_the_dial_is_turned_by_the_keyboard_alone(opened):
    page = opened("lesson4")
    page.press("Show / hide the future")
    page.wait("from 0.744 to 0.225")
    page.page.locator(".noUi-handle").first.focus()
    for _ in range(4):
        page.page.keyboard.press("ArrowRight")
    page.page.locator(".bk-slider-title", has_text="learning rate: 0.158").wait_for()
    page.page.locator('.noUi-handle[aria-label="learning rate"][aria-valuetext="0.158"]').wait_for()
    page.wait("from 0.744 to 0.162")
    page.page.locator('.noUi-handle[aria-label^="your guess"]').focus()
    page.page.keyboard.press("ArrowRight")
    page.wait("You guessed epoch 1.")
    page.page.keyboard.press("Tab")
    assert page.page.evaluate("document.activeElement !== document.body")


@pytest.mark.parametrize("width", only([400, 800, 1280, 1920], 400, 1280))
@pytest.mark.parametrize("lesson", TITLES)
def test_a_page_fits_its_window_and_says_what_happens(opened, lesson, width):
    page = opened(lesson, width)
    wide = page.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    assert page.page.get_attribute("#words", "aria-live") == "polite"
    for button in page.page.get_by_role("button").all():
        box = button.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


def test_a_dark_page_is_dark_and_a_finger_is_enough(started, served):
    context = started.new_context(has_touch=True, color_scheme="dark", viewport={"width": 400, "height": 800})
    one = context.new_page()
    one.goto(f"{served[0]}/lesson1")
    one.wait_for_function("document.getElementById('words')?.textContent", timeout=60_000)
    one.get_by_role("button", name="Step", exact=True).tap()
    one.wait_for_function("document.getElementById('words').textContent.includes('After 1 update')")
    assert one.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 28)"
    context.close()


def test_nothing_comes_from_the_network(started, served):
    page, asked = started.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{served[0]}/lesson4")
    page.wait_for_function("document.getElementById('words')?.textContent", timeout=60_000)
    assert [url for url in asked if not url.startswith((served[0], "data:", "blob:"))] == []
    page.close()


def test_a_page_that_is_loaded_anew_in_the_middle_begins_anew(opened):
    page = opened("lesson4")
    page.press("Train / pause")
    page.wait("Epoch 5")
    page.page.reload()
    page.wait("Where will it stop falling?")


@pytest.mark.full
def test_a_class_can_play_at_once(started, served):
    """Thirty sessions, each with a state of its own."""
    pages = [Page(started, served[0], "lesson4", 500, 500) for _ in range(30)]
    for number, page in enumerate(pages):
        for _ in range(number % 3):
            page.press("Step")
    for number, page in enumerate(pages):
        page.wait(f"Epoch {number % 3}:" if number % 3 else "before any update")
    for page in pages:
        page.page.close()


def test_ctrl_c_ends_it_quietly():
    with serving("lesson1") as (address, process):
        urllib.request.urlopen(f"{address}/lesson1", timeout=90).read()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "", "")


def test_a_port_that_is_taken_is_told_and_the_next_one_serves(capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        start.announce("lesson1", port, browser=False)
    listening = start._announced.pop("lesson1")
    out = capsys.readouterr().out
    assert f"port {port} is taken" in out
    assert f"http://127.0.0.1:{listening.getsockname()[1]}/lesson1 (starting" in out
    listening.close()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lesson9"], "invalid choice: 'lesson9'"),
        (["--port", "70000"], "--port: '70000' is not a whole number from 0 to 65535"),
    ],
)
def test_misuse_gets_one_line_and_status_2(capsys, words, told):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_a_missing_bokeh_is_told_in_one_line(capsys, monkeypatch):
    monkeypatch.setattr(start.importlib.util, "find_spec", lambda name: None)
    assert main(["lesson1"]) == 2
    assert "pip install 'fit-by-hand[live]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--live", "--plot", "x.png"], "--plot: the activity has no report; leave out --plot, or --live"),
        (["--live", "--learning-rate", "200"], "200 is not on the dial, which goes from 0.001 to 100"),
    ],
)
def test_what_an_activity_cannot_do_is_told_in_one_line(lesson4_main, words, told):
    status, out, err = lesson4_main(*words)
    assert (status, out, err.count("\n"), told in err) == (2, "", 1, True), err


def test_many_may_ask_while_it_starts():
    with serving("lesson1") as (address, _), ThreadPoolExecutor(8) as threads:
        ask = lambda _: urllib.request.urlopen(f"{address}/lesson1", timeout=90).status  # noqa: E731
        assert set(threads.map(ask, range(8))) == {200}
