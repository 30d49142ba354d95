"""The page of lesson 3: a timeline through one call of ``.fit``, beside the code that is at work."""

import html
from typing import Any

from bokeh.document import Document
from bokeh.events import ValueSubmit
from bokeh.models import ColumnDataSource
from bokeh.models.widgets import Div, TextInput

from companion.live.activities.lesson3 import BATCH_SIZES, STAGES, Inside, code_of
from companion.live.fits import Fits
from companion.live.pages.shell import NOW, WIDGETS, Shell
from companion.terminal.lesson_list import LESSONS

STYLE = """<style>
pre { font: .82rem/1.45 ui-monospace, monospace; margin: 0; padding: .4rem 0; white-space: pre-wrap }
span { display: block; min-height: 1.45em } .lit { background: #E69F00; color: #1a1a1a }
@media (max-width: 600px) { .far { display: none } }
</style>"""
NEAR = 2  # lines beside the one that is lit: a narrow page has no room for more
TASK = (
    "Press Next again and again: each press is one thing that happens inside one call of model.fit. The "
    "line that is at work is lit. Where a number comes next, guess it first."
)
END = (
    "What .fit does between two lines of your file is one loop: fit_by_hand in companion/loop.py. "
    "Next: <a href='lesson4'>the learning-rate dial</a>."
)


class InsidePage:
    """One session inside a call of ``.fit``."""

    def __init__(self, document: Document, fits: Fits, choices: dict[str, Any]) -> None:
        self.inside = Inside(fits, **choices)
        self.shell = shell = Shell(document, "lesson3", TASK, END)
        self.told = ""  # what became of the last guess
        self.rate = shell.rate(LESSONS["lesson3"].dial, self.inside.rate, self.turn)
        self.rate.title = "learning rate, from the next epoch on"
        self.batch = shell.choice("batch size", BATCH_SIZES, self.inside.batch_size, self.choose)
        self.guess = TextInput(title="your guess", value="", stylesheets=[WIDGETS], width=340)
        self.guess.on_event(ValueSubmit, lambda _: self.go_on())  # Enter
        buttons = (
            shell.button("Next", self.go_on, is_main=True), shell.button("Next update", self.next_update),
            shell.button("Next epoch", self.next_epoch), shell.button("Reset", self.reset),
        )  # fmt: skip
        self.codes = [
            Div(
                sizing_mode="stretch_width",
                styles={"flex": "1 1 340px", "min-width": "0", "max-width": "100%"},
            )
            for _ in range(3)
        ]
        shell.show(
            shell.row(*buttons, self.guess),
            shell.row(self._timeline()),
            shell.row(*self.codes, align="start"),
            shell.row(self._losses()),
            shell.row(self.rate, self.batch),
            every_tick=self.tick,
        )
        document.on_session_destroyed(lambda _: fits.forget(self.inside))
        self.update()

    def _timeline(self) -> Any:
        names = list(STAGES)
        made = self.shell.figure("", height=110, x_range=(-0.6, len(names) - 0.4), y_range=(-0.9, 0.8))
        made.axis.visible = made.grid.visible = False
        ink, line = self.shell.colors.ink, self.shell.colors.line
        made.line([0, len(names) - 1], [0, 0], color=line, line_width=4)
        made.scatter(list(range(len(names))), [0] * len(names), size=14, color=line)
        self.at = ColumnDataSource({"x": [0], "y": [0]})
        made.scatter("x", "y", source=self.at, size=24, color=NOW)
        made.text(  # above and below in turn, so that they have room on a narrow page
            list(range(len(names))), [0.25, -0.65] * (len(names) // 2), names, text_align="center",
            text_color=ink, text_font_size="13px",
        )  # fmt: skip
        self.timeline = made
        return made

    def _losses(self) -> Any:
        made = self.shell.figure(
            "The record: the loss of each epoch", height=220, x_axis_label="epoch", y_axis_label="loss"
        )
        self.losses = ColumnDataSource({"x": [], "y": []})
        hand = self.shell.colors.by_hand
        made.line("x", "y", source=self.losses, color=hand, line_width=3)
        made.scatter("x", "y", source=self.losses, color=hand, size=8)
        return made

    def turn(self, rate: float) -> None:
        """Turn the dial; the call takes the new rate from its next epoch on."""
        self.inside.rate = rate
        self.update()

    def choose(self, batch_size: int) -> None:
        """Take other batches, and begin the call anew."""
        self.inside.reset(batch_size)
        self.told = ""
        self.update()

    def go_on(self) -> None:
        """Go to the next moment, and hold the guess against its number."""
        coming, text = self.inside.coming(), self.guess.value.strip()
        self.told = ""
        if coming is not None and coming.asked and text:
            try:
                guess = float(text.replace(",", "."))
            except ValueError:
                self.told = f" {text[:20]!r} is no number; write one such as 0.69."
                self.update()
                return
            off = abs(guess - coming.answer)
            self.told = f" You guessed {guess:g}: off by {off:.2g}."
        self.guess.value = ""
        self.inside.go_on()
        self.update()

    def next_update(self) -> None:
        """Go on to the next update."""
        self.inside.go_to("update")
        self.told = ""
        self.update()

    def next_epoch(self) -> None:
        """Go on to the beginning of the next epoch."""
        self.inside.go_to("epoch")
        self.told = ""
        self.update()

    def reset(self) -> None:
        """Begin the call anew."""
        self.inside.reset()
        self.told = ""
        self.update()

    def tick(self) -> None:
        """Ask for the results of ``.fit``."""
        if self.inside.ask_fit():
            self.update()

    def update(self) -> None:
        """Show the present moment."""
        inside, moment = self.inside, self.inside.now
        self.at.data = {"x": [list(STAGES).index(moment.stage)], "y": [0]}
        self.timeline.title.text = f"epoch {moment.epoch}, batch {moment.batch}: {moment.stage}"
        coming = inside.coming()
        asked = coming.asked if coming is not None else ""
        self.guess.title = f"your guess: {asked}" if asked else "nothing to guess here: press Next"
        self.guess.disabled = not asked
        for div, (name, lines) in zip(self.codes, code_of(moment), strict=True):
            div.text = f"{STYLE}<b>{name}</b><pre>{_shown(lines)}</pre>"
        self.losses.data = {"x": list(range(len(inside.losses))), "y": list(inside.losses)}
        told = inside.verdict or ("waiting for .fit ..." if inside.losses else "no epoch is over yet")
        self.shell.say(moment.words + self.told, f"by hand and .fit: {told}")


def _shown(lines: list[tuple[str, bool]]) -> str:
    """Return lines of code as HTML; those that are at work are lit."""
    lit = [number for number, (_, is_lit) in enumerate(lines) if is_lit]
    shown = []
    for number, (line, is_lit) in enumerate(lines):
        is_near = any(abs(number - other) <= NEAR for other in lit)
        kind = "lit" if is_lit else "near" if is_near else "far"
        shown.append(f"<span class='{kind}'>{html.escape(line)}</span>")
    return "".join(shown)


def open_page(document: Document, fits: Fits, choices: dict[str, Any]) -> None:
    """Put the call on a page."""
    InsidePage(document, fits, choices)
