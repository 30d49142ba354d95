"""Makes the pictures of the documents anew, by the companion's own plots: ``python tests/pictures.py``."""

import importlib
import io
import sys
import time
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from companion import lesson4
from companion.live.app import SIZE, LiveDial
from companion.live.dial import Dial
from companion.terminal.lesson_list import LESSONS, lesson_file

CURVES = [lesson_file(lesson, "curves.png") for lesson in LESSONS]
DIAL = lesson_file(4, "dial.png")


def draw_curves(lesson, path):
    """Run a lesson's command for its picture."""
    assert importlib.import_module(f"companion.report.{lesson}").main(["--quiet", "--plot", str(path)]) == 0


def draw_dial(path):
    """Train with the live dial for a while, turn it up, and wait for ``.fit``."""
    x, y = lesson4.load_data()
    dial = Dial(lesson4.build_model, x, y, seed=0, hidden=8, batch_size=32, epochs=200, rate=0.1)
    figure = Figure(figsize=SIZE)
    canvas = FigureCanvasAgg(figure)
    live = LiveDial(dial, figure, "Lesson 4: the learning-rate dial (SGD, seed 0)")
    for _ in range(40):
        dial.step()
    live.rate.set_val(0.6)
    live.tick()
    for _ in range(35):
        dial.step()
    while dial.fit is None:
        assert "not compared" not in dial.verdict, dial.verdict
        dial.ask_worker()
        time.sleep(0.02)
    live._update()
    canvas.draw()
    picture = io.BytesIO()
    canvas.print_png(picture)
    live.close()
    Path(path).write_bytes(picture.getvalue())


def main():
    chosen = sys.argv[1:] or [*LESSONS, "dial"]
    for lesson, path in zip(LESSONS, CURVES, strict=True):
        if lesson in chosen:
            draw_curves(lesson, path)
    if "dial" in chosen:
        draw_dial(DIAL)


if __name__ == "__main__":
    main()
