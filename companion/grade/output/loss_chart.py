"""Two curves of losses as a drawing inside a page.

Drawn here and not by matplotlib: a class of 2,000 needs as many, each of a few points, in seconds.
"""

import math
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from companion.grade.output.html import tag

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 620, 260, 70, 36, 12, 12


def curves(mine: Sequence[float], fit: Sequence[float], first: int | None) -> Element:
    """Draw the losses of a submission and of ``.fit``, and mark the first epoch that differs."""
    finite = [loss for loss in (*mine, *fit) if math.isfinite(loss)] or [0.0]
    low, high = min(finite), max(finite)
    margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    low, high = low - margin, high + margin
    if not math.isfinite(high - low):  # numbers near the largest there are
        low, high = -1e300, 1e300
    epochs = max(len(mine), len(fit), 2)

    def x(epoch: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * epoch / (epochs - 1)

    def y(loss: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - loss) / (high - low)

    def line(losses: Sequence[float], kind: str) -> Element:
        points = [f"{x(n):.1f},{y(v):.1f}" for n, v in enumerate(losses) if math.isfinite(v)]
        return tag("polyline", points=" ".join(points), class_=kind)

    dots = [tag("circle", cx=f"{x(n):.1f}", cy=f"{y(v):.1f}", r=3.5, class_="dot") for n, v in enumerate(mine)
            if math.isfinite(v)]  # fmt: skip
    marks = [low + (high - low) * part for part in (0.06, 0.5, 0.94)]
    texts = [tag("text", f"{v:.4g}", x=LEFT - 8, y=f"{y(v) + 4:.1f}", text_anchor="end") for v in marks]
    texts += [
        tag("text", n, x=f"{x(n):.1f}", y=HEIGHT - BOTTOM + 18, text_anchor="middle")
        for n in range(0, epochs, max(1, epochs // 10))
    ]
    texts.append(tag("text", "epoch", x=WIDTH / 2, y=HEIGHT - 3, text_anchor="middle"))
    frame = f"M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"
    marked = []
    if first is not None and first < epochs:
        at = f"{x(first):.1f}"
        marked = [tag("line", x1=at, x2=at, y1=TOP, y2=HEIGHT - BOTTOM, class_="first")]
    drawing = [
        tag("path", d=frame, class_="axis"),
        *marked,
        line(mine, "mine"),
        line(fit, "fit"),
        *dots,
        *texts,
    ]
    title = "the loss of each epoch: yours and that of .fit"
    return tag("svg", tag("title", title), *drawing, viewBox=f"0 0 {WIDTH} {HEIGHT}", width=WIDTH, role="img",
               xmlns="http://www.w3.org/2000/svg")  # fmt: skip
