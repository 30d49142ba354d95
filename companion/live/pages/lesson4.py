"""The page of lesson 4: two moons and the boundary, the loss by hand and by ``.fit``, the dial."""

from collections.abc import Callable
from typing import Any

import numpy as np
from bokeh.document import Document
from bokeh.events import Tap
from bokeh.models import BasicTickFormatter, ColumnDataSource, LinearColorMapper
from bokeh.models.annotations import Span
from contourpy import contour_generator

from companion.live.activities.lesson4 import Dial
from companion.live.fits import Fits
from companion.live.pages.shell import CLASSES, FIT, NOW, TRAIN, Shell, between
from companion.terminal.formats import count_of
from companion.terminal.lesson_list import LESSONS

BATCH_SIZES = (8, 16, 32, 64, 200)
HIDDEN_UNITS = (1, 2, 4, 8, 16, 32)
GRID = 60  # points along each side of the picture of the network's answers
EPOCHS_A_TICK = 1  # fast enough not to wait, slow enough to watch and to drag
TICKS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100]
LOWEST, HIGHEST = 1e-3, 1e2  # of the losses that are drawn
TASK = (
    "Guess first, by a click on the picture of the loss or by the slider below it: at which epoch will it "
    "stop falling? Press Train, and drag the learning rate while it learns. Break it on purpose."
)
END = (
    "A small rate crawls, a large one is thrown about: the step is the rate times the slope. In lesson4.py: "
    "<code>optimizer.apply_gradients(...)  # [7] update</code>. Next: <a href='lesson5'>your own "
    "digit</a>."
)


class DialPage:
    """One session with the dial."""

    def __init__(self, document: Document, fits: Fits, choices: dict[str, Any]) -> None:
        self.dial = Dial(fits, **choices)
        self.shell = Shell(document, "lesson4", TASK, END)
        self.training = self.revealed = False
        self.guess: int | None = None
        # All that is drawn is one row of one source, so that a change is one message and is painted once.
        columns = ("image", "x", "y", "epochs", "coming", "by_hand", "fit", "epoch", "loss")
        self.picture = ColumnDataSource({name: [] for name in columns})
        shell = self.shell
        self.rate = shell.rate(LESSONS["lesson4"].dial, self.dial.rate, self.turn)
        self.epoch = shell.slider("look at epoch", 0, self.dial.epochs, 0, 1, self.look)
        self.guessing = shell.slider(
            "your guess, an epoch", 0, max(self.dial.epochs - 1, 1), 0, 1, self.take_guess
        )
        self.hidden = shell.choice("hidden units", HIDDEN_UNITS, self.dial.hidden, self.choose_hidden)
        self.batch = shell.choice("batch size", BATCH_SIZES, self.dial.batch_size, self.choose_batch)
        buttons = [
            shell.button(TRAIN, self.train, is_main=True),
            shell.button("Step", self.step),
            shell.button("Reset", self.reset),
            shell.button("Show / hide the future", self.reveal),
        ]
        shell.show(
            shell.row(*buttons),
            shell.row(self.rate),
            shell.row(self._network(), self._curves()),
            shell.row(self.guessing, self.epoch, self.hidden, self.batch),
            every_tick=self.tick,
        )
        document.on_session_destroyed(lambda _: fits.forget(self.dial))
        self.update()

    def _network(self) -> Any:
        x, y = self.dial.x, self.dial.y[:, 0]
        (left, low), (right, high) = x.min(axis=0) - 0.4, x.max(axis=0) + 0.4
        self.across, self.up = np.linspace(left, right, GRID), np.linspace(low, high, GRID)
        self.points = np.column_stack([side.ravel() for side in np.meshgrid(self.across, self.up)])
        self.moons = self.shell.figure(
            "", x_range=(left, right), y_range=(low, high), x_axis_label="a point's first number",
            y_axis_label="its second",
        )  # fmt: skip
        colors = LinearColorMapper(palette=between(*CLASSES), low=0, high=1)
        self.moons.image(
            "image", source=self.picture, x=left, y=low, dw=right - left, dh=high - low, color_mapper=colors,
            alpha=0.55,
        )  # fmt: skip
        self.moons.multi_line("x", "y", source=self.picture, color=self.shell.colors.ink, line_width=2)
        # The key to colors and markers is above the picture, where it hides no point.
        for label, marker in ((0, "circle"), (1, "triangle")):
            rows = x[y == label]
            self.moons.scatter(
                rows[:, 0], rows[:, 1], marker=marker, size=8, fill_color=CLASSES[label], line_color="white",
                legend_label=f"moon {label}",
            )  # fmt: skip
        self.shell.legend(self.moons, "top_right")
        return self.moons

    def _curves(self) -> Any:
        page = self.shell.figure(
            "The loss, by hand and by .fit", y_axis_type="log", x_range=(-2, self.dial.epochs + 1),
            y_range=(LOWEST, 2), x_axis_label="epoch, counted from 0", y_axis_label="loss",
        )  # fmt: skip
        self.curves = page
        page.yaxis.ticker = TICKS
        page.yaxis.formatter = BasicTickFormatter()
        hand = self.shell.colors.by_hand
        for losses, legend, how in (
            ("coming", "to come", {"color": hand, "alpha": 0.45, "line_width": 3}),
            ("by_hand", "by hand", {"color": hand, "line_width": 5}),
            ("fit", ".fit", {"color": FIT, "line_width": 2, "line_dash": "dashed"}),
        ):
            page.multi_line("epochs", losses, source=self.picture, legend_label=legend, **how)
        page.scatter("epoch", "loss", source=self.picture, color=NOW, size=11)
        self.guessed = Span(
            dimension="height", line_color=NOW, line_width=2, line_dash="dotted", visible=False
        )
        self.truth = Span(dimension="height", line_color=self.shell.colors.ink, line_width=2, visible=False)
        page.add_layout(self.guessed)
        page.add_layout(self.truth)
        page.on_event(Tap, self.on_guess)
        self.shell.legend(page, "bottom_left")
        return page

    def on_guess(self, event: Tap) -> None:
        """Take a guess at the epoch where the loss stops falling."""
        if event.x is not None and np.isfinite(event.x):
            at = int(np.clip(round(event.x), 0, self.dial.epochs - 1))
            if self.guessing.value == at:
                self.take_guess(at)
            self.guessing.value = at  # which takes it, if it is another

    def take_guess(self, epoch: float) -> None:
        """Take a guess, from the keyboard too."""
        self.guess = int(epoch)
        self.update()

    def turn(self, rate: float) -> None:
        """Turn the dial."""
        self.dial.turn(rate)
        self.update()

    def look(self, epoch: float) -> None:
        """Look at the network after so many epochs."""
        if not self.training:
            seen = min(int(epoch), self.dial.epochs if self.shows_all else self.dial.epoch)
            loss = _drawn(self.dial.curve)[seen - 1] if seen else np.nan
            at: dict[str, Any] = {"epoch": [max(seen - 1, 0)], "loss": [loss]}
            self.picture.data = {**self.picture.data, **self._network_at(seen), **at}

    def choose_hidden(self, hidden: int) -> None:
        """Take another network."""
        self._choose(hidden=hidden)

    def choose_batch(self, batch_size: int) -> None:
        """Take other batches."""
        self._choose(batch_size=batch_size)

    def _choose(self, **choice: int) -> None:
        self.training = False
        self.dial.choose(**choice)
        self.update()

    def train(self) -> None:
        """Start the training, stop it, or begin anew where it has come to its end."""
        if self.dial.epoch == self.dial.epochs:
            self.dial.reset()
        self.training = not self.training
        self.update()

    def step(self) -> None:
        """Train an epoch."""
        self.training = False
        self.dial.step()
        self.update()

    def reset(self) -> None:
        """Go back to the initial weights."""
        self.training = False
        self.dial.reset()
        self.update()

    def reveal(self) -> None:
        """Show what is to come, or hide it."""
        self.revealed = not self.revealed
        self.update()

    def tick(self) -> None:
        """Train on, and ask for the results of ``.fit``."""
        trained = self.training and sum(self.dial.step() for _ in range(EPOCHS_A_TICK)) > 0
        if self.training and self.dial.epoch == self.dial.epochs:
            self.training = False
            trained = True
        if self.dial.ask_fit() or trained:
            self.update()

    @property
    def shows_all(self) -> bool:
        """Return whether the coming epochs are shown."""
        return self.revealed or self.dial.epoch == self.dial.epochs

    def update(self) -> None:
        """Show how everything is now."""
        dial = self.dial
        losses, last = _drawn(dial.curve), max(dial.epoch - 1, 0)
        shown = len(losses) if self.shows_all else dial.epoch
        epochs, fit = np.arange(len(losses)), _drawn(dial.fit) if dial.fit else losses * np.nan
        at = dial.epoch or (dial.epochs if self.revealed else 0)
        self.picture.data = {
            **self._network_at(at),
            "epochs": [epochs],
            "coming": [np.where((epochs >= last) & (epochs < shown), losses, np.nan)],
            "by_hand": [np.where(epochs < dial.epoch, losses, np.nan)],
            "fit": [np.where(epochs < shown, fit, np.nan)],
            "epoch": [last],
            "loss": [losses[last] if dial.epoch else np.nan],
        }
        # To powers of two: a range that changes at each move is drawn twice.
        self.curves.y_range.start = _power(0.5 * min([0.2, *losses[:shown]]), np.floor, (LOWEST, 0.1))
        self.curves.y_range.end = _power(
            2 * max([dial.network.start_loss, *losses[:shown]]), np.ceil, (2, HIGHEST)
        )
        self._show_guess()
        verdict = dial.verdict or ".fit still trains, in a second process"
        self.shell.say(self._words(), f"by hand and .fit, all {dial.epochs} epochs at these rates: {verdict}")
        if self.epoch.value != at:
            self.epoch.value = at

    def _words(self) -> str:
        dial = self.dial
        if self.shows_all or dial.epoch:
            words = dial.words() if self.shows_all else dial.words_so_far()
        else:
            words = (
                f"The loss is {dial.network.start_loss:.3f} before any update. Where will it stop falling?"
            )
        if self.guess is not None and self.shows_all:
            words += (
                f" You guessed epoch {self.guess}. From epoch {dial.settles_at()} on, no more than 1% of the "
                "whole fall was left."
            )
        elif self.guess is not None:
            words += f" Your guess: epoch {self.guess}."
        return words

    def _show_guess(self) -> None:
        self.guessed.visible = self.guess is not None
        self.guessed.location = self.guess
        self.truth.visible = self.guess is not None and self.shows_all
        self.truth.location = self.dial.settles_at()

    def _network_at(self, epoch: int) -> dict[str, list[np.ndarray]]:
        """Return what the network answers after so many epochs, and its boundary: a line with gaps."""
        values = self.dial.probabilities(self.points, epoch).reshape(GRID, GRID)
        lines: Any = contour_generator(self.across, self.up, values).lines(0.5)
        gap = np.full((1, 2), np.nan)
        boundary = np.concatenate([gap, *(part for line in lines for part in (line, gap))])
        right = self.dial.accuracy(epoch)
        self.moons.title.text = f"After {count_of(epoch, 'epoch')}: {right:.1%} of the points are right"
        return {"image": [values.astype("float32")], "x": [boundary[:, 0]], "y": [boundary[:, 1]]}


def _power(bound: float, to_whole: Callable[[float], float], limits: tuple[float, float]) -> float:
    """Return a power of two beside a bound, within limits."""
    return float(np.clip(np.exp2(to_whole(np.log2(bound))), *limits))


def _drawn(losses: Any) -> np.ndarray:
    """Return losses as they are drawn: what is no number, or too high, along the top."""
    return np.clip(
        np.nan_to_num(np.array(losses, dtype="float64"), nan=HIGHEST, posinf=HIGHEST), LOWEST, HIGHEST
    )


def open_page(document: Document, fits: Fits, choices: dict[str, Any]) -> None:
    """Put the dial on a page."""
    DialPage(document, fits, choices)
