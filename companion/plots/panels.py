"""Pictures that only one command has."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from companion.plots.plots import HISTORIES, STYLE, draw_differences, draw_histories, label_epochs, new_figure

SEEN = 2.0  # of a weight's axis, 6 long: an arrow of a tenth of this can be seen


def draw_boundary(
    axes: Axes,
    probability: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    title: str = "The rows, and where the network answers one half",
) -> None:
    """Draw the rows of two classes, and where the network passes from one answer to the other.

    Parameters
    ----------
    axes : Axes
        Drawn on.
    probability : callable
        From points, shape (m, 2), to the probability of class 1, shape (m, 1).
    x : ndarray of shape (n, 2)
        The rows.
    y : ndarray of shape (n, 1)
        Their classes, 0 or 1.
    title : str
        Above the axes.
    """
    low, high = x.min(axis=0) - 0.4, x.max(axis=0) + 0.4
    across, up = np.meshgrid(np.linspace(low[0], high[0], 200), np.linspace(low[1], high[1], 200))
    answers = probability(np.column_stack([across.ravel(), up.ravel()])).reshape(across.shape)
    axes.contourf(across, up, answers, levels=np.linspace(0, 1, 11), cmap="PuOr_r", alpha=0.6)
    if answers.min() < 0.5 < answers.max():
        axes.contour(across, up, answers, levels=[0.5], colors="black", linewidths=1.5)
    for label, marker, color in ((0, "o", "#5D3A9B"), (1, "^", "#E66100")):
        rows = x[y[:, 0] == label]
        style: Any = dict(marker=marker, color=color, edgecolors="white", label=f"class {label}")
        axes.scatter(rows[:, 0], rows[:, 1], **style)
    axes.set(title=title, xlabel="first input", ylabel="second input")
    axes.legend(loc="upper right")


def draw_gradient(axes: Axes, names: Sequence[str], slopes: np.ndarray) -> None:
    """Draw the slope of the loss along each parameter as a bar.

    Parameters
    ----------
    axes : Axes
        Drawn on.
    names : sequence of str
        Of the parameters.
    slopes : ndarray of shape (len(names),)
        At the start.
    """
    places = np.arange(len(names))
    axes.bar(places, slopes, color=["#D55E00" if slope > 0 else "#0072B2" for slope in slopes])
    axes.axhline(0, color="black", linewidth=0.8)
    every = -(-len(names) // 40)
    axes.set_xticks(places[::every], names[::every], rotation=90, fontsize=7)
    axes.set(title="The gradient at the start: the update goes the other way", ylabel="slope of the loss")


def draw_accuracies(axes: Axes, accuracies: Mapping[str, Sequence[float]]) -> None:
    """Draw the share of right answers in each epoch, by hand and by ``.fit`` over each other.

    Parameters
    ----------
    axes : Axes
        Drawn on.
    accuracies : mapping of str to sequence of float
        From 0 to 1, under the keys of `companion.plots.plots.HISTORIES`.
    """
    for key, shares in accuracies.items():
        axes.plot(shares, marker="o", **HISTORIES[key])
    label_epochs(axes, "The accuracy, trained in each way", "share of right answers")
    axes.legend(loc="lower right")


def draw_slice(axes: Axes, name: str, line: Mapping[str, np.ndarray], step: Mapping[str, float]) -> None:
    """Draw the loss along one weight, its slope where the weight stands, and one step down.

    Parameters
    ----------
    axes : Axes
        Drawn on.
    name : str
        Of the weight.
    line : mapping
        ``weight`` and ``loss``, arrays of the same length.
    step : mapping
        ``old`` and ``new`` value of the weight, ``loss`` and ``new_loss`` there, ``slope``.
    """
    axes.plot(line["weight"], line["loss"], color="#0072B2")
    reach = np.array([-0.8, 0.8])
    tangent = step["loss"] + step["slope"] * reach
    axes.plot(
        step["old"] + reach, tangent, color="#D55E00", linestyle="--", label=f"slope {step['slope']:.3g}"
    )
    axes.plot(step["old"], step["loss"], "o", color="black", label="at the start")
    moved = step["new"] - step["old"]
    if np.isfinite(moved) and moved != 0:
        times = max(1, round(10 ** np.floor(np.log10(SEEN / abs(moved)))))
        size = "" if times == 1 else f", drawn {times} times as long"
        ahead = step["old"] + times * moved, step["loss"] + times * (step["new_loss"] - step["loss"])
        arrow = dict(arrowstyle="-|>", color="#009E73", linewidth=2.5, shrinkA=0, shrinkB=0)
        axes.annotate("", xy=ahead, xytext=(step["old"], step["loss"]), arrowprops=arrow)
        axes.plot([], [], color="#009E73", linewidth=2.5, label=f"one step{size}")
    axes.set(title=f"The loss along one weight, {name}", xlabel="the weight", ylabel="loss")
    axes.legend(loc="upper center")


def draw_digits(axes: Axes, images: np.ndarray, answers: np.ndarray, truth: np.ndarray) -> None:
    """Draw images in rows of ten, each with the network's answer; wrong ones with the truth too.

    Parameters
    ----------
    axes : Axes
        Drawn on.
    images : ndarray of shape (n, 28, 28)
        From 0, the paper, to 1, the ink; n is a multiple of 10.
    answers, truth : ndarray of shape (n,)
        Digits.
    """
    rows = len(images) // 10
    framed = np.zeros((rows, 10, 40, 32))
    framed[:, :, 11:39, 2:30] = images.reshape(rows, 10, 28, 28)
    axes.imshow(framed.swapaxes(1, 2).reshape(rows * 40, 320), cmap="gray_r", vmin=0, vmax=1)
    for number, (answer, digit) in enumerate(zip(answers, truth, strict=True)):
        across, down = number % 10 * 32 + 16, number // 10 * 40 + 6
        right = answer == digit
        words = f"{answer}" if right else f"{answer}, not {digit}"
        axes.text(
            across, down, words, ha="center", va="center", fontsize=8, color="black" if right else "#D55E00"
        )
    axes.set(title="Test images with the network's answers; below, wrong ones", xticks=[], yticks=[])
    axes.set_frame_on(False)


def draw_with_fit(
    histories: Mapping[str, Mapping[str, Sequence[float]]],
    epochs: Mapping[str, Sequence[int]],
    title: str,
    show: bool,
    names: tuple[str, str] = ("by hand", ".fit"),
) -> Figure:
    """Draw what two trainings report: a row of panels for the curves, one for their differences.

    Parameters
    ----------
    histories : mapping of str to mapping of str to sequence of float
        For each key of the history, the loss first, the numbers "by_hand" and "fit".
    epochs : mapping of str to sequence of int
        In which epochs each key was reported.
    title : str
        Over all of it.
    show : bool
        Whether it is to open in a window.
    names : pair of str
        What to call the two.

    Returns
    -------
    Figure
    """
    labels = {} if names[0] == "by hand" else dict(zip(("by_hand", "fit"), names, strict=True))
    with matplotlib.rc_context(STYLE):
        exact = {
            name: bool(np.array_equal(pair["by_hand"], pair["fit"], equal_nan=True))
            for name, pair in histories.items()
        }
        rows = 1 if all(exact.values()) else 2  # a flat line at 0 is no picture
        figure = new_figure(show, 5.8 * max(len(histories), 1), 4.2 * rows)
        places = figure.subplots(rows, max(len(histories), 1), squeeze=False)
        for (name, pair), panels in zip(histories.items(), places.T, strict=False):
            draw_histories(panels[0], pair, name, epochs[name], labels)
            if exact[name]:
                panels[0].set_title(f"The {name}: {names[0]} minus {names[1]} is exactly 0 in every epoch")
            if rows == 2:
                draw_differences(panels[1], pair, name, epochs[name], labels)
        figure.suptitle(title)
    return figure


def draw_check(curves: Mapping[str, tuple[Mapping[str, Sequence[float]], Any]], title: str) -> Figure:
    """Draw a learner's loop beside ``.fit``, problem by problem, and mark where they part.

    Parameters
    ----------
    curves : mapping of str to pair
        By problem: the histories "by_hand" and "fit", and the first difference, with ``epoch``, ``batch`` and
        ``what``, or None.
    title : str
        Over all.

    Returns
    -------
    Figure
    """
    with matplotlib.rc_context(STYLE):
        figure = new_figure(False, 6.5 * len(curves), 4.8)
        places = np.ravel(figure.subplots(1, len(curves), squeeze=False))
        for (name, (histories, at)), axes in zip(curves.items(), places, strict=True):
            draw_histories(axes, histories, names={"by_hand": "your loop"})
            axes.set_title(name[:1].upper() + name[1:])
            if at is not None:
                where = f", batch {at.batch}" if at.batch is not None else ""
                label = f"first difference: {at.what}, epoch {at.epoch}{where}"
                axes.axvline(at.epoch, color="#CC3311", linewidth=1.2, linestyle=":", label=label)
            axes.margins(x=0.08)
            axes.legend()
        figure.suptitle(textwrap.fill(title, 60 * len(curves)))
    return figure
