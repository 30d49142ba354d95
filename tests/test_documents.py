"""The documents tell the truth: their commands are the ones in use, their output is what is printed."""

import re
from collections import Counter

import pytest
from mistake_cases import SINGLES
from right_loops import RIGHT_LOOPS

from companion.__main__ import index
from companion.check import __main__ as check
from companion.conformance import table
from companion.terminal.lesson_list import LESSONS


@pytest.fixture(scope="module")
def readme(pytestconfig):
    return (pytestconfig.rootpath / "README.md").read_text(encoding="utf-8")


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def without_noise(text):
    """Blank out what differs from machine to machine: differences as small as 1e-07, and trailing spaces."""
    lines = [re.sub(r"\d\.\de-\d\d", "#", line) for line in text.strip().splitlines()]
    return "\n".join(re.sub(r"(#|\b0)\s*$", "#", line).rstrip() for line in lines)


@pytest.mark.xdist_group("lesson3")
def test_the_output_in_the_readme_is_what_the_command_prints(readme, whole_run):
    printed, pasted = without_noise(whole_run("lesson3").out), blocks(readme, "text")
    assert len(pasted) == 8
    for block in pasted[:3]:
        assert without_noise(block) in printed


@pytest.mark.full
@pytest.mark.xdist_group("lesson1")
def test_lesson_1_closes_the_gap_as_the_readme_says(readme, whole_run):
    assert without_noise(blocks(readme, "text")[3]) in without_noise(whole_run("lesson1").out)


def test_the_check_says_of_the_loop_in_the_readme_what_the_readme_says(readme, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_loop.py").write_text(blocks(readme, "py")[0])
    assert check.main(["lesson3", "my_loop.py"]) == 1
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    pasted = blocks(readme, "text")[4].splitlines()
    assert pasted == printed[printed.index("3. The verdict") : -2]


def test_the_table_of_loops_in_the_readme_counts_the_loops_there_are(readme):
    """That none is named wrongly: tests/check/test_mistakes.py; of all pairs: tests/benchmarks/check.py."""
    rows = re.findall(
        r"^(\w.*?) {2,}(\d+) +(\d+) +(\d+) +(\d+) +(\d+)$", blocks(readme, "text")[5], re.MULTILINE
    )
    counts = {kind: [int(number) for number in numbers] for kind, *numbers in rows}
    assert counts["one mistake"][0] == len(SINGLES)
    assert counts["right loops"][0] == len(RIGHT_LOOPS)
    assert counts["two at once"][0] >= 60
    assert all(sum(said) == loops for loops, *said in counts.values())


def test_the_conformance_table_in_the_readme_counts_the_rows_there_are(readme):
    """That all of them are identical, tests/benchmarks/conformance.py says; here is not the time for it."""
    counts = Counter(
        f"{row.group}: {row.name}" if row.group == "networks" else row.group for row in table.combinations()
    )
    pasted_table = blocks(readme, "text")[6]
    pasted = re.findall(r"^(\w.*?) {2,}(\d+) +(\d+) ", pasted_table, re.MULTILINE)
    assert {option: int(rows) for option, rows, _ in pasted} == counts
    assert re.search(
        rf"in 1, .fit .*, {counts.total() - 1} combinations are identical", pasted_table, re.DOTALL
    )
    assert f"in {counts.total()} combinations" in readme


def test_the_options_in_the_readme_are_those_of_help(readme, lesson3_main, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    status, out, _ = lesson3_main("--help")
    assert status == 0
    described = [" ".join(text.split()) for text in (blocks(readme, "text")[7], out)]
    assert described[0] == described[1]


def test_the_python_in_the_readme_runs_and_prints_what_its_comment_says(readme, capsys):
    for code in blocks(readme, "python"):
        exec(code, {})
        assert f"# {capsys.readouterr().out.strip()}\n" in code


def test_ci_and_readme_give_the_same_test_command(readme, pytestconfig):
    run, test = (block.strip() for block in blocks(readme, "sh"))
    assert f"\n{test}\n" in (pytestconfig.rootpath / ".ci" / "run").read_text(encoding="utf-8")
    assert run.endswith("-m companion.lesson3")
    assert run.split(" && ")[0] == test.split(" && ")[0]


@pytest.mark.xdist_group("lesson3")
def test_every_json_key_is_documented(readme, whole_run):
    result = whole_run("lesson3").result
    section = readme.split("## The JSON")[1].split("\n## ")[0]
    named = set(re.findall(r"`\"?([\w.]+)\"?`", section))
    assert set(result) <= named
    for part in ("settings", "histories", "comparison", "metrics", "versions"):
        assert set(result[part]) <= named, part
    for part in ("scan", "printed"):
        assert set(result[part][0]) <= named, part


def test_links_in_the_documents_lead_somewhere(pytestconfig):
    root = pytestconfig.rootpath
    documents = [
        *root.glob("*.md"),
        *root.glob("lessons/**/*.md"),
        *root.glob("companion/**/*.md"),
        root / "data" / "README.md",
    ]
    links = [
        (document, link)
        for document in documents
        for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))
    ]
    assert links
    for document, link in links:
        assert (document.parent / link).exists(), f"{document.name}: {link}"


@pytest.mark.parametrize("lesson", LESSONS.values())
def test_the_lesson_s_title_stands_in_the_index_and_the_course(pytestconfig, lesson):
    course = (pytestconfig.rootpath / "lessons" / "README.md").read_text(encoding="utf-8")
    assert lesson.title in index()
    assert lesson.title in course
