"""How long it takes from a move of the dial to the painted picture, in a browser.

``python tests/benchmarks/live.py`` presses an arrow key on lesson 4's dial and waits until the canvas of the
curves is painted anew; it also prints how long the first page takes.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from live_page import Page, browser, serving

MOVES = 60
WATCH = """
window.painted = [];
const paint = CanvasRenderingContext2D.prototype.drawImage;
CanvasRenderingContext2D.prototype.drawImage = function (...words) {
    window.painted.push(performance.now());
    return paint.apply(this, words);
};
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--moves", type=int, default=MOVES)
    moves = parser.parse_args().moves
    begun = time.perf_counter()
    with browser() as started, serving("lesson4") as (address, _):
        page = Page(started, address, "lesson4")
        print(f"first page after {time.perf_counter() - begun:.1f} s, the browser's start included")
        page.press("Show the future")
        page.wait("identical", of="verdict")  # .fit, in the second process, has been trained once
        page.page.evaluate(f"() => {{ {WATCH} }}")
        page.page.locator(".noUi-handle").first.focus()
        times = []
        for move in range(moves):
            page.page.evaluate("window.painted = []; window.moved = 0")
            page.page.evaluate(
                "document.addEventListener('keydown', () => window.moved = performance.now(), {once: true})"
            )
            page.page.keyboard.press("ArrowRight" if move % 20 < 10 else "ArrowLeft")
            page.page.wait_for_function("window.painted.some(at => at > window.moved)")
            page.page.wait_for_timeout(150)
            times.append(page.page.evaluate("window.painted.find(at => at > window.moved) - window.moved"))
        print(f"from a move to its picture: median {statistics.median(times):.0f} ms, ", end="")
        print(f"9 of 10 within {sorted(times)[int(0.9 * moves)]:.0f} ms, ", end="")
        print(f"{sum(time <= 50 for time in times)} of {moves} within 50 ms")


if __name__ == "__main__":
    main()
