"""What all pages share: their frame, their colors in light and dark, and the words that say what happens."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from bokeh.document import Document
from bokeh.events import DocumentReady
from bokeh.layouts import column, row
from bokeh.models import CustomJS, CustomJSTickFormatter, LayoutDOM
from bokeh.models.widgets import Button, Select, Slider
from bokeh.plotting import figure
from jinja2 import Template

from companion.terminal.lesson_list import LESSONS

TITLES = {name: f"{one.activity[:1].upper()}{one.activity[1:]}" for name, one in LESSONS.items()}
POWER_STEP = 0.05  # so that 0.1 can be hit, and not only 0.0992
GROWING: dict[str, Any] = {"sizing_mode": "stretch_width", "height": 360, "styles": {"flex": "1 1 340px"}}
TRAIN = "Train / pause"  # always the same: a button whose label changes loses the focus
TICK = 30  # milliseconds between two looks at what is to be done

# Colors that people with any kind of color vision tell apart (Okabe and Ito), for light and dark pages.
BY_HAND, FIT, NOW = "#0072B2", "#E69F00", "#009E73"
CLASSES = ("#5D3A9B", "#E66100")


@dataclass(frozen=True)
class Colors:
    """The colors of a page, light or dark."""

    ink: str
    paper: str
    line: str
    by_hand: str
    high: str


LIGHT = Colors("#1a1a1a", "#ffffff", "#d0d0d0", BY_HAND, "#8f8f8f")
DARK = Colors("#e8e8e8", "#16181c", "#44474d", "#56B4E9", "#7d828c")
WIDGETS = """
    :host { font-size: 1rem; color: inherit; color-scheme: inherit; --font-size: 1rem }
    .bk-input { background: transparent; color: inherit; font-size: 1rem; height: auto }
    .bk-input option { color: #1a1a1a }
    select.bk-input { appearance: auto !important; background-image: none !important }
    .bk-btn-default, .bk-btn-default:hover, .bk-btn-default:active, .bk-btn-default:focus
      { background: transparent; color: inherit }
    .bk-btn-default:hover { background: #8a8a8a44 }
    .noUi-target { background: #8a8a8a66 !important } .noUi-connect { background: #8a8a8a !important }
    .bk-btn { font-size: 1rem; min-height: 2.6rem }
    .bk-btn:focus-visible, .bk-input:focus-visible, .noUi-handle:focus-visible
      { outline: 3px solid #D55E00; outline-offset: 2px }
    .noUi-handle { width: 26px !important; height: 26px !important; right: -13px !important;
      top: -10px !important }
"""  # each widget gets a copy, since none may stand on two pages
PAGE = Template(
    """
{% extends base %}
{% block preamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<script>
const dark = matchMedia("(prefers-color-scheme: dark)").matches, here = new URL(location);
if (dark !== here.searchParams.has("dark")) {
  dark ? here.searchParams.set("dark", "1") : here.searchParams.delete("dark");
  location.replace(here);
}
</script>
<style>
:root { color-scheme: {{ "dark" if dark else "light" }} }
body { background: {{ colors.paper }} }
.page { font: 16px/1.5 system-ui, sans-serif; color: {{ colors.ink }}; max-width: 100rem; margin: 0 auto;
  padding: .5rem 1rem 2rem }
h1 { font-size: 1.4rem; margin: .4rem 0 } nav a, nav b { margin-right: 1rem; white-space: nowrap }
a { color: {{ colors.by_hand }} }
#words { font-size: 1.15rem; font-weight: 600; margin: .2rem 0; min-height: 3em; position: sticky; top: 0;
  z-index: 10; background: {{ colors.paper }} }
@media (max-width: 600px) { #words { font-size: 1rem; min-height: 6em } }
#verdict { margin: .2rem 0 0; min-height: 1.5em } details { margin-bottom: .6rem; font-size: .9rem }
a:focus-visible, summary:focus-visible { outline: 3px solid #D55E00 }
footer { margin-top: 1rem }
</style>
{% endblock %}
{% block contents %}
<div class="page">
<nav aria-label="activities">{% for name, title in titles.items() %}
{% if name == lesson %}<b aria-current="page">{{ title }}</b>
{% else %}<a href="{{ name }}">{{ title }}</a>{% endif %}
{% endfor %}</nav>
<h1>Lesson {{ lesson[-1] }}: {{ titles[lesson] }}</h1>
<p>{{ task }}</p>
<p id="words" role="status" aria-live="polite"></p>
<p id="verdict"></p>
<details><summary>What is compared?</summary>By hand: the loop of lesson{{ lesson[-1] }}.py, which you watch.
.fit: Keras' own <code>model.fit</code>, which a second process runs with the same settings. Identical means
that all losses and weights are equal, to the last bit.</details>
<main>{{ super() }}</main>
<footer>{{ end }}</footer>
</div>
{% endblock %}
"""
)

# Into the page's own paragraphs, since a screen reader does not hear what stands inside a widget.
SHOW_LINES = """
["words", "verdict"].forEach((line, n) => {
  const shown = document.getElementById(line);
  if (shown.textContent !== root.tags[n]) shown.textContent = root.tags[n];
});
"""
# A slider's handle says to a screen reader what it sets and how it stands: by itself it says a bare number.
NAME_HANDLES = """
for (const slider of sliders) {
  const view = Bokeh.index.find_one(slider), handle = view.shadow_el.querySelector(".noUi-handle");
  handle.setAttribute("aria-label", slider.title);
  handle.setAttribute("aria-valuetext", view.title_el.textContent.split(": ").at(-1));
}
"""


def between(first: str, last: str, count: int = 64) -> list[str]:
    """Return colors from one over white to another."""
    return shades(first, "#ffffff", count // 2) + shades("#ffffff", last, count // 2)


def shades(first: str, last: str, count: int = 64) -> list[str]:
    """Return colors from one to another."""
    ends = [np.array([int(color[n : n + 2], 16) for n in (1, 3, 5)]) for color in (first, last)]
    mixed = [ends[0] + (ends[1] - ends[0]) * k / (count - 1) for k in range(count)]
    return ["#" + "".join(f"{int(part):02x}" for part in color) for color in mixed]


class Shell:
    """The frame of a page: words, verdict, and widgets that look alike.

    Parameters
    ----------
    document : Document
        Of one session.
    lesson : str
        Such as "lesson4".
    task : str
        What to do, in a sentence or two.
    end : str
        What the activity shows, where to find it in the lesson, and what comes next, as HTML.
    """

    def __init__(self, document: Document, lesson: str, task: str, end: str) -> None:
        context = document.session_context
        arguments = getattr(getattr(context, "request", None), "arguments", {})
        self.document, self.is_dark = document, "dark" in arguments
        self._sliders: list[Slider] = []
        self.colors = DARK if self.is_dark else LIGHT
        document.title = f"{TITLES[lesson]} (lesson {lesson[-1]})"
        document.template = PAGE
        document.template_variables.update(
            lesson=lesson, titles=TITLES, task=task, end=end, dark=self.is_dark,
            colors=self.colors,
        )  # fmt: skip
        # The two lines are its tags: a change of a widget's text would lay out the whole page again.
        self._root = column(sizing_mode="stretch_width", tags=["", ""])
        show = CustomJS(args={"root": self._root}, code=SHOW_LINES)
        self._root.js_on_change("tags", show)
        document.js_on_event(DocumentReady, show)

    def say(self, words: str, verdict: str = "") -> None:
        """Set the two lines that say what happens."""
        if self._root.tags != [words, verdict]:
            self._root.tags = [words, verdict]

    def figure(self, title: str, **how: Any) -> Any:
        """Return a figure that grows and shrinks with the page."""
        made: Any = figure(
            title=title, toolbar_location=None, tools="", min_width=300,
            background_fill_color=self.colors.paper, border_fill_color=self.colors.paper,
            outline_line_color=self.colors.line,
            **{**GROWING, **how},
        )  # fmt: skip
        made.title.text_color = self.colors.ink
        for axis in made.axis:
            axis.axis_label_text_color = axis.major_label_text_color = self.colors.ink
            axis.axis_line_color = axis.major_tick_line_color = self.colors.line
            axis.minor_tick_line_color = None
        made.grid.grid_line_color = self.colors.line
        made.grid.grid_line_alpha = 0.5
        return made

    def legend(self, made: Any, place: str = "top_right") -> None:
        """Let a figure's legend stand at a place inside it."""
        legend = made.legend
        legend.location, legend.label_text_color = place, self.colors.ink
        legend.background_fill_color, legend.background_fill_alpha = self.colors.paper, 0.7
        legend.border_line_color = None

    def rate(self, ends: tuple[float, float], rate: float, changed: Callable[[float], None]) -> Slider:
        """Return the dial: a slider over powers of ten that calls `changed` with each new learning rate."""
        low, high = (float(np.log10(end)) for end in ends)
        made = self.slider(
            "learning rate", low, high, float(np.log10(rate)), POWER_STEP,
            lambda power: changed(float(f"{10 ** min(max(float(power), low), high):.3g}")),
        )  # fmt: skip
        made.format = CustomJSTickFormatter(code="return String(Number((10 ** tick).toPrecision(3)))")
        return made

    def slider(
        self, title: str, start: float, end: float, value: float, step: float, changed: Callable
    ) -> Slider:
        """Return a slider that calls `changed` with each new value."""
        made = Slider(
            title=title, start=start, end=end, value=value, step=step, stylesheets=[WIDGETS],
            sizing_mode="stretch_width", min_width=260, styles={"flex": "2 1 260px"},
        )  # fmt: skip
        made.on_change("value", lambda _, old, new: changed(new))
        self._sliders.append(made)
        return made

    def choice(
        self, title: str, choices: tuple[int, ...], value: int, changed: Callable[[int], None]
    ) -> Select:
        """Return a list to choose a number from."""
        options: Any = [str(one) for one in choices]
        made = Select(
            title=title,
            options=options,
            value=str(value),
            stylesheets=[WIDGETS],
            width=150,
        )
        made.on_change("value", lambda _, old, new: changed(int(new)) if int(new) in choices else None)
        return made

    def button(self, label: str, pressed: Callable[[], None], *, is_main: bool = False) -> Button:
        """Return a button."""
        kind: Literal["default", "primary"] = "primary" if is_main else "default"
        made = Button(label=label, button_type=kind, stylesheets=[WIDGETS], width=60 + 9 * len(label))
        made.on_click(pressed)
        return made

    def row(self, *parts: LayoutDOM, align: str = "end") -> LayoutDOM:
        """Put parts beside each other, or below where the page is narrow."""
        return row(
            *parts,
            sizing_mode="stretch_width",
            styles={"flex-wrap": "wrap", "gap": "12px", "align-items": align},
        )

    def show(self, *parts: LayoutDOM, every_tick: Callable[[], None]) -> None:
        """Put parts below each other on the page, and call `every_tick` again and again."""
        self._root.children = list(parts)
        name = CustomJS(args={"sliders": self._sliders}, code=NAME_HANDLES)
        self.document.js_on_event(DocumentReady, name)
        for slider in self._sliders:
            slider.js_on_change("value", name)
        self.document.add_root(self._root)
        self.document.add_periodic_callback(every_tick, TICK)
