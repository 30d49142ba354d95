"""Pictures that every lesson has: curves, their differences, and how they reach a file or a window."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from companion.comparison.ulp import abs_difference
from companion.errors import OutputError
from companion.terminal.formats import count_of
from companion.terminal.outputs import STDOUT, write

# Okabe and Ito's colors, which stay apart for the color-blind, each with a line style of its own.
HISTORIES: dict[str, dict[str, Any]] = {
    "numpy": dict(label="NumPy", color="#56B4E9", linewidth=7, alpha=0.6),
    "by_hand": dict(label="by hand", color="#E69F00", linewidth=3.5),
    "fit": dict(label=".fit", color="black", linewidth=1.3, linestyle=(0, (4, 3))),
}
DIFFERENCE_WIDTHS = {"numpy": 0.8, "by_hand": 3}  # the noisy one thin, the flat one thick
EXPLODED = 5  # times the first loss: a curve that ends beyond this would flatten all others
MOST_SIZES = 50  # the largest loss to the smallest that a straight axis still shows
LARGEST_DRAWN = 1e150  # a log axis over more overflows while it looks for its margins
STYLES = [
    ("#0072B2", "-"),
    ("#009E73", "--"),
    ("#D55E00", "-."),
    ("#CC79A7", ":"),
    ("#000000", "-"),
    ("#E69F00", "--"),
    ("#56B4E9", "-."),
]
STYLE: Any = {
    "svg.hashsalt": "companion",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.9,
}


def check_display(option: str = "--show", instead: str = "use --plot FILE") -> None:
    """Refuse an option where no window can be opened.

    Parameters
    ----------
    option : str
        Which opens it.
    instead : str
        What to do where there is none.

    Raises
    ------
    OutputError
        If matplotlib finds no display or no toolkit to draw windows with.
    """
    from matplotlib import pyplot
    from matplotlib.backends import BackendFilter, backend_registry

    try:
        backend = matplotlib.get_backend()
        pyplot.switch_backend(backend)
    except ImportError as error:
        raise OutputError(f"{option}: no window can be opened ({error}); {instead} instead") from None
    if backend.lower() not in backend_registry.list_builtin(BackendFilter.INTERACTIVE):
        raise OutputError(f"{option}: no display was found (backend {backend!r}); {instead} instead")


def new_figure(show: bool, width: float, height: float) -> Figure:
    """Make an empty figure, `width` by `height` inches, belonging to a window if `show`."""
    if not show:
        return Figure(figsize=(width, height), layout="constrained")
    from matplotlib import pyplot

    return pyplot.figure(figsize=(width, height), layout="constrained")


def show_windows() -> None:
    """Open the windows and wait until the user has closed them."""
    from matplotlib import pyplot

    pyplot.show()


def save(figure: Figure, path: str) -> None:
    """Write a picture in the format of its file's ending; to standard output, as PNG."""
    write(path, as_bytes(figure, "png" if path == STDOUT else path.rpartition(".")[2].lower()))


def as_bytes(figure: Figure, file_format: str) -> bytes:
    """Draw `figure` as "png", "svg" or "pdf"; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    metadata: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(file_format, {})
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format=file_format, dpi=150, metadata=metadata)
    return buffer.getvalue()


def draw_histories(
    axes: Axes,
    histories: Mapping[str, Sequence[float]],
    what: str = "loss",
    epochs: Sequence[int] | None = None,
    names: Mapping[str, str] | None = None,
) -> None:
    """Draw the trainings over each other, the widest line at the bottom, so that all stay visible.

    Parameters
    ----------
    axes : Axes
        Drawn on.
    histories : mapping of str to sequence of float
        Keys as in `HISTORIES`.
    what : str
        Of what they are: a key of ``History.history``.
    epochs : sequence of int, optional
        Their numbers, where they are not from 0 on.
    names : mapping of str to str, optional
        What to call a training, where it is not as in `HISTORIES`.
    """
    for key, history in histories.items():
        losses, style = _drawable(history), dict(HISTORIES[key])
        style["label"] = (names or {}).get(key, style["label"])
        axes.plot(epochs or range(len(losses)), losses, marker=_marker(losses), **style)
    label_epochs(axes, f"The {what}, trained in each way", what)
    if what.endswith("loss") and axes.get_ylim()[1] > EXPLODED * histories["fit"][0]:
        axes.set_yscale("log")
    axes.legend()


def draw_differences(
    axes: Axes,
    histories: Mapping[str, Sequence[float]],
    what: str = "losses",
    epochs: Sequence[int] | None = None,
    names: Mapping[str, str] | None = None,
) -> None:
    """Draw how far NumPy and by hand are from ``.fit``: a flat line at 0 is the point of the picture.

    Parameters
    ----------
    axes : Axes
        Drawn on.
    histories : mapping of str to sequence of float
        With the key "fit".
    what : str
        Of what they are.
    epochs : sequence of int, optional
        Their numbers, where they are not from 0 on.
    names : mapping of str to str, optional
        What to call a training, where it is not as in `HISTORIES`.
    """
    called = {key: style["label"] for key, style in HISTORIES.items()} | dict(names or {})
    fit = _drawable(histories["fit"])
    for key, width in DIFFERENCE_WIDTHS.items():
        if key not in histories:
            continue
        difference = _drawable(histories[key]) - fit
        largest = abs_difference(histories[key], histories["fit"]).max()
        size = "exactly 0 in every epoch" if largest == 0 else f"at most {largest:.1e}"
        label = f"{called[key]} minus {called['fit']}: {size}"
        style = dict(color=HISTORIES[key]["color"], linewidth=width, marker=_marker(difference))
        axes.plot(epochs or range(len(difference)), difference, label=label, **style)
    label_epochs(axes, f"What is left when {called['fit']} is subtracted", f"difference of the {what}")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.35 * (high - low))  # room for the legend above the curves
    axes.legend(loc="upper right")


def draw_curves(axes: Axes, curves: Mapping[str, Sequence[float]], title: str) -> None:
    """Draw several trainings by hand, of the same network otherwise.

    Those that end far above the first loss would flatten all others: they are drawn along the top. Where the
    others span many sizes, the axis is logarithmic.

    Parameters
    ----------
    axes : Axes
        Drawn on.
    curves : mapping of str to sequence of float
        The history of each, under what it is to be called.
    title : str
        Above the axes.
    """
    first = next(iter(curves.values()))[0]
    drawn = {name: _drawable(history) for name, history in curves.items()}
    inside = {name: losses for name, losses in drawn.items() if curves[name][-1] <= EXPLODED * first}
    shown = np.concatenate([np.array([first, first]), *inside.values()])
    shown = shown[np.isfinite(shown) & (shown > 0)]
    top, logarithmic = max(shown.max(), first) * 1.1, shown.max() > MOST_SIZES * shown.min()
    if len(inside) < len(drawn):
        top = max(top, EXPLODED * first)
    along = top * 0.98
    for (name, losses), (color, style) in zip(drawn.items(), STYLES, strict=False):
        label, line = name, losses
        if name not in inside:
            label = f"{name}, along the top: {_highest(curves[name])}"
            line = np.where(losses < along, losses, along)  # what is not a number too
        axes.plot(line, label=label, color=color, linestyle=style, linewidth=1.5, marker=_marker(line))
    label_epochs(axes, title, "loss")
    if logarithmic:
        axes.set_yscale("log")
        axes.set_ylim(top=top * 1.3)
    elif len(inside) < len(drawn):
        axes.set_ylim(0, top)
    if any(_bounces_early(losses) for losses in inside.values()):
        axes.set_xscale("symlog", linthresh=10)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(ScalarFormatter())
    # Below the axes it covers no curve.
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)


def _bounces_early(losses: np.ndarray) -> bool:
    """Return whether a curve goes up often, and only in its first tenth: a straight axis has no room."""
    ups = np.flatnonzero(np.diff(losses) > 0)
    return len(ups) > 10 and ups[-1] < len(losses) / 10


def _highest(history: Sequence[float]) -> str:
    """Return how far up a training goes, or that it stops being a number."""
    lost = next((epoch for epoch, loss in enumerate(history) if not np.isfinite(loss)), None)
    return f"up to {max(history):.3g}" if lost is None else f"no number from epoch {lost} on"


def draw_lesson(result: Any, show: bool, panels: Sequence[Callable[[Axes], None]] = ()) -> Figure:
    """Draw the picture of a lesson: the curves, their differences if there are any, the learning rates.

    Parameters
    ----------
    result : companion.report.result.Result
        What was found.
    show : bool
        Whether it is to open in a window.
    panels : sequence of callable
        What only this lesson has: up to four, each draws on the axes that it is given.

    Returns
    -------
    Figure
    """
    histories = result.histories
    apart = {key: abs_difference(histories[key], histories["fit"]).max() for key in histories if key != "fit"}
    exact = apart["by_hand"] == 0

    def draw_both(axes: Axes) -> None:
        draw_histories(axes, histories)
        if exact:
            axes.set_title("The loss: by hand minus .fit is exactly 0 in every epoch")

    def draw_rates(axes: Axes) -> None:
        rates = {f"rate {rate}": history for rate, history in result.scan.items()}
        draw_curves(axes, rates, "The same network at other learning rates")

    draws = [*panels, draw_both]
    if not all(largest == 0 for largest in apart.values()):  # a flat line at 0 is no picture
        draws.append(lambda axes: draw_differences(axes, histories))
    draws.append(draw_rates)
    rows = 1 if len(draws) < 4 else 2
    above = -(-len(draws) // rows)
    with matplotlib.rc_context(STYLE):
        figure = new_figure(show, 5.8 * above, 4.8 * rows)
        grid = figure.add_gridspec(rows, above * (len(draws) - above or 1))
        for number, draw in enumerate(draws):
            row, column = divmod(number, above)
            wide = grid.ncols // (above if row == 0 else len(draws) - above)
            draw(figure.add_subplot(grid[row, column * wide : (column + 1) * wide]))
        settings = result.settings
        hidden = f"{settings['hidden']} hidden units, " if settings["hidden"] else ""
        figure.suptitle(
            f"Lesson {result.lesson}: {result.title} (learning rate {settings['learning_rate']:g}, "
            f"{count_of(settings['epochs'], 'epoch')}, {hidden}seed {settings['seed']}, {settings['dtype']})"
        )
    return figure


def label_epochs(axes: Axes, title: str, ylabel: str) -> None:
    """Write title and axes of a curve over epochs."""
    axes.set(title=title, xlabel="epoch", ylabel=ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # there is no epoch 0.5


def _drawable(history: Sequence[float]) -> np.ndarray:
    """Leave gaps where a loss is not a finite number, or too large for an axis."""
    losses = np.asarray(history, dtype="float64")
    return np.where(np.abs(losses) < LARGEST_DRAWN, losses, np.nan)


def _marker(losses: np.ndarray) -> str | None:
    """Choose a marker for a single point: as a line it would be invisible."""
    return "o" if np.isfinite(losses).sum() == 1 else None
