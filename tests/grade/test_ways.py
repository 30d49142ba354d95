"""Other ways to grade: in a Gradescope container, without forking, by any executor, with less protection."""

import argparse
import html
import json
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import psutil
import pytest
from classes import RIGHT, graded_now, lay, rows, run, wrong
from marks import only
from mistaken_loops import source

from companion.grade import class_run
from companion.grade.grader import Job, close_machines, grade, reference_for
from companion.grade.intake.submissions import take_in
from companion.grade.journal import Journal
from companion.grade.marking.assignment import read_assignment
from companion.grade.marking.grade import CRITERIA
from companion.grade.output import gradescope
from companion.grade.sandbox.limits import Limits
from companion.grade.session import Choices, Session
from companion.terminal.lesson_list import lesson_file

pytestmark = pytest.mark.xdist_group("grade")  # they share the grader's processes


def test_a_gradescope_container_gets_its_results(capsys, tmp_path, monkeypatch):
    lay(tmp_path / "submission", {"loop.py": wrong("no-update"), "helper.py": "x = 1"})
    (tmp_path / "results").mkdir()
    about = {"users": [{"name": "Ada", "sid": "2001"}], "created_at": "2026-11-23T00:00:00-08:00"}
    about["assignment"] = {"due_date": "2026-11-22T00:00:00-08:00"}
    (tmp_path / "submission_metadata.json").write_text(json.dumps(about))
    monkeypatch.setattr(gradescope, "SUBMISSION", tmp_path / "submission")
    monkeypatch.setattr(gradescope, "RESULTS", tmp_path / "results" / "results.json")
    monkeypatch.setattr(gradescope, "METADATA", tmp_path / "submission_metadata.json")
    seen = []
    monkeypatch.setattr(Session, "grade_all", lambda self, *rest: seen.append(gradescope.RESULTS.read_text()))
    assert run(capsys, "--gradescope")[0] == 0
    assert json.loads(seen[0])["score"] == 0  # what stands there if the container is stopped now
    monkeypatch.undo()
    monkeypatch.setattr(gradescope, "SUBMISSION", tmp_path / "submission")
    monkeypatch.setattr(gradescope, "RESULTS", tmp_path / "results" / "results.json")
    monkeypatch.setattr(gradescope, "METADATA", tmp_path / "submission_metadata.json")
    status, out, _ = run(capsys, "--gradescope", "--seed", 5)
    found = json.loads((tmp_path / "results" / "results.json").read_text())
    assert (status, found["score"], found["extra_data"]["late"], "2001" in out) == (0, 7, True, True)
    assert "never updated" in found["output"]


def test_where_a_protection_is_missing_it_is_told_and_can_be_refused(capsys, tmp_path, monkeypatch):
    from companion.grade.grader import machine

    lay(tmp_path / "in", {"s1.py": RIGHT})
    monkeypatch.setitem(machine().protections, "network", False)
    words = (tmp_path / "in", "--output", tmp_path / "out", "--seed", 5)
    status, _, err = run(capsys, *words, "--require-sandbox")
    assert (status, "this does not hold here: there is no network (on: " in err) == (2, True)
    monkeypatch.setitem(machine().protections, "network", False)
    status, out, _ = run(capsys, *words)
    assert (status, re.search(r"Does NOT hold here +there is no network", out) is not None) == (0, True)
    assert "Does NOT hold here" in (tmp_path / "out" / "class.html").read_text()


def test_where_submissions_could_write_anywhere_nothing_is_graded_unless_that_is_wanted(
    capsys, tmp_path, monkeypatch
):
    from companion.grade.grader import machine

    lay(tmp_path / "in", {"s1.py": RIGHT})
    monkeypatch.setitem(machine().protections, "writing", False)
    monkeypatch.setitem(machine().off, "Landlock", "OSError: refused here")
    words = (tmp_path / "in", "--output", tmp_path / "out", "--seed", 5)
    status, out, err = run(capsys, *words)
    assert (status, graded_now(out), len(err.strip().splitlines())) == (2, [], 1)
    assert (
        "nothing can be written outside of the scratch folder (Landlock is off: OSError: refused here)" in err
    )
    status, out, _ = run(capsys, *words, "--unsafe")
    assert (status, graded_now(out)) == (0, ["s1"])


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('reduction="{reduction}"', 'reduction="sum"', "a right loop does not get full marks here: "),
        ('reduction="{reduction}"', "", "a loop that adds up its losses is judged otherwise here: graded"),
    ],
)
def test_where_a_loop_that_is_known_gets_other_marks_nothing_is_graded(
    capsys, tmp_path, monkeypatch, old, new, told
):
    from companion.grade import canaries

    monkeypatch.setattr(canaries, "LOOP", canaries.LOOP.replace(old, new))
    lay(tmp_path / "in", {"s1.py": RIGHT})
    status, out, err = run(capsys, tmp_path / "in", "--output", tmp_path / "out")
    assert (status, graded_now(out)) == (2, [])
    assert f"nothing was graded: {told}" in err
    assert "s1" not in (tmp_path / "out" / "journal.jsonl").read_text()


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (
            "None",
            "train returned None: return a list of 2 floats, one loss per epoch; is the return missing?",
        ),
        ("history * 3", "train returned 6 losses, too many: return a list of 2 floats, one loss per epoch"),
        ("model", "train returned a Sequential: return a list of 2 floats, one loss per epoch"),
    ],
)
@pytest.mark.parametrize("style", ["arithmetic", "compiled"])
def test_a_wrong_return_costs_the_reports_and_no_more(capsys, tmp_path, style, returned, told):
    right = source(style, []).replace("return history", f"return {returned}")
    lay(tmp_path / "in", {"s1.py": right})
    status, _, err = run(capsys, tmp_path / "in", "--output", tmp_path / "out", "--seed", 5)
    row = rows(tmp_path / "out")["s1"]
    lost = [name for name in CRITERIA if float(row[name]) == 0]
    assert (status, err, row["status"], lost) == (0, "", "graded", ["reports"])
    assert told in html.unescape((tmp_path / "out" / "feedback" / "s1.html").read_text())


@pytest.mark.parametrize(
    ("changed", "score"), [("", 10), ("loss = loss if tf.executing_eagerly() else 2 * loss", None)]
)
def test_a_loop_that_compiles_itself_is_also_run_as_it_is_written(capsys, tmp_path, changed, score):
    before = "            total = loss + sum(model.losses)\n"
    right = source("compiled", [])
    assert before in right
    lay(tmp_path / "in", {"s1.py": right.replace(before, f"            {changed}\n{before}")})
    assert run(capsys, tmp_path / "in", "--output", tmp_path / "out", "--seed", 5)[0] == 0
    row = rows(tmp_path / "out")["s1"]
    assert float(row["score"]) == score if score else float(row["score"]) < 10


def test_overrides_that_come_while_submissions_run_do_not_count(capsys, tmp_path, monkeypatch):
    from companion.grade.session import Session

    def while_it_runs(self, found, files, tell, keep=Session._keep):
        (tmp_path / "out" / "overrides.csv").write_text("id,score,reason\ns1,10,oral exam\n")
        keep(self, found, files, tell)

    monkeypatch.setattr(Session, "_keep", while_it_runs)
    lay(tmp_path / "in", {"s1.py": "def train(model, x, y, *, learning_rate, batch_size, epochs): pass\n"})
    run(capsys, tmp_path / "in", "--output", tmp_path / "out")
    assert rows(tmp_path / "out")["s1"]["score"] == "0"


def test_a_layer_is_on_after_a_call_that_failed_and_one_that_fails_says_why(tmp_path):
    code = (
        "import ctypes, json, sys\n"
        "from companion.grade.sandbox import layers\n"
        "layers.get_ready()\n"
        "found = layers.Layers()\n"
        "ctypes.set_errno(1)\n"
        "layers.restrict_calls = lambda refused: 1 / 0\n"
        "layers.enter(layers.Limits(), sys.argv[1], None, found)\n"
        "print(json.dumps(vars(found)))\n"
    )
    words = [sys.executable, "-c", code, tmp_path]
    found = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    assert "Landlock" in found["on"]
    assert found["off"] == {"system call filter": "ZeroDivisionError: division by zero"}


def test_without_forking_it_grades_too(capsys, tmp_path):
    lay(tmp_path / "in", {"s1.py": RIGHT})
    status, out, _ = run(capsys, tmp_path / "in", "--output", tmp_path / "out", "--seed", 5, "--no-fork")
    assert (status, "one per submission" in out) == (0, True)
    assert rows(tmp_path / "out")["s1"]["score"] == "10"


@pytest.mark.full
@pytest.mark.parametrize(
    ("text", "limits", "told"),
    [("__import__('os')._exit(3)", (), "status 3"), ("while True: pass", ("--seconds", 9), "9 s")],
)
def test_without_forking_one_that_ends_its_process_or_never_ends_is_told(
    capsys, tmp_path, text, limits, told
):
    head = "def train(model, x, y, *, learning_rate, batch_size, epochs):"
    lay(tmp_path / "in", {"s1.py": f"{head}\n    {text}\n"})
    words = (tmp_path / "in", "--output", tmp_path / "out", "--seed", 5, "--no-fork", *limits)
    assert run(capsys, *words)[0] == 0
    assert rows(tmp_path / "out")["s1"]["score"] == "0"
    assert told in (tmp_path / "out" / "feedback" / "s1.md").read_text()


WITHOUT_NAMESPACES = """
import sys
import pyseccomp
rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
rules.add_rule(pyseccomp.ERRNO(1), "unshare")
rules.load()
from companion.grade.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("leave", only(["setsid", "setpgrp"], "setpgrp"))
def test_without_forking_no_process_outlives_its_submission(tmp_path, leave):
    text = f"""
import os, time

def train(model, x, y, *, learning_rate, batch_size, epochs):
    if os.fork() == 0:
        try:
            os.{leave}()
        except OSError:
            pass
        if os.fork() == 0:
            time.sleep(60)
        os._exit(0)
    os.wait()
    time.sleep(1)
"""
    lay(tmp_path / "in", {"s1.py": text})
    words = ["lesson3", tmp_path / "in", "--output", tmp_path / "out", "--no-fork", "--quiet"]
    subprocess.run([sys.executable, "-c", WITHOUT_NAMESPACES, *words], check=True)
    every = psutil.process_iter(["cmdline"])
    left = [one for one in every if "companion.grade.workers.spawned" in (one.info["cmdline"] or [])]
    for process in left:
        process.kill()
    assert not left


@pytest.mark.full
def test_a_judge_that_has_turned_to_another_class_can_turn_back():
    close_machines()  # so that there is one judge
    points = dict.fromkeys(CRITERIA, 1.0)
    jobs = []
    for seed in (5, 6):
        task = {"lesson": 3, "seed": seed, "epochs": 3, "batch_size": 8}
        job = Job("s1", "", "", False, "s1.py", {"s1.py": RIGHT.encode()}, "", task, Limits(), points)
        jobs.append(replace(job, reference=reference_for(job)))
    for job in (*jobs, *jobs):
        grades = grade(job)
        assert (grades.status, grades.graded) == ("graded", 8)


@pytest.mark.parametrize("kind", only([ThreadPoolExecutor, ProcessPoolExecutor], ThreadPoolExecutor))
def test_any_executor_will_do(tmp_path, kind):
    lay(tmp_path / "in", {"s1.py": RIGHT, "s2.py": wrong("no-update")})
    told = []
    with Journal(tmp_path / "journal.jsonl") as journal, kind(1) as executor:
        assignment = read_assignment(lesson_file(3, "assignment.toml"), "lesson3")
        session = Session(assignment, take_in(tmp_path / "in").submissions, journal, Choices(3, seed=5))
        session.grade_all(executor, 2, told.append)
    assert {one.id: [m.name for m in one.mistakes] for one in told} == {
        "s1": [],
        "s2": ["no-update"],
    }


@pytest.mark.parametrize(("jobs", "at_once"), [(3, 6), (None, 10)])
def test_jobs_count_where_a_system_does_not_tell_its_processors(monkeypatch, jobs, at_once):
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 5)
    with class_run.executor_of(argparse.Namespace(scheduler=None, jobs=jobs)) as (_, count):
        assert count == at_once
