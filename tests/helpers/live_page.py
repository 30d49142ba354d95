"""The activities in a real browser: starts the command, and opens a page of it."""

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


def browser_path():
    """Find a browser, or say what to install."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    assert found, f"no browser: install one of {', '.join(BROWSERS)} (on Debian: apt-get install chromium)"
    return found


@contextmanager
def serving(*words):
    """Run ``python -m companion.live`` and give its address and its process; end it by Ctrl-C."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-u", "-m", "companion.live", "--no-browser", "--port", "0", *words]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()
        address = re.search(r"http://[\d.]+:\d+", line)
        assert address, line + process.communicate()[1]
        yield address[0], process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        finally:
            process.kill()


@contextmanager
def browser():
    """Start a browser without a window."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        yield started
        started.close()


class Page:
    """A page with an activity."""

    def __init__(self, started, address, lesson, width=1280, height=900, **how):
        self.page = started.new_page(viewport={"width": width, "height": height}, **how)
        self.errors = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(f"{address}/{lesson}", timeout=90_000)
        self.page.wait_for_function("document.getElementById('words')?.textContent", timeout=90_000)

    def press(self, label):
        self.page.get_by_role("button", name=label, exact=True).click()

    def words(self):
        return self.page.inner_text("#words")

    def verdict(self):
        return self.page.inner_text("#verdict")

    def wait(self, text, of="words"):
        """Wait until a text stands in one of the two lines."""
        found = f"document.getElementById('{of}').textContent.includes({text!r})"
        self.page.wait_for_function(found, timeout=180_000)
