"""The page of lesson 2: the network, drawn, with values that go forward and slopes that come back."""

from typing import Any

import numpy as np
from bokeh.document import Document
from bokeh.events import Tap
from bokeh.models import ColumnDataSource
from bokeh.models.widgets import Select

from companion.live.activities.lesson2 import FARTHEST, STAGES, Flow, names
from companion.live.fits import Fits
from companion.live.pages.shell import CLASSES, NOW, WIDGETS, Shell
from companion.terminal.lesson_list import LESSONS

FIRST = "W2[2,0]"  # which number is chosen: it comes from a unit that is not silent
COLUMNS = ("pixels", "hidden units", "outputs", "wanted")
HEIGHTS = ((3, 2, 1, 0), (2.5, 1.5, 0.5), (3, 2, 1, 0), (3, 2, 1, 0))
TASK = (
    "Press Next: four pixels go forward through the network, and then the slopes come back. Click a line, "
    "or choose one of the 31 weights (W) and biases (b), and wiggle it: does the loss do as its slope says?"
)
END = (
    "A slope is a product along the way back, and it holds for small steps only. In lesson2.py: "
    "<code>by_chain_rule</code>. Next: <a href='lesson3'>inside one call of .fit</a>."
)


class FlowPage:
    """One session with the gradient's way back."""

    def __init__(self, document: Document, fits: Fits, choices: dict[str, Any]) -> None:
        self.flow = Flow(fits, **choices)
        self.shell = shell = Shell(document, "lesson2", TASK, END)
        self.rate_now, self.number, self.by = self.flow.rate, names().index(FIRST), 0.0
        self.rate = shell.rate(LESSONS["lesson2"].dial, self.flow.rate, self.turn)
        self.wiggle = shell.slider("wiggle it by", -FARTHEST, FARTHEST, 0.0, 0.01, self.wiggled)
        options: Any = names()
        self.which = Select(
            title="one of the 31 numbers", options=options, value=options[self.number], stylesheets=[WIDGETS],
            width=170,
        )  # fmt: skip
        self.which.on_change("value", lambda _, old, new: self.choose(new))
        buttons = (
            shell.button("Next", self.go_on, is_main=True), shell.button("Update", self.update_once),
            shell.button("Reset", self.reset),
        )  # fmt: skip
        shell.show(
            shell.row(*buttons, self.rate),
            shell.row(self._network(), self._curve()),
            shell.row(self.which, self.wiggle),
            every_tick=self.tick,
        )
        document.on_session_destroyed(lambda _: fits.forget(self.flow))
        self.update()

    def _network(self) -> Any:
        made = self.shell.figure("", height=420, x_range=(-0.3, 3.4), y_range=(-0.5, 3.7))
        made.axis.visible = made.grid.visible = False
        self.network = made
        self.edges = ColumnDataSource({"x": [], "y": [], "width": [], "color": [], "alpha": []})
        self.nodes = ColumnDataSource({"x": [], "y": [], "text": [], "color": []})
        made.on_event(Tap, self.on_tap)
        self.chosen = ColumnDataSource({"x": [], "y": []})
        made.line("x", "y", source=self.chosen, color=NOW, line_width=14, alpha=0.6, line_cap="round")
        made.multi_line("x", "y", source=self.edges, line_width="width", color="color", alpha="alpha")
        made.scatter("x", "y", source=self.nodes, size=44, color="color", line_color=self.shell.colors.ink)
        made.text(
            "x", "y", "text", source=self.nodes, text_align="center", text_baseline="middle",
            text_color="#1a1a1a", text_font_size="13px",
        )  # fmt: skip
        self.products = ColumnDataSource({"x": [], "y": [], "text": []})
        made.text(
            "x", "y", "text", source=self.products, text_align="center", text_baseline="middle",
            text_color=self.shell.colors.ink, text_font_size="11px",
            background_fill_color=self.shell.colors.paper, background_fill_alpha=0.85,
        )  # fmt: skip
        made.text(
            [0, 1, 2, 3], [3.45] * 4, COLUMNS, text_align="center", text_color=self.shell.colors.ink,
            text_font_size="13px",
        )  # fmt: skip
        return made

    def _curve(self) -> Any:
        made = self.shell.figure(
            "", height=420, x_axis_label="the number is moved by", y_axis_label="loss", y_range=(0, 1)
        )
        self.curve, self.foretold, self.at = (ColumnDataSource({"x": [], "y": []}) for _ in range(3))
        made.line(
            "x", "y", source=self.curve, color=self.shell.colors.by_hand, line_width=4, legend_label="loss"
        )
        made.line(
            "x", "y", source=self.foretold, color=CLASSES[1], line_width=2, line_dash="dashed",
            legend_label="as the slope foretells",
        )  # fmt: skip
        made.scatter("x", "y", source=self.at, color=NOW, size=13)
        self.shell.legend(made, "top_center")
        self.slope = made
        return made

    def turn(self, rate: float) -> None:
        """Set the rate of the updates to come."""
        self.rate_now = rate

    def wiggled(self, by: float) -> None:
        """Move the chosen number."""
        self.by = float(np.clip(by, -FARTHEST, FARTHEST))
        self.update()

    def choose(self, name: str) -> None:
        """Choose one of the 31 numbers."""
        if name in names():
            self.number = names().index(name)
            self.update()

    def go_on(self) -> None:
        """Go to the next stage."""
        if self.flow.stage == len(STAGES) - 1:
            self.update_once()
        else:
            self.flow.go_on()
            self.update()

    def update_once(self) -> None:
        """Make an update."""
        self.flow.update(self.rate_now)
        self.update()

    def reset(self) -> None:
        """Go back to the initial weights."""
        self.flow.reset()
        self.update()

    def tick(self) -> None:
        """Ask for the results of ``.fit``."""
        if self.flow.ask_fit():
            self.update()

    def update(self) -> None:
        """Show how everything is now."""
        flow = self.flow
        shown = "slope" if flow.stage >= 4 else "weight"
        self.network.title.text = f"{STAGES[flow.stage]}\nblue: {shown} above 0; orange: below; wide: large"
        self._draw_nodes()
        self._draw_edges()
        self._draw_products()
        self._draw_chosen()
        offsets = np.linspace(-FARTHEST, FARTHEST, 81)
        losses, foretold = np.array([flow.wiggled(self.number, by) for by in offsets]).T
        self.curve.data = {"x": offsets, "y": losses}
        self.foretold.data = {"x": offsets, "y": foretold}
        now, told = flow.wiggled(self.number, self.by)
        self.at.data = {"x": [self.by], "y": [now]}
        name, words = names()[self.number], flow.words()
        slope = (foretold[-1] - foretold[0]) / (2 * FARTHEST)
        self.slope.title.text = f"{name} is {flow.value(self.number):.4g}; its slope is {slope:.4f}"
        middle, half = (
            flow.loss,
            max(0.05, 1.1 * float(np.abs(np.concatenate([losses, foretold]) - flow.loss).max())),
        )
        self.slope.y_range.start, self.slope.y_range.end = middle - half, middle + half
        if flow.stage >= 4:
            words += f" For {name}: {flow.product(self.number)}."
        if self.by:
            words += f" Moved by {self.by:g}, the loss is {now:.4f}; the slope foretells {told:.4f}."
        verdict = flow.verdict or ("waiting for .fit ..." if flow.losses else "no update was made yet")
        self.shell.say(words, f"by hand and .fit: {verdict}")

    def _draw_nodes(self) -> None:
        flow, (gray, lit) = self.flow, ("#b5b5b5", "#F0E442")
        values = (flow.x[0], flow.a1, flow.outputs, flow.y[0])
        known = (True, flow.stage >= 1, flow.stage >= 2, True)
        drawn: dict[str, list[Any]] = {"x": [], "y": [], "text": [], "color": []}
        for column, (heights, numbers, is_known) in enumerate(zip(HEIGHTS, values, known, strict=True)):
            for unit, (height, number) in enumerate(zip(heights, numbers, strict=True)):
                is_dead = column == 1 and is_known and flow.z1[unit] <= 0
                drawn["x"].append(column)
                drawn["y"].append(height)
                drawn["text"].append(_short(number) if is_known else "?")
                drawn["color"].append(gray if is_dead or not is_known else lit)
        self.nodes.data = dict(drawn)

    def _draw_edges(self) -> None:
        """Draw each weight as a line: as wide as it is large; on the way back, as its slope is."""
        flow = self.flow
        drawn: dict[str, list[Any]] = {"x": [], "y": [], "width": [], "color": [], "alpha": []}
        back = {0: flow.stage >= 5, 2: flow.stage >= 4}
        lit = {0: flow.stage in (1, 5), 2: flow.stage in (2, 4)}
        for array, left in ((0, 0), (2, 1)):
            shown = flow.slopes[array] if back[array] else flow.weights[array]
            largest = max(float(np.abs(shown).max()), 1e-9)
            for row, column in np.ndindex(shown.shape):
                drawn["x"].append([left, left + 1])
                drawn["y"].append([HEIGHTS[left][row], HEIGHTS[left + 1][column]])
                drawn["width"].append(1 + 7 * abs(shown[row, column]) / largest)
                drawn["color"].append(CLASSES[1] if shown[row, column] < 0 else self.shell.colors.by_hand)
                drawn["alpha"].append(0.95 if lit[array] else 0.35)
        self.edges.data = dict(drawn)

    def _draw_chosen(self) -> None:
        """Mark the number that is chosen."""
        (left, right), (start, end) = self._strokes()[self.number]
        self.chosen.data = {"x": [left, right], "y": [start, end]}

    def _strokes(self) -> list[tuple[tuple[float, float], tuple[float, float]]]:
        """Return where each of the 31 numbers is: a weight on its line, a bias below its unit."""
        found: list[tuple[tuple[float, float], tuple[float, float]]] = []
        for layer, array in enumerate(self.flow.weights):
            left = layer // 2
            for place in np.ndindex(array.shape):
                end = HEIGHTS[left + 1][place[-1]]
                if array.ndim == 2:
                    found.append(((left, left + 1), (HEIGHTS[left][place[0]], end)))
                else:
                    found.append(((left + 0.88, left + 1.12), (end - 0.3, end - 0.3)))
        return found

    def on_tap(self, event: Tap) -> None:
        """Choose the number whose line is nearest."""
        if event.x is None or event.y is None:
            return
        at = np.array([event.x, event.y])
        away = []
        for x, y in self._strokes():
            start, way = np.array([x[0], y[0]]), np.array([x[1] - x[0], y[1] - y[0]])
            part = np.clip((at - start) @ way / (way @ way), 0, 1)
            away.append(float(np.linalg.norm(start + part * way - at)))
        self.which.value = names()[int(np.argmin(away))]

    def _draw_products(self) -> None:
        """Write the product that makes its slope on each line over which one has come back."""
        flow = self.flow
        d_outputs, d_hidden = flow.back()
        drawn: dict[str, list[Any]] = {"x": [], "y": [], "text": []}
        # Where no two of a layer's lines are at the same height.
        layers = ((0, 0.4, flow.x[0], d_hidden), (1, 0.6, flow.a1, d_outputs))
        for left, part, values, slopes in layers[2 - max(flow.stage - 3, 0) :]:
            for row, column in np.ndindex(len(values), len(slopes)):
                if not values[row] * slopes[column]:
                    continue
                start, end = HEIGHTS[left][row], HEIGHTS[left + 1][column]
                drawn["x"].append(left + part)
                drawn["y"].append(start + part * (end - start))
                drawn["text"].append(f"{_short(float(values[row]))} * {_short(float(slopes[column]))}")
        self.products.data = dict(drawn)


def _short(number: float) -> str:
    """Return a number as it fits into a circle."""
    return f"{number:.2f}" if abs(number) < 1000 else f"{number:.0e}"


def open_page(document: Document, fits: Fits, choices: dict[str, Any]) -> None:
    """Put the network on a page."""
    FlowPage(document, fits, choices)
