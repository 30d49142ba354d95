"""What a student holds in hands: readings that say what is printed and what is code, notebooks that run."""

import importlib
import inspect
import json
import os
import re
import subprocess
import sys

import nbclient
import nbformat
import pytest
from marks import only

from companion import notebooks
from companion.mistakes.broken_loops import EDITS
from companion.report.questions import predictions_of
from companion.terminal.lesson_list import LESSONS, course_file, lesson_file
from companion.terminal.quiet_start import NOTE

HEADINGS = [
    "Predict, then run",
    "What to look at",
    "The two halves",
    "What the page says",
    "Where to go on",
]


def reading(lesson):
    return lesson_file(lesson, "README.md").read_text(encoding="utf-8")


def stripped(text):
    """Leave out the spaces at the ends of lines, and what differs from machine to machine."""
    return "\n".join(re.sub(r"\d\.\de-\d\d", "#", line).rstrip() for line in text.strip().splitlines())


def without_rounding(text):
    """Leave out what lesson 4 gives at rates 10 and 100: there rounding differs by kind of processor."""
    kept = re.sub(r"^ *(100?\.0) .*$", r"\1 #", text, flags=re.MULTILINE)
    return re.sub(r"\n {32}\S.*$", "", kept, flags=re.MULTILINE)


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_reading_has_the_parts_that_all_have(lesson):
    text = reading(lesson)
    assert text.startswith(f"# Lesson {lesson[-1]}: {LESSONS[lesson].title}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS
    for command in (lesson, f"check {lesson} exercise.py", f"quiz {lesson}", "notebooks"):
        assert f"python -m companion.{command}" in text, command
    assert "(curves.png)" in text


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_reading_asks_what_predict_asks(lesson):
    section = reading(lesson).split("## Predict, then run")[1].split("\n## ")[0]
    asked = re.findall(r"^\d+\. (.*?)$", section.replace("\n   ", " "), re.MULTILINE)
    assert asked == [question.text for question in predictions_of(lesson)]
    assert f"python -m companion.{lesson} --predict\n" in section


@pytest.mark.parametrize("lesson", only(LESSONS, "lesson2", "lesson3"))
def test_what_a_reading_shows_is_what_the_command_prints(lesson, whole_run):
    run = whole_run(lesson)
    assert run.status == 0
    pasted = re.findall(r"```text\n(.*?)```", reading(lesson), re.DOTALL)
    assert pasted
    comparable = without_rounding if lesson == "lesson4" else str
    for block in pasted:
        assert comparable(stripped(block)) in comparable(stripped(run.out)), block


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_table_of_the_two_halves_is_their_code(lesson):
    module = importlib.import_module(f"companion.{lesson}")
    table = reading(lesson).split("## The two halves")[1].split("\n## ")[0]
    rows = re.findall(r"^\| \[(\d+)\] \| (.*?) \| (.*?) \|$", table, re.MULTILINE)
    source = inspect.getsource(module.train_by_hand)
    tags = re.findall(r"\[(\d+)\]", "".join(re.findall("#.*", source)))
    assert [number for number, *_ in rows] == sorted(set(tags), key=int)
    for number, *cells in rows:
        for cell, train in zip(cells, (module.train_by_hand, module.train_with_fit), strict=True):
            for code in re.findall(r"`([^`]+)`", cell):
                if code not in (".fit", "model.fit"):
                    assert code.replace("\\|", "|") in inspect.getsource(train), (number, code)


def test_the_course_lists_every_lesson_and_counts_the_mistakes():
    text = course_file("README.md").read_text(encoding="utf-8")
    assert all(f"]({lesson}/README.md)" in text for lesson in LESSONS)
    assert f"in one of {len(EDITS)} ways" in " ".join(text.split())


@pytest.mark.full
@pytest.mark.parametrize("lesson", LESSONS)
def test_a_walkthrough_runs_as_a_script(lesson):
    environment = {**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": str(course_file("..").resolve())}
    command = [sys.executable, "-W", "error::RuntimeWarning", str(lesson_file(lesson, "walkthrough.py"))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    told = [line for line in done.stderr.encode().splitlines(keepends=True) if not NOTE.match(line)]
    assert (done.returncode, told) == (0, [])
    assert "identical" in done.stdout


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_walkthrough_copies_no_code_of_the_lesson(lesson):
    text = lesson_file(lesson, "walkthrough.py").read_text(encoding="utf-8")
    module = importlib.import_module(f"companion.{lesson}")
    lines = {line.strip() for line in inspect.getsource(module).splitlines() if len(line.strip()) > 40}
    assert not lines & {
        line.strip() for line in text.splitlines() if not line.startswith(("#", "import", "from"))
    }
    assert "inspect.getsource" in text


# The cells of lesson 1, which take longest, run as a script only.
@pytest.mark.parametrize("lesson", only(list(LESSONS)[1:], "lesson2"))
def test_a_walkthrough_runs_as_a_notebook(lesson, tmp_path, capsys, monkeypatch):
    assert notebooks.main([str(tmp_path / "made"), lesson]) == 0
    path = tmp_path / "made" / f"{lesson}.ipynb"
    assert capsys.readouterr().out.startswith(f"{path}\nOpen them in Jupyter ")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    monkeypatch.setenv("PYTHONPATH", str(course_file("..").resolve()))
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert "identical" in "".join(output.get("text", "") for output in outputs)


def test_the_same_walkthrough_gives_the_same_notebook_and_none_is_overwritten_that_was_changed(
    tmp_path, capsys
):
    path = tmp_path / "lesson3.ipynb"
    assert notebooks.main([str(tmp_path), "lesson3"]) == 0
    made = path.read_bytes()
    assert notebooks.main([str(tmp_path), "lesson3"]) == 0
    assert path.read_bytes() == made
    assert json.loads(made)["nbformat"] == 4
    path.write_text("{}")
    assert notebooks.main([str(tmp_path), "lesson3", "lesson4"]) == 2
    assert "--overwrite replaces it" in capsys.readouterr().err
    assert (path.read_text(), (tmp_path / "lesson4.ipynb").exists()) == ("{}", False)
    assert notebooks.main([str(tmp_path), "lesson3", "--overwrite"]) == 0
    assert path.read_bytes() == made


def test_what_cannot_be_made_into_notebooks_is_told_in_one_line(tmp_path, capsys, monkeypatch):
    with pytest.raises(SystemExit):
        notebooks.main([str(tmp_path), "lesson9"])
    (tmp_path / "file").write_text("")
    assert notebooks.main([str(tmp_path / "file" / "sub"), "lesson3"]) == 2
    (tmp_path / "lesson2.ipynb").mkdir()
    assert notebooks.main([str(tmp_path)]) == 2
    monkeypatch.setattr(notebooks.importlib.util, "find_spec", lambda name: None)
    assert notebooks.main([str(tmp_path), "lesson3"]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 4
    assert "lesson2.ipynb' is a folder: name another OUTPUT" in told.pop(2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "lesson2.ipynb"]
    assert "'lesson9' is no lesson: there are lesson1" in told[0]
    assert "cannot be made" in told[1]
    assert "pip install 'fit-by-hand[notebooks]'" in told[2]


@pytest.mark.full
def test_an_activity_opens_in_a_notebook(monkeypatch):
    code = (
        "import urllib.request\nfrom companion.live.notebook import show\nframe = show('lesson1', 700)\nframe"
    )
    read = "import urllib.request\nb'Lesson 1' in urllib.request.urlopen(frame.src, timeout=90).read()"
    cells = [nbformat.v4.new_code_cell(text) for text in (code, read)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    monkeypatch.setenv("PYTHONPATH", str(course_file("..").resolve()))
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown, answered = (cell["outputs"][-1]["data"] for cell in notebook.cells)
    assert re.search(r"http://127\.0\.0\.1:\d+/lesson1", shown["text/html"])
    assert answered["text/plain"] == "True"
