"""The page of lesson 1: the ball on the loss surface, and the line between pass and fail."""

from typing import Any

import numpy as np
from bokeh.document import Document
from bokeh.models import ColumnDataSource, LinearColorMapper
from contourpy import contour_generator

from companion import lesson1
from companion.live.activities.lesson1 import BATCH_SIZES, Ball, loss_at
from companion.live.fits import Fits
from companion.live.pages.shell import CLASSES, NOW, TRAIN, Shell, between, shades
from companion.terminal.lesson_list import LESSONS

GRID = 80
LEVELS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.7, 1, 1.5, 2, 3, 4, 6, 8, 12, 16)
MARGIN = 1.0  # around the path
TASK = (
    "Four students, two weights. The ball stands where the weights are, and the height is the loss. Press "
    "Step a few times. Then try the learning rate 1, and the batch size 1: a student for each update."
)
END = (
    "An update goes straight down the slope, as far as the rate times the slope. Too far, and the ball "
    "climbs the other side. In lesson1.py: <code>optimizer.apply_gradients(...)  # [7] update</code>. Next: "
    "<a href='lesson2'>the gradient flows</a>."
)


class BallPage:
    """One session with the ball."""

    def __init__(self, document: Document, fits: Fits, choices: dict[str, Any]) -> None:
        self.ball, self.training = Ball(fits, **choices), False
        self.shell = shell = Shell(document, "lesson1", TASK, END)
        self.rate = shell.rate(LESSONS["lesson1"].dial, self.ball.rate, self.turn)
        self.batch = shell.choice("batch size", BATCH_SIZES, self.ball.batch_size, self.choose)
        start = shell.button(TRAIN, self.train, is_main=True)
        buttons = start, shell.button("Step", self.step), shell.button("Reset", self.reset)
        shell.show(
            shell.row(*buttons, self.batch, self.rate),
            shell.row(self._surface(), self._students()),
            every_tick=self.tick,
        )
        document.on_session_destroyed(lambda _: fits.forget(self.ball))
        self.update()

    def _surface(self) -> Any:
        darker = "lighter" if self.shell.is_dark else "darker"
        made = self.shell.figure(
            f"The loss of all four students:\nthe {darker}, the higher", x_range=(-1, 1), y_range=(-1, 1),
            x_axis_label="weight of study", y_axis_label="weight of sleep",
        )  # fmt: skip
        self.surface = made
        self.heights = ColumnDataSource({name: [] for name in ("image", "x", "y", "width", "height")})
        self.lines = ColumnDataSource({name: [] for name in ("x", "y", "at", "up", "text")})
        self.path, self.at = ColumnDataSource({"x": [], "y": []}), ColumnDataSource({"x": [], "y": []})
        ends = (self.shell.colors.paper, self.shell.colors.high)
        colors = LinearColorMapper(palette=shades(*ends), low=np.log(LEVELS[0]), high=np.log(LEVELS[-1]))
        made.image("image", "x", "y", "width", "height", source=self.heights, color_mapper=colors)
        ink = self.shell.colors.ink
        made.multi_line("x", "y", source=self.lines, color=ink, alpha=0.5)
        made.text(
            "at", "up", "text", source=self.lines, text_color=ink, text_font_size="11px",
            text_align="center", text_baseline="middle",
        )  # fmt: skip
        made.line("x", "y", source=self.path, color=self.shell.colors.by_hand, line_width=2)
        made.scatter("x", "y", source=self.path, color=self.shell.colors.by_hand, size=5)
        made.scatter("x", "y", source=self.at, color=NOW, size=16, line_color="white")
        return made

    def _students(self) -> Any:
        made = self.shell.figure(
            "", x_axis_label="hours of study", y_axis_label="hours of sleep", x_range=(0, 10), y_range=(0, 10)
        )
        self.students = made
        self.answers = ColumnDataSource({"image": [np.zeros((GRID, GRID), "float32")]})
        colors = LinearColorMapper(palette=between(*CLASSES), low=0, high=1)
        made.image("image", 0, 0, 10, 10, source=self.answers, color_mapper=colors, alpha=0.35)
        self.border = ColumnDataSource({"x": [], "y": []})
        made.line("x", "y", source=self.border, color=self.shell.colors.ink, line_width=3)
        x, y = lesson1.load_data()
        for label, marker, told in ((0, "circle", "failed"), (1, "triangle", "passed")):
            rows = x[y[:, 0] == label]
            made.scatter(
                rows[:, 0], rows[:, 1], marker=marker, size=16, color=CLASSES[label], line_color="white",
                legend_label=told,
            )  # fmt: skip
        self.shell.legend(made, "top_left")
        return made

    def turn(self, rate: float) -> None:
        """Turn the dial."""
        self.ball.rate = rate
        self.update()

    def choose(self, batch_size: int) -> None:
        """Take other batches, and begin anew."""
        self.training = False
        self.ball.reset(batch_size)
        self.update()

    def train(self) -> None:
        """Start the training, or stop it."""
        self.training = not self.training
        self.update()

    def step(self) -> None:
        """Make one update."""
        self.training = False
        self.ball.step()
        self.update()

    def reset(self) -> None:
        """Go back to the initial weights."""
        self.training = False
        self.ball.reset()
        self.update()

    def tick(self) -> None:
        """Train on, and ask for the results of ``.fit``."""
        trained = self.training and self.ball.step()
        if self.training and self.ball.is_over:
            self.training = False
        if self.ball.ask_fit() or trained:
            self.update()

    def update(self) -> None:
        """Show how everything is now."""
        ball = self.ball
        path = np.array(ball.path)
        self._draw_surface(path)
        self.path.data = {"x": path[:, 0], "y": path[:, 1]}
        self.at.data = {"x": path[-1:, 0], "y": path[-1:, 1]}
        study, sleep = ball.line()
        self.border.data = {"x": study, "y": sleep}
        sides = np.linspace(0, 10, GRID)
        self.answers.data = {"image": [ball.answers(*np.meshgrid(sides, sides)).astype("float32")]}
        self.students.title.text = f"What the neuron says, and\nthe line between (bias {path[-1, 2]:.2f})"
        waiting = "compared as soon as it rests" if self.training else ".fit trains, in a second process"
        told = ball.verdict or (waiting if ball.losses else "no epoch is over yet")
        self.shell.say(ball.words(), f"by hand and .fit: {told}")

    def _draw_surface(self, path: np.ndarray) -> None:
        """Draw the contours of the loss at the bias as it is now, around the path."""
        # To whole numbers, so that the map stands still while the ball moves a little.
        low = np.floor(path[:, :2].min(axis=0) - MARGIN)
        high = np.ceil(path[:, :2].max(axis=0) + MARGIN)
        ranges = self.surface.x_range, self.surface.y_range
        for axis, start, end in zip(ranges, low, high, strict=True):
            axis.start, axis.end = float(start), float(end)
        across, up = np.linspace(low[0], high[0], GRID), np.linspace(low[1], high[1], GRID)
        heights = loss_at(*np.meshgrid(across, up), path[-1, 2])
        self.heights.data = {
            "image": [np.log(heights).astype("float32")],
            "x": low[:1], "y": low[1:], "width": (high - low)[:1], "height": (high - low)[1:],
        }  # fmt: skip
        contours = contour_generator(across, up, heights)
        drawn: dict[str, list[Any]] = {name: [] for name in ("x", "y", "at", "up", "text")}
        for level in LEVELS:
            lines: Any = contours.lines(level)
            for line in lines:
                middle = line[len(line) // 2]
                row = {
                    "x": line[:, 0],
                    "y": line[:, 1],
                    "at": middle[0],
                    "up": middle[1],
                    "text": f"{level:g}",
                }
                for name, value in row.items():
                    drawn[name].append(value)
        self.lines.data = dict(drawn)


def open_page(document: Document, fits: Fits, choices: dict[str, Any]) -> None:
    """Put the ball on a page."""
    BallPage(document, fits, choices)
