"""The live dial: train a small network in front of one's eyes, in a window, a web page or a notebook."""

import argparse
import functools
import importlib.util
import logging
import time
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.widgets import Slider

from companion import lesson4
from companion.errors import OutputError
from companion.live.dial import Dial
from companion.live.figure import LiveFigure, Rectangle
from companion.plots.plots import check_display, show_windows
from companion.precision import precision
from companion.terminal.console import Report
from companion.terminal.lesson_list import DIAL, LESSONS

POWER_STEP = 0.05  # so that 0.1 can be hit, and not only 0.0992
BATCH_SIZES = (8, 16, 32, 64, 200)
HIDDEN_UNITS = (1, 2, 4, 8, 16, 32)
TICK = 10  # milliseconds between two looks at what is to be done
BETWEEN_PICTURES = 0.04  # seconds at least: a web page needs them to draw one
BETWEEN_WHOLE_PICTURES = 2.0  # while something moves; one more when nothing moves
AT_REST = 0.3  # seconds after the last picture
EPOCHS_A_TICK = 2  # fast enough not to wait, slow enough to watch
SIZE = (9.6, 5.6)  # inches; smaller is faster to draw


class LiveDial:
    """One figure for a window, a web page and a notebook: the dial, and what it does.

    A new position of the dial is drawn at once. If the last picture is too new, the position is drawn at a
    later tick. So a slow machine skips pictures and does not fall behind.

    Attributes
    ----------
    dial : Dial
        As given.
    training : bool
        Whether the epochs go on.
    """

    def __init__(self, dial: Dial, figure: Figure, title: str) -> None:
        self.dial, self.training = dial, False
        self._turned = False
        self._drawn = self._whole = 0.0  # when the last picture was drawn, and the last whole one sent
        self._timer: Any = None
        self._page = LiveFigure(figure, title, dial.x, dial.y, dial.epochs)
        self._add_controls()
        figure.canvas.mpl_connect("draw_event", lambda _: self._start())
        figure.canvas.mpl_connect("close_event", lambda _: self.close())
        self._update()

    def _add_controls(self) -> None:
        page, (low, high) = self._page, np.log10(DIAL)
        left, width = 0.2, 0.6
        self.rate = page.add_slider(
            "rate", (left, 0.145, width, 0.04), "learning rate", (low, high), np.log10(self.dial.rate)
        )
        for power in np.arange(low, high + 1):
            at = left + width * (power - low) / (high - low)
            page.figure.text(at, 0.125, f"{10**power:g}", ha="center", color="dimgray", fontsize=8)
        self.hidden = self._choice("hidden", (left, 0.085, 0.22, 0.03), "hidden units", HIDDEN_UNITS)
        self.batch_size = self._choice("batch_size", (0.58, 0.085, 0.22, 0.03), "batch size", BATCH_SIZES)
        buttons = [("Train", self.train), ("Step", self.step), ("Reset", self.reset)]
        self.buttons = {
            label: page.add_button((left + 0.21 * number, 0.025, 0.18, 0.05), label, pressed)
            for number, (label, pressed) in enumerate(buttons)
        }
        self.rate.valstep = POWER_STEP
        self.rate.on_changed(lambda power: self._turn(float(f"{10**power:.3g}")))

    def _choice(self, name: str, place: Rectangle, label: str, choices: tuple[int, ...]) -> Slider:
        """Make a slider that stops at each choice; what is not among them begins at the next lower one."""
        at = max([k for k, choice in enumerate(choices) if choice <= getattr(self.dial, name)], default=0)
        slider = self._page.add_slider(name, place, label, (0, len(choices) - 1), at)
        slider.valstep = 1
        slider.on_changed(lambda place: self._choose(**{name: choices[int(place)]}))
        return slider

    def _turn(self, rate: float) -> None:
        self.dial.rate = float(rate)
        self._turned = True
        self.tick()

    def _choose(self, **choice: int) -> None:
        self.training = False
        self._page.set_words("making the network and compiling its training ...", "")
        self._page.show("words", "verdict", *choice)
        self.dial.choose(**choice)
        self._update()

    def train(self) -> None:
        """Start the training, stop it, or begin anew where it has come to its end."""
        if self.dial.epoch == self.dial.epochs:
            self.dial.reset()
        self.training = not self.training
        self._update()

    def step(self) -> None:
        """Train an epoch."""
        self.training = False
        self.dial.step()
        self._update()

    def reset(self) -> None:
        """Go back to the initial weights."""
        self.training = False
        self.dial.reset()
        self._update()

    def tick(self) -> None:
        """Do what is due: read the dial, train an epoch, ask for the results of ``.fit``."""
        now = time.monotonic()
        if now - self._drawn < BETWEEN_PICTURES:
            return
        turned, self._turned = self._turned, False
        if turned:
            self.dial.turn(self.dial.rate)
        trained = self.training and sum(self.dial.step() for _ in range(EPOCHS_A_TICK)) > 0
        news = self.dial.ask_worker()
        if self.training and self.dial.epoch == self.dial.epochs:
            self.training = False
            self._update()
        elif trained:
            self._update_network()
            self._update_curves("network")
        elif turned or news:
            self._update_curves()
        pause = AT_REST if now - self._drawn > AT_REST else BETWEEN_WHOLE_PICTURES
        if self._whole < self._drawn and now - self._whole > pause:
            self._whole = now
            self._page.send_whole()

    def _update(self) -> None:
        self._page.set_start(self.dial.network.start_loss)
        label = self.buttons["Train"].label
        wanted = "Pause" if self.training else "Train"
        if label.get_text() != wanted:
            label.set_text(wanted)
            self._page.draw_all()
        self.hidden.valtext.set_text(str(self.dial.hidden))
        self.batch_size.valtext.set_text(str(self.dial.batch_size))
        self._update_network()
        self._update_curves("network", "hidden", "batch_size")

    def _update_network(self) -> None:
        dial = self.dial
        self._page.set_network(dial.epoch, dial.probabilities(self._page.grid), dial.accuracy())

    def _update_curves(self, *more: str) -> None:
        dial = self.dial
        self._page.set_curves(dial.curve, dial.epoch, dial.fit or [])
        verdict = f"by hand and .fit: {dial.verdict or '.fit is still training ...'}"
        changed = self._page.set_words(dial.words(), verdict)
        self.rate.valtext.set_text(f"{dial.rate:.3g}")
        self._page.show("curves", "rate", *changed, *more)
        self._drawn = time.monotonic()

    def _start(self) -> None:
        """Start the timer, now that the figure is drawn: before that, no event loop runs."""
        if self._timer is None:
            self._timer = self._page.figure.canvas.new_timer(interval=TICK)
            self._timer.add_callback(self.tick)
            self._timer.start()

    def told(self) -> str:
        """Return a sentence: where the training stands."""
        dial = self.dial
        right = f"right on {dial.accuracy():.1%} of the rows"
        return f"rate {dial.rate:.3g}, {dial.epoch} of {dial.epochs} epochs trained, {right}; {dial.words()}"

    def close(self) -> None:
        """Stop the timer and the second process."""
        if self._timer is not None:
            self._timer.stop()
        self.dial.close()


def choose_canvas(browser: bool) -> None:
    """Have figures drawn in web pages, or make sure that windows can be opened."""
    if not browser:
        check_display("--live", "use --live --browser, a web page,")
        return
    if importlib.util.find_spec("tornado") is None:
        told = "--browser: tornado, which serves the page, is missing"
        raise OutputError(f"{told}; pip install 'fit-by-hand[live]'")
    matplotlib.use("WebAgg")
    from matplotlib.backends.backend_webagg_core import NavigationToolbar2WebAgg

    NavigationToolbar2WebAgg.toolitems = []  # pages have them whatever is asked for, and no use here
    logging.getLogger("asyncio").addFilter(_is_no_closed_page)


def _is_no_closed_page(record: logging.LogRecord) -> bool:
    """Filter out the error of a page that was closed while a picture was sent to it."""
    error = record.exc_info[1] if record.exc_info else None
    return type(error).__name__ != "WebSocketClosedError"


def show_dial(report: Report, browser: bool) -> None:
    """Show what `open_dial` has opened, and come back when it is closed."""
    if browser:
        from matplotlib.backends.backend_webagg import WebAggApplication

        WebAggApplication.initialize()  # finds a port that is free
        page: Any = WebAggApplication
        address = f"http://{page.address}:{page.port}/"
        report.print(f"The dial is at {address}")
    show_windows()


def open_dial(make_dial: Callable[[], Dial], title: str) -> LiveDial:
    """Open the dial on a new figure of pyplot's."""
    with matplotlib.rc_context({"toolbar": "None"}):  # to zoom is of no use here
        figure = pyplot.figure(title, figsize=SIZE)
    if type(figure.canvas) is FigureCanvasAgg:
        pyplot.close(figure)
        told = "in a notebook, pip install 'fit-by-hand[live]' and run %matplotlib widget first"
        raise OutputError(f"the dial needs an interactive figure, but this one is not: {told}")
    return LiveDial(make_dial(), figure, title)


def live_dial(
    *,
    learning_rate: float = lesson4.LEARNING_RATE,
    hidden: int = lesson4.HIDDEN,
    batch_size: int = lesson4.BATCH_SIZE,
    epochs: int = lesson4.EPOCHS,
    seed: int = 0,
) -> LiveDial:
    """Open lesson 4's dial on a figure of pyplot's: in a notebook after ``%matplotlib widget``."""
    choices = {"hidden": hidden, "batch_size": batch_size, "epochs": epochs, "seed": seed}
    x, y = lesson4.load_data()
    make = functools.partial(Dial, lesson4.build_model, x, y, rate=learning_rate, **choices)
    return open_dial(make, f"Lesson 4: {LESSONS['lesson4'].title} (SGD, seed {seed})")


def run_live(options: argparse.Namespace) -> int:
    """Open the dial in a window or a web page, as `options` of lesson 4 say, until it is closed."""
    choose_canvas(options.browser)
    with precision(options.dtype):
        dial = live_dial(
            learning_rate=options.learning_rate,
            hidden=options.hidden,
            epochs=options.epochs,
            seed=options.seed,
        )
        report = Report()
        show_dial(report, options.browser)
        report.print(dial.told())
    dial.close()
    return 0
