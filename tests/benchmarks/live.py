"""How long it takes from a drag of the live dial to its picture in the page.

``python tests/benchmarks/live.py`` prints it for single moves, and how many pictures a long drag gives.
"""

import argparse
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from live_page import live_page

MOVES = 60


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--moves", type=int, default=MOVES)
    moves = parser.parse_args().moves
    with live_page() as (page, _):
        page.page.wait_for_timeout(15_000)  # .fit, in the second process, has been trained once
        times = []
        page.page.mouse.move(*page.point(0.2, 0.165))
        page.page.mouse.down()
        for move in range(1, moves + 1):
            page.page.evaluate("window.moved = []; window.drawn = []")
            page.page.mouse.move(*page.point(0.2 + 0.6 * move / moves, 0.165))
            page.page.wait_for_function("window.drawn.some(at => at > window.moved[0])")
            page.page.wait_for_timeout(150)
            times.append(
                page.page.evaluate("window.drawn.find(at => at > window.moved[0]) - window.moved[0]")
            )
        page.page.mouse.up()
        print(f"from a move to its picture: median {statistics.median(times):.0f} ms, ", end="")
        print(f"9 of 10 within {sorted(times)[int(0.9 * moves)]:.0f} ms, ", end="")
        print(f"{sum(time <= 50 for time in times)} of {moves} within 50 ms")
        page.page.evaluate("window.drawn = []")
        page.drag_rate(0, 1, moves=150, pause=10)
        drawn = page.page.evaluate("[window.drawn.length, window.drawn.at(-1) - window.drawn[0]]")
        print(f"dragged from end to end: {drawn[0] / drawn[1] * 1000:.0f} pictures a second")


if __name__ == "__main__":
    main()
