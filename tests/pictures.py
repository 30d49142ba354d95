"""Makes the pictures of the documents anew: ``python tests/pictures.py``, or with the names of some.

Those of pages need a Chromium or Chrome.
"""

import contextlib
import importlib
import io
import re
import sys
import tempfile
from pathlib import Path

import companion
from companion.check.script.check_script import check_script
from companion.check.script.result import print_script
from companion.grade import __main__ as grade
from companion.terminal.console import Report
from companion.terminal.lesson_list import LESSONS, lesson_file

sys.path.insert(0, str(Path(__file__).parent / "helpers"))

PACKAGE = Path(companion.__file__).parent
CURVES = [lesson_file(lesson, "curves.png") for lesson in LESSONS]
DIAL = lesson_file(4, "dial.png")


def draw_curves(lesson, path):
    """Run a lesson's command for its picture."""
    assert importlib.import_module(f"companion.report.{lesson}").main(["--quiet", "--plot", str(path)]) == 0


def draw_dial(path):
    """Train with the dial for a while, turn it up, and wait for ``.fit``, in a browser."""
    from live_page import Page, browser, serving  # needs the helpers of the tests

    with serving("lesson4") as (address, _), browser() as started:
        page = Page(started, address, "lesson4", 1100, 760)
        for _ in range(40):
            page.press("Step")
        page.page.locator(".noUi-handle").first.focus()
        for _ in range(16):
            page.page.keyboard.press("ArrowRight")
        for _ in range(35):
            page.press("Step")
        page.press("Show / hide the future")
        page.wait("identical", of="verdict")
        page.page.screenshot(path=path, full_page=True)
        return page.words(), page.verdict()


def draw_check(path):
    """Check the script in the manual of ``check``; draw the terminal."""
    manual = (PACKAGE / "check" / "README.md").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        script = re.findall(r"```py\n(.*?)```", manual, re.DOTALL)[0]
        Path("my_script.py").write_text(script, encoding="utf-8")
        found = check_script("my_script.py")
    report = Report(file=io.StringIO(), record=True, width=80, force_terminal=True, color_system="truecolor")
    print_script(report, found)
    text = report.export_svg(title="python -m companion.check my_script.py", unique_id="check")
    text = re.sub(r"\s*@font-face \{.*?\n    \}", "", text, flags=re.DOTALL)  # fonts from the web
    path.write_text(text, encoding="utf-8")


def draw_pages(folder):
    """Grade a small class, and draw its page and the feedback to one student, as a browser shows them."""
    from classes import RIGHT, lay, wrong  # these need the helpers of the tests
    from live_page import browser_path
    from playwright.sync_api import sync_playwright

    mistakes = ["sum-instead-of-mean", "no-update", "plain-mean-over-batches", "sum-instead-of-mean"]
    loops = [
        RIGHT,
        RIGHT,
        *map(wrong, mistakes),
        "def train(model, x, y, *, learning_rate, batch_size, epochs):\n    1 / 0\n",
    ]
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        out = Path(name, "grades")
        handed_in = Path(name, "submissions")
        lay(handed_in, {f"s{1001 + number}.py": loop for number, loop in enumerate(loops)})
        words = ["lesson3", str(handed_in), "--output", str(out), "--seed", "5", "--seconds", "10", "--quiet"]
        assert grade.main(words) == 0
        browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 900, "height": 1100})
        for picture, html in (("class", out / "class.html"), ("feedback", out / "feedback" / "s1003.html")):
            page.goto(html.as_uri())
            page.screenshot(path=folder / f"{picture}.png")
        browser.close()


def main():
    chosen = sys.argv[1:] or [*LESSONS, "dial", "check", "pages"]
    if "check" in chosen:
        draw_check(PACKAGE / "check" / "check.svg")
    if "pages" in chosen:
        draw_pages(PACKAGE / "grade")
    for lesson, path in zip(LESSONS, CURVES, strict=True):
        if lesson in chosen:
            draw_curves(lesson, path)
    if "dial" in chosen:
        draw_dial(DIAL)


if __name__ == "__main__":
    main()
