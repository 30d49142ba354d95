"""The picture of the live dial: fixed parts are drawn once, moving parts over them, only where they move."""

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np
from contourpy import contour_generator
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox, BboxBase, BboxTransformTo, TransformedBbox
from matplotlib.widgets import Button, Slider

from companion.plots.plots import HISTORIES, STYLE

GRID = 60  # points along each side of the picture of the network's answers
HIGHEST = 2.0  # times the loss at the start: the top of the picture of the curves
ALONG_THE_TOP = 0.985  # of that height: higher values are drawn here, so that they stay visible
KNOB = 0.01  # from a slider's end, of the figure's width: a little more than half a knob
Rectangle = tuple[float, float, float, float]


class LiveFigure:
    """What the live dial shows.

    A whole figure takes too long to draw for a dial that is dragged: each moving part is drawn alone, over a
    copy of what is behind it.

    Attributes
    ----------
    figure : Figure
        As given.
    """

    def __init__(self, figure: Figure, title: str, x: np.ndarray, y: np.ndarray, epochs: int) -> None:
        self.figure = figure
        self._parts: dict[str, tuple[BboxBase, list[Artist]]] = {}
        self._behind: dict[str, Any] = {}
        with matplotlib.rc_context(STYLE):
            figure.suptitle(title)
            self._add_network(figure.add_axes((0.075, 0.37, 0.365, 0.51)), x, y)
            self._add_curves(figure.add_axes((0.51, 0.37, 0.46, 0.51)), epochs)
            self._words = figure.text(0.075, 0.255, "", animated=True, fontsize=12, weight="bold")
            self._verdict = figure.text(0.075, 0.21, "", animated=True)
        self._part("words", (0.02, 0.24, 0.98, 0.29), self._words)
        self._part("verdict", (0.02, 0.2, 0.98, 0.237), self._verdict)
        figure.canvas.mpl_connect("draw_event", self._on_draw)

    def _part(self, name: str, corners: Rectangle, *artists: Artist) -> None:
        """Note what moves within `corners`: left, bottom, right and top, from 0 to 1."""
        (left, low, right, high), size = corners, BboxTransformTo(self.figure.bbox)
        self._parts[name] = TransformedBbox(Bbox([[left, low], [right, high]]), size), list(artists)

    def _add_network(self, axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
        (left, low), (right, high) = x.min(axis=0) - 0.4, x.max(axis=0) + 0.4
        self._across, self._up = np.linspace(left, right, GRID), np.linspace(low, high, GRID)
        self.grid = np.column_stack([side.ravel() for side in np.meshgrid(self._across, self._up)])
        looks: dict[str, Any] = dict(cmap="PuOr_r", vmin=0, vmax=1, alpha=0.6, origin="lower", animated=True)
        nothing, extent = np.zeros((GRID, GRID)), (left, right, low, high)
        self._answers = axes.imshow(nothing, extent=extent, aspect="auto", interpolation="bilinear", **looks)
        self._boundary = LineCollection([], colors="black", linewidths=1.5, animated=True)
        axes.add_collection(self._boundary)
        points = []
        for label, marker, color in ((0, "o", "#5D3A9B"), (1, "^", "#E66100")):
            rows = x[y[:, 0] == label]
            looks = dict(marker=marker, color=color, edgecolors="white", animated=True)
            points.append(axes.scatter(rows[:, 0], rows[:, 1], **looks))
        axes.set(xlabel="first input", ylabel="second input", xlim=(left, right), ylim=(low, high))
        place: dict[str, Any] = dict(transform=axes.transAxes, ha="center", fontsize=11)
        self._at = axes.text(0.5, 1.03, "", animated=True, **place)
        artists = self._answers, self._boundary, *points, self._at
        self._part("network", (0.03, 0.3701, 0.497, 0.94), *artists)

    def _add_curves(self, axes: Axes, epochs: int) -> None:
        self._curves = axes
        looks, fit = HISTORIES["by_hand"] | {"animated": True}, HISTORIES["fit"] | {"animated": True}
        (self._to_come,) = axes.plot([], [], **looks | {"label": "by hand, to come", "alpha": 0.4})
        (self._trained,) = axes.plot([], [], **looks | {"label": "by hand, trained"})
        (self._fit,) = axes.plot([], [], **fit)
        (self._now,) = axes.plot([], [], "o", color="#D55E00", markersize=8, animated=True)
        axes.set(xlabel="epoch", ylabel="loss (what is higher: along the top)", xlim=(-2, epochs + 1))
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)  # where no curve comes
        lines = self._to_come, self._trained, self._fit, self._now
        self._part("curves", (0.5101, 0.3701, 0.97, 0.88), *lines)

    def add_slider(
        self, name: str, place: Rectangle, label: str, ends: tuple[float, float], at: float
    ) -> Slider:
        """Add a slider, of which the label stays and the rest moves."""
        left, low, width, height = place
        whole = width + 2 * KNOB
        axes = self.figure.add_axes((left - KNOB, low, whole, height), animated=True)
        slider = Slider(axes, "", *ends, valinit=min(max(at, ends[0]), ends[1]), color="#E69F00")
        slider.drawon = False  # else it draws all of the figure
        slider.vline.set_visible(False)
        # A slider can be clicked only inside its axes: make them as wide as the knob at both ends needs.
        beyond = KNOB * (ends[1] - ends[0]) / width
        axes.set_xlim(ends[0] - beyond, ends[1] + beyond)
        slider.track.set(x=KNOB / whole, width=width / whole)
        slider.valtext.set_position((1 + 0.004 / whole, 0.5))
        self.figure.text(left - 0.015, low + height / 2, label, ha="right", va="center")
        self._part(name, (left - 0.012, low, left + width + 0.1, low + height), axes)
        return slider

    def add_button(self, place: Rectangle, label: str, pressed: Callable[[], None]) -> Button:
        """Add a button."""
        axes = self.figure.add_axes(place)
        axes.spines[:].set_visible(False)
        button = Button(axes, label, useblit=True)
        button.on_clicked(lambda _: pressed())
        return button

    def set_network(self, epoch: int, answers: np.ndarray, accuracy: float) -> None:
        """Set what the network answers on `grid`, and how often it is right."""
        values = answers.reshape(GRID, GRID)
        self._answers.set_data(values)
        lines: Any = contour_generator(self._across, self._up, values).lines(0.5)
        self._boundary.set_segments(lines)
        self._at.set_text(f"The network at epoch {epoch}: right on {accuracy:.1%} of the rows")

    def set_curves(self, by_hand: Sequence[float], trained: int, fit: Sequence[float]) -> None:
        """Set the curves: by hand, with the number of trained epochs, and of ``.fit``, if it is known."""
        epochs, last = np.arange(len(by_hand)), max(trained - 1, 0)
        top = ALONG_THE_TOP * self._curves.get_ylim()[1]
        losses = np.fmin(by_hand, top)  # nan, too, is drawn at the top
        self._to_come.set_data(epochs[last:], losses[last:])
        self._trained.set_data(epochs[:trained], losses[:trained])
        self._now.set_data(epochs[last:trained], losses[last:trained])
        self._fit.set_data(epochs[: len(fit)], np.fmin(fit, top))

    def set_words(self, words: str, verdict: str) -> list[str]:
        """Set the two lines below the pictures; return the names of those that changed."""
        changed = []
        for name, line, text in (("words", self._words, words), ("verdict", self._verdict, verdict)):
            if line.get_text() != text:
                line.set_text(text)
                changed.append(name)
        return changed

    def set_start(self, loss: float) -> None:
        """Set the height of the curves by the loss at the start."""
        if self._curves.get_ylim() != (0, HIGHEST * loss):
            self._curves.set_ylim(0, HIGHEST * loss)
            self.draw_all()

    def draw_all(self) -> None:
        """Draw what stays, too: soon, not at once."""
        self._behind = {}
        self.figure.canvas.draw_idle()

    def show(self, *names: str) -> None:
        """Draw the parts of these names as they are now."""
        canvas: Any = self.figure.canvas
        if not self._behind:
            return
        for name in names:
            canvas.restore_region(self._behind[name])
            for artist in self._parts[name][1]:
                self.figure.draw_artist(artist)
        canvas.blit(self.figure.bbox)

    def send_whole(self) -> None:
        """Send the whole picture to a web page, because the page may lose one of many fast changes."""
        refresh = getattr(self.figure.canvas, "handle_refresh", None)
        if refresh is not None:
            refresh({})

    def _on_draw(self, _: Any) -> None:
        """Save the background of each moving part, before the part is drawn; then draw the parts."""
        canvas: Any = self.figure.canvas
        self._behind = {name: canvas.copy_from_bbox(bbox) for name, (bbox, _) in self._parts.items()}
        for _, artists in self._parts.values():
            for artist in artists:
                self.figure.draw_artist(artist)
