"""The live dial in a real browser: starts the command, opens its page, and moves the mouse there."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# When a picture is drawn in the page, and when the mouse moved before it.
WATCH = """
window.moved = []; window.drawn = [];
document.addEventListener('mousemove', () => window.moved.push(performance.now()), true);
const draw = CanvasRenderingContext2D.prototype.drawImage;
CanvasRenderingContext2D.prototype.drawImage = function (...words) {
    window.drawn.push(performance.now());
    return draw.apply(this, words);
};
"""


DRAWN = "window.drawn.length > 0 && performance.now() - window.drawn.at(-1) > 700"


def browser_path():
    """Find a browser, or say what to install."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    assert found, f"no browser: install one of {', '.join(BROWSERS)} (on Debian: apt-get install chromium)"
    return found


class Page:
    """The dial's page; places are fractions of the figure, from its lower left."""

    def __init__(self, page):
        self.page = page
        self.box = page.locator("canvas").first.bounding_box()

    def point(self, across, up):
        box = self.box
        return box["x"] + across * box["width"], box["y"] + (1 - up) * box["height"]

    def drag_rate(self, start, end, moves=20, pause=20):
        """Drag the dial; 0 is its left end, 1 its right."""
        places = [start + (end - start) * k / moves for k in range(moves + 1)]
        self.forget_drawn()
        self.page.mouse.move(*self.point(0.2 + 0.6 * places[0], 0.165))
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*self.point(0.2 + 0.6 * place, 0.165))
            self.page.wait_for_timeout(pause)
        self.page.mouse.up()

    def forget_drawn(self):
        """Let ``rest`` wait for a picture that is drawn from now on."""
        self.page.evaluate("window.drawn = []")

    def rest(self):
        """Wait until what was begun is drawn, and nothing more comes."""
        self.page.wait_for_function(DRAWN, timeout=60_000)

    def click(self, button):
        self.forget_drawn()
        self.page.mouse.click(*self.point({"train": 0.29, "step": 0.5, "reset": 0.71}[button], 0.05))

    def picture(self, left, low, right, high):
        """Give the pixels of a part of the page, as PNG."""
        (x, y), (end, bottom) = self.point(left, high), self.point(right, low)
        return self.page.screenshot(clip={"x": x, "y": y, "width": end - x, "height": bottom - y})


@contextmanager
def live_page(*words):
    """Run ``python -m companion.lesson4 --browser`` and open its page."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "BROWSER": "true"}  # opens none by itself
    command = [sys.executable, "-u", "-m", "companion.lesson4", "--live", "--browser", *words]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()
        address = re.search(r"http://\S+", line)
        assert address, line + process.communicate()[1]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1200, "height": 760})
            page.add_init_script(WATCH)
            page.goto(address[0])
            shown = Page(page)
            shown.rest()
            yield shown, process
            browser.close()
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        finally:
            process.kill()
