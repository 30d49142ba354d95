"""How long it takes from a move of the dial to the painted picture, in a browser.

``python tests/benchmarks/live.py`` presses an arrow key on lesson 4's dial and waits until the canvas of the
curves is painted anew; it also prints how long the first page takes. ``--sessions 30`` opens so many pages
at once instead, six of each lesson, and prints the memory of the server before, with, and after them.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from live_page import Page, browser, serving

MOVES = 60
LESSONS = [f"lesson{n}" for n in range(1, 6)]
FORGOTTEN = 15  # seconds after which the server has forgotten the pages that were closed
WATCH = """
window.painted = [];
const paint = CanvasRenderingContext2D.prototype.drawImage;
CanvasRenderingContext2D.prototype.drawImage = function (...words) {
    window.painted.push(performance.now());
    return paint.apply(this, words);
};
"""


def megabytes(process):
    """Return the resident memory of a process that is its own: not what is shared with files."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def sessions(count):
    """Open pages of all lessons at once, let each compute, close them, and do so again."""
    with browser() as started, serving() as (address, process):
        for lesson in LESSONS:
            Page(started, address, lesson).page.close()
        time.sleep(FORGOTTEN)
        print(f"each page opened once and closed: {megabytes(process):.0f} MB")
        for turn in range(3):
            pages = [Page(started, address, LESSONS[n % len(LESSONS)], 500, 500) for n in range(count)]
            print(f"{count} open, turn {turn + 1}: {megabytes(process):.0f} MB")
            for page in pages:
                page.page.close()
            time.sleep(FORGOTTEN)
            print(f"closed: {megabytes(process):.0f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--moves", type=int, default=MOVES)
    parser.add_argument("--sessions", type=int, default=0, help="measure memory with so many")
    options = parser.parse_args()
    if options.sessions:
        return sessions(options.sessions)
    return drag(options.moves)


def drag(moves):
    """Move the dial of lesson 4, and print how long it takes until the picture."""
    begun = time.perf_counter()
    with browser() as started, serving("lesson4") as (address, _):
        page = Page(started, address, "lesson4")
        print(f"first page after {time.perf_counter() - begun:.1f} s, the browser's start included")
        page.press("Show / hide the future")
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
