"""The page of lesson 5: a digit of one's own, and a network that learns to read it."""

import functools
from typing import Any

import numpy as np
from bokeh.document import Document
from bokeh.events import Pan, PanStart, Tap
from bokeh.models import ColumnDataSource, LinearColorMapper
from bokeh.models.annotations import Span
from bokeh.models.widgets import Select
from bokeh.palettes import Greys256

from companion.live.activities.lesson5 import MOST_SHOWN, SIDE, Reader, test_digits
from companion.live.fits import Fits
from companion.live.pages.shell import CLASSES, NOW, TRAIN, WIDGETS, Shell, between
from companion.terminal.lesson_list import LESSONS

UPDATES_A_TICK = 6
SQUARE: dict[str, Any] = {
    "sizing_mode": "fixed",
    "width": 340,
    "height": 365,
    "styles": {"flex": "0 0 340px"},
}
A_ROW, HIGH = 6, SIDE + 12  # wrong answers: how many, and how many pixels with their words
HIDDEN = 16
TEST_DIGITS = tuple(range(1, 21))  # that can be chosen, for those who do not draw
TASK = (
    "Draw a digit with mouse or finger, or choose one. Then press Train, and watch how the answer to your "
    "digit comes out of noise."
)
END = (
    "Nobody told the network what a digit looks like: 13,002 numbers went down their slopes. In lesson5.py: "
    "<code>optimizer.apply_gradients(...)  # [7] update</code>. Next: <a href='lesson1'>the ball on the loss "
    "surface</a>."
)


class ReaderPage:
    """One session with a digit."""

    def __init__(self, document: Document, fits: Fits, choices: dict[str, Any]) -> None:
        self.reader, self.training = Reader(fits, **choices), False
        self.shell = shell = Shell(document, "lesson5", TASK, END)
        self.rate = shell.rate(LESSONS["lesson5"].dial, self.reader.rate, self.turn)
        self.rate.title = "learning rate, from the next epoch on"
        start = shell.button(TRAIN, self.train, is_main=True)
        buttons = (
            start, shell.button("Clear the sheet", self.clear),
            shell.button("Reset the network", self.reset),
        )  # fmt: skip
        labels = test_digits()[1]
        options: Any = [("", "none"), *((str(n), f"{n}: a {labels[n]}") for n in TEST_DIGITS)]
        self.which = Select(
            title="or a test digit", options=options, value="", stylesheets=[WIDGETS], width=150
        )
        self.which.on_change("value", lambda _, old, new: self.choose(new))
        shell.show(
            shell.row(*buttons, self.which, self.rate),
            shell.row(self._sheet(), self._answers()),
            shell.row(self._mistakes(), self._weights(), self._lengths()),
            every_tick=self.tick,
        )
        document.on_session_destroyed(lambda _: fits.forget(self.reader))
        self.update()
        self.update_mistakes()

    def _image(self, title: str, side: int, colors: list[str], **how: Any) -> tuple[Any, ColumnDataSource]:
        made = self.shell.figure(title, x_range=(0, side), y_range=(0, side), **how)
        made.axis.visible = made.grid.visible = False
        source = ColumnDataSource({"image": [np.zeros((side, side), "float32")]})
        mapper = LinearColorMapper(palette=colors, low=0, high=1)
        made.image("image", source=source, x=0, y=0, dw=side, dh=side, color_mapper=mapper)
        return made, source

    def _sheet(self) -> Any:
        gray = list(Greys256) if self.shell.is_dark else list(reversed(Greys256))
        sheet, self.pixels = self._image("Draw here", SIDE, gray, **SQUARE)
        # A finger draws, and does not move the page.
        sheet.styles = {
            **SQUARE["styles"],
            "touch-action": "none",
        }
        for event in (PanStart, Tap):
            sheet.on_event(event, self.draw)
        sheet.on_event(Pan, functools.partial(self.draw, goes_on=True))
        return sheet

    def _answers(self) -> Any:
        made = self.shell.figure(
            "Ten answers; above them 32 hidden units", height=380, x_range=(-0.7, 9.7),
            y_range=(0, 1.5), y_axis_label="probability",
        )  # fmt: skip
        self.bars = ColumnDataSource({"x": list(range(10)), "top": [0.0] * 10, "color": [CLASSES[0]] * 10})
        made.vbar(x="x", top="top", width=0.8, color="color", source=self.bars)
        made.xaxis.ticker = list(range(10))
        made.yaxis.ticker = [0, 0.25, 0.5, 0.75, 1]
        places = [9 * unit / (HIDDEN - 1) for unit in range(HIDDEN)]
        self.units = ColumnDataSource(
            {"x": places * 2, "y": [1.38] * HIDDEN + [1.18] * HIDDEN, "alpha": [0.0] * 2 * HIDDEN}
        )
        made.scatter(
            "x", "y", source=self.units, size=17, marker="square", color=NOW, fill_alpha="alpha",
            line_color=self.shell.colors.line,
        )  # fmt: skip
        return made

    def _weights(self) -> Any:
        made, self.images = self._image(
            "16 hidden units: purple wants ink", 4 * SIDE, between(*CLASSES, count=128), **SQUARE
        )
        for at in (SIDE, 2 * SIDE, 3 * SIDE):
            for dimension in ("width", "height"):
                made.add_layout(Span(location=at, dimension=dimension, line_color=self.shell.colors.line))
        return made

    def _lengths(self) -> Any:
        layers = ["first layer", "second layer", "answers"]
        made = self.shell.figure(
            "The gradient's length: how steep it is", height=365, x_range=layers, y_range=(0, 2)
        )
        self.lengths = ColumnDataSource({"x": layers, "top": [0.0] * 3})
        made.vbar(x="x", top="top", width=0.6, color=self.shell.colors.by_hand, source=self.lengths)
        return made

    def _mistakes(self) -> Any:
        width, height = A_ROW * SIDE, MOST_SHOWN // A_ROW * HIGH
        made = self.shell.figure("", height=270, max_width=500, x_range=(0, width), y_range=(0, height))
        made.axis.visible = made.grid.visible = False
        self.wrong = ColumnDataSource({"image": [np.zeros((height, width), "float32")]})
        gray = list(Greys256) if self.shell.is_dark else list(reversed(Greys256))
        mapper = LinearColorMapper(palette=gray, low=0, high=1)
        made.image("image", source=self.wrong, x=0, y=0, dw=width, dh=height, color_mapper=mapper)
        self.told = ColumnDataSource({"x": [], "y": [], "text": []})
        made.text(
            "x", "y", "text", source=self.told, text_align="center", text_color=self.shell.colors.ink,
            text_font_size="12px",
        )  # fmt: skip
        self.mistakes = made
        return made

    def draw(self, event: Any, *, goes_on: bool = False) -> None:
        """Draw where the pointer is, or from where it was."""
        if all(isinstance(at, int | float) and np.isfinite(at) for at in (event.x, event.y)):
            self.reader.draw(float(event.x), float(event.y), goes_on=goes_on)
            self.update()

    def clear(self) -> None:
        """Take a new sheet."""
        self.which.value = ""
        self.reader.clear()
        self.update()

    def choose(self, chosen: str) -> None:
        """Take a digit of the test data."""
        if chosen in map(str, TEST_DIGITS):
            self.reader.choose(int(chosen))
            self.update()

    def turn(self, rate: float) -> None:
        """Set the rate, which counts from the next epoch on."""
        self.reader.rate = rate
        self.update()

    def reset(self) -> None:
        """Go back to the initial weights."""
        self.training = False
        self.reader.reset()
        self.update()
        self.update_mistakes()

    def train(self) -> None:
        """Start the training, or stop it."""
        self.training = not self.training
        self.update()
        self.update_mistakes()

    def tick(self) -> None:
        """Train on, and ask for the results of ``.fit``."""
        news = self.reader.ask_fit()
        if self.training:
            self.reader.step(min(UPDATES_A_TICK, self.reader.left_in_epoch()))
        if self.training or news:
            self.update()
        if self.training and not self.reader.batches:
            self.update_mistakes()

    def update(self) -> None:
        """Show how everything is now."""
        reader = self.reader
        self.pixels.data = {"image": [reader.drawing[::-1].astype("float32")]}
        first, second, answers = reader.answers()
        best = int(answers.argmax())
        colors = [CLASSES[1] if digit == best else CLASSES[0] for digit in range(10)]
        is_blank = not reader.drawing.any()
        self.bars.data = {"x": list(range(10)), "top": answers * (not is_blank), "color": colors}
        lit = [units / max(float(units.max()), 1e-9) for units in (first, second)]
        self.units.patch({"alpha": [(slice(None), np.concatenate(lit) * (not is_blank))]})
        self.images.data = {"image": [_side_by_side(reader.weights[0])]}
        self.lengths.patch({"top": [(slice(None), np.minimum(reader.lengths, 2))]})
        waiting = "compared as soon as it rests" if self.training else ".fit trains, in a second process"
        told = reader.verdict or (waiting if reader.losses else "no epoch is over yet")
        self.shell.say(reader.words(), f"by hand and .fit: {told}")

    def update_mistakes(self) -> None:
        """Show which test digits are read wrongly, the surest first."""
        x, y = test_digits()
        shown = self.reader.wrong()
        rows = MOST_SHOWN // A_ROW
        picture = np.zeros((rows * HIGH, A_ROW * SIDE), "float32")
        told: dict[str, list[Any]] = {"x": [], "y": [], "text": []}
        for place, (number, said, _) in enumerate(shown):
            row, column = divmod(place, A_ROW)
            low, left = (rows - 1 - row) * HIGH, column * SIDE
            picture[low : low + SIDE, left : left + SIDE] = x[number].reshape(SIDE, SIDE)[::-1]
            told["x"].append(left + SIDE / 2)
            told["y"].append(low + SIDE)
            told["text"].append(f"{y[number]} as {said}")
        self.wrong.data, self.told.data = {"image": [picture]}, dict(told)
        self.mistakes.title.text = f"Right: {self.reader.accuracy():.1%}. Wrong, the surest first:"


def _side_by_side(weights: np.ndarray) -> np.ndarray:
    """Return what each hidden unit looks for as one image of 4 by 4, around one half for no weight."""
    largest = max(float(np.abs(weights).max()), 1e-9)
    images = (0.5 - weights.T.reshape(4, 4, SIDE, SIDE) / (2 * largest))[::-1, :, ::-1]
    return images.transpose(0, 2, 1, 3).reshape(4 * SIDE, 4 * SIDE).astype("float32")


def open_page(document: Document, fits: Fits, choices: dict[str, Any]) -> None:
    """Put the sheet and the network on a page."""
    ReaderPage(document, fits, choices)
