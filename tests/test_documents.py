"""The documents tell the truth: their commands are the ones in use, their output is what is printed."""

import configparser
import contextlib
import io
import re
from collections import Counter

import keras
import pytest
from mistake_cases import SINGLES
from right_loops import RIGHT_LOOPS
from script_cases import RIGHT, WRONG

from companion.__main__ import index
from companion.check import __main__ as check
from companion.check.catalogue import MISTAKES
from companion.conformance import table
from companion.terminal.lesson_list import LESSONS, course_file

README = "README.md"
MANUALS = ("check", "compare", "comparison", "conformance", "eject", "grade", "live", "mistakes", "quiz")


@pytest.fixture(scope="module")
def document(pytestconfig):
    """Return the text of a document by its path, or of a command's manual by the command's name."""

    def read(name):
        path = name if name.endswith(".md") else f"companion/{name}/README.md"
        return (pytestconfig.rootpath / path).read_text(encoding="utf-8")

    return read


def labeled(text, label):
    """Return the block of output that stands behind ``<!-- label -->``."""
    (block,) = re.findall(rf"<!-- {label} -->\n```text\n(.*?)```", text, re.DOTALL)
    return block


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def without_noise(text):
    """Blank out what differs from machine to machine: differences as small as 1e-07, and trailing spaces."""
    lines = [re.sub(r"\d\.\de-\d\d", "#", line) for line in text.strip().splitlines()]
    return "\n".join(re.sub(r"(#|\b0)\s*$", "#", line).rstrip() for line in lines)


def test_the_readme_is_one_screen(document):
    lines = document(README).splitlines()
    assert len(lines) <= 150
    assert max(map(len, lines)) <= 100
    for manual in MANUALS:
        assert len(document(manual).splitlines()) <= 150, manual
    assert len(document("lessons/README.md").splitlines()) <= 150


@pytest.mark.xdist_group("lesson3")
def test_the_output_in_the_readme_is_what_the_command_prints(document, whole_run):
    assert labeled(document(README), "lesson3").strip() in whole_run("lesson3").out


@pytest.mark.parametrize("lesson", ["lesson2", "lesson3"])
def test_what_is_printed_and_measured_is_what_the_report_says(document, whole_run, lesson):
    pasted = labeled(document("lessons/printed-and-measured.md"), lesson)
    assert without_noise(pasted) in without_noise(whole_run(lesson).out)


@pytest.mark.full
@pytest.mark.parametrize("lesson", ["lesson1", "lesson4", "lesson5"])
def test_what_is_printed_and_measured_is_what_the_longer_reports_say(document, whole_run, lesson):
    pasted = labeled(document("lessons/printed-and-measured.md"), lesson)
    assert without_noise(pasted) in without_noise(whole_run(lesson).out)


def test_the_check_says_of_the_script_in_its_manual_what_the_manual_says(
    document, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_script.py").write_text(blocks(document("check"), "py")[0])
    assert check.main(["my_script.py"]) == 1
    printed = "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines())
    assert labeled(document("check"), "script").strip() in printed


def test_the_table_of_loops_in_the_manual_counts_the_loops_there_are(document):
    """That none is named wrongly: tests/check/test_mistakes.py; of all pairs: tests/benchmarks/check.py."""
    rows = re.findall(
        r"^(\w.*?) {2,}(\d+) +(\d+) +(\d+) +(\d+) +(\d+)$",
        labeled(document("check"), "figures"),
        re.MULTILINE,
    )
    counts = {kind: [int(number) for number in numbers] for kind, *numbers in rows}
    assert counts["one mistake"][0] == len(SINGLES)
    assert counts["right loops"][0] == len(RIGHT_LOOPS)
    assert counts["two at once"][0] >= 60
    assert (counts["one, in a script"][0], counts["right scripts"][0]) == (len(WRONG), len(RIGHT))
    assert all(sum(said) == loops for loops, *said in counts.values())


@pytest.mark.parametrize("place", ["README.md", "lessons/README.md", "companion/check/README.md"])
def test_the_number_of_mistakes_is_that_of_the_catalogue(document, place):
    assert re.findall(r"one of\s+(\d+)\s+(?:mistakes|ways)", document(place)) == [str(len(MISTAKES))]


def test_the_conformance_table_counts_the_rows_there_are(document):
    """That all of them are identical, tests/benchmarks/conformance.py says; here is not the time for it."""
    counts = Counter(
        f"{row.group}: {row.name}" if row.group == "networks" else row.group for row in table.combinations()
    )
    pasted_table = labeled(document("conformance"), "table")
    pasted = re.findall(r"^(\w.*?) {2,}(\d+) +(\d+) ", pasted_table, re.MULTILINE)
    found = {option: int(rows) for option, rows, _ in pasted}
    assert found.keys() == counts.keys()
    # The table is of Keras 3.15. An older one lacks some of what is combined.
    is_older = tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15)
    assert counts <= Counter(found) if is_older else counts == found
    total = sum(found.values())
    assert re.search(
        rf"in 1, .fit .*all other {total - 1} combinations are identical", pasted_table, re.DOTALL
    )
    for place in (README, "conformance"):
        assert f"{total} combinations" in document(place)


def test_the_options_in_the_course_are_those_of_help(document, lesson3_main, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    status, out, _ = lesson3_main("--help")
    assert status == 0
    assert " ".join(labeled(document("lessons/README.md"), "options").split()) == " ".join(out.split())


@pytest.mark.parametrize("place", [README, "lessons/README.md", "comparison"])
def test_the_python_in_a_document_runs_and_prints_what_its_comment_says(document, place):
    examples = blocks(document(place), "python")
    assert examples
    for code in examples:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(code, {})
        assert f"# {out.getvalue().strip()}\n" in code


def test_ci_and_readme_give_the_same_test_command(document, pytestconfig):
    run, test = (block.strip() for block in blocks(document(README), "sh"))
    assert f"\n{test}\n" in (pytestconfig.rootpath / ".ci" / "run").read_text(encoding="utf-8")
    assert run.endswith("-m companion.lesson3")
    assert run.split(" && ")[0] == test.split(" && ")[0]


@pytest.mark.xdist_group("lesson3")
def test_every_json_key_is_documented(document, whole_run):
    result = whole_run("lesson3").result
    section = document("lessons/README.md").split("## JSON and CSV")[1].split("\n## ")[0]
    named = set(re.findall(r"`\"?([\w.]+)\"?`", section))
    assert set(result) <= named
    for part in ("settings", "histories", "comparison", "textbook_fit", "metrics", "versions"):
        assert set(result[part]) <= named, part
    for part in ("scan", "printed"):
        assert set(result[part][0]) <= named, part


def anchors(text):
    """Return what the headings of a document are called in links to them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_in_the_documents_lead_somewhere(pytestconfig):
    root = pytestconfig.rootpath
    documents = [*root.glob("*.md"), *root.glob("lessons/**/*.md"), *root.glob("companion/**/*.md")]
    links = [
        (path, link)
        for path in [*documents, root / "data" / "README.md"]
        for link in re.findall(r"\]\(([^):]+)\)", path.read_text(encoding="utf-8"))
    ]
    assert links
    for path, link in links:
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), f"{path}: {link}"
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), f"{path}: {link}"


def test_links_in_the_readme_are_whole_addresses_of_files_that_are_there(document, pytestconfig):
    """A package index shows the README without the files beside it."""
    setup = configparser.ConfigParser()
    setup.read(pytestconfig.rootpath / "setup.cfg", encoding="utf-8")
    text, home = document(README), setup["metadata"]["url"]
    assert not re.findall(r"\]\(", text)
    addresses = dict(re.findall(r"^\[(.+)\]: (\S+)$", text, re.MULTILINE))
    prose = re.sub(
        r"(?s)```.*?```|(?-s:`'.*?'`)|(?m-s:^\[[^\]]+\]: .*$)", "", text
    )  # without code and addresses
    links = re.findall(r"\[([^\]]+)\](?:\[([^\]]+)\])?", prose)
    assert {label or name for name, label in links} == set(addresses)
    for address in addresses.values():
        place = re.fullmatch(rf"{re.escape(home)}/(?:blob|raw)/main/(.+)", address)
        assert place, address
        assert (pytestconfig.rootpath / place[1]).is_file(), address


@pytest.mark.parametrize("lesson", LESSONS.values())
def test_the_lesson_s_title_stands_in_the_index_and_the_course(lesson):
    assert lesson.title in index()
    assert lesson.title in course_file("README.md").read_text(encoding="utf-8")
