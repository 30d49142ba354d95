"""What submissions must not be able to do: each of them costs its own points at most.

The limits are narrow, so that a protection that fails takes nothing down. Each submission stands in
tests/grade/hostile, its name says what it tries.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import classes
import pytest
from marks import only

from companion.grade import grader
from companion.grade.grader import Job, close_machines, grade, suspect
from companion.grade.marking.grade import RIGHT, as_json
from companion.grade.sandbox.limits import Limits
from companion.grade.sandbox.probe import PROTECTIONS
from companion.mistakes.broken_loops import right_loop

HOSTILE = Path(__file__).parent / "hostile"
RIGHT_LOOP = classes.RIGHT.encode()
LIMITS = Limits(seconds=8, memory=300, processes=40, file_size=4, printed=200)
os.environ["SECRET"] = "READ"  # of the instructor
MARK = f"/tests-of-{os.getpid()}"
TASK = {"lesson": 3, "seed": 20261122, "epochs": 3, "batch_size": 8}
POINTS = dict.fromkeys(
    ("runs", "first_loss", "gradients", "updates", "rows", "short_batch", "reports", "final_weights"), 1.0
)

# What each is graded as; "error" and "graded" need that it comes to an end by itself.
ENDS = {
    "calls_to_others": {"error"},
    "companions_loop_inside": {"graded"},
    "deep_folders": {"disk", "error"},
    "endless_loop": {"timeout"},
    "endless_sleep": {"timeout"},
    "environment": {"error"},
    "exception_with_a_script": {"error"},
    "files_without_a_name": {"disk"},
    "fit_and_a_dummy_step": {"graded"},
    "fit_inside": {"graded"},
    "fit_of_a_copy": {"graded"},
    "fit_past_the_recorder": {"graded"},
    "forged_by_the_recorder": {"error"},
    "forged_message": {"error"},
    "fork_bomb": {"timeout", "processes", "memory"},
    "gigabyte_of_output": {"timeout", "graded"},
    "gigabyte_on_disk": {"disk", "error", "graded"},
    "keras_step_and_one_that_moves_nothing": {"graded"},
    "keras_step_by_autograph": {"graded"},
    "keras_step_from_source": {"graded"},
    "keras_step_in_a_dataset": {"unseen"},
    "keras_step_under_a_tape": {"graded"},
    "keras_step_in_another_file": {"graded"},
    "kill_parent_and_group": {"crashed"},
    "left_behind": {"graded", "error"},
    "long_to_judge": {"error", "timeout", "graded"},
    "lying_objects": {"graded"},
    "many_files": {"disk"},
    "memory_bomb": {"memory", "timeout"},
    "name_in_odd_bytes": {"memory", "ended", "error"},
    "names_of_the_fork_server": {"error"},
    "names_behind_a_stand_in": {"error"},
    "nested_lists": {"graded"},
    "network": {"error"},
    "not_a_number": {"graded"},
    "os_exit": {"ended"},
    "own_results_file": {"error"},
    "patch_everything": {"error", "ended", "graded"},
    "pickled_message": {"error"},
    "raise_when_watched": {"graded"},
    "read_outside": {"error"},
    "reference_inside": {"error"},
    "segmentation_fault": {"crashed"},
    "shared_memory": {"memory", "error"},
    "strings": {"graded"},
    "sys_exit": {"error"},
    "ten_million_numbers": {"graded"},
    "thread_bomb": {"processes", "timeout", "memory"},
    "train_on_batch_inside": {"graded"},
    "write_outside": {"error"},
}

# One of each kind: time, memory, disk, output, processes, files, network, no result, a forged result, .fit by
# a back door.
EVERY_TIME = (
    "endless_loop", "shared_memory", "many_files", "gigabyte_of_output", "left_behind", "write_outside",
    "read_outside", "network", "os_exit", "forged_message", "fit_past_the_recorder",
    "keras_step_from_source", "calls_to_others", "environment", "keras_step_in_a_dataset",
)  # fmt: skip

pytestmark = pytest.mark.xdist_group("grade")  # they share the grader's processes


def job(name, content):
    file = f"{name}.py"
    return Job(name, "", file, False, file, {file: content}, "key", TASK, LIMITS, POINTS)


def score(found):
    return found.graded


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("from urllib.request import urlopen", ["urllib"]),
        ("import glob", ["import glob"]),
        ("names = os.listdir('/home/ada')", ["/home/", "listdir"]),
        ("open('/etc/passwd')", ["/etc/"]),
        ("global_loss = tf.reduce_sum(losses) / model.count  # a global mean", []),
    ],
)
def test_what_no_loop_needs_is_shown_to_the_instructor(line, found):
    assert suspect(job("s1", line.encode())) == found


@pytest.fixture(scope="module")
def machine():
    here = grader.machine()
    here.reference(TASK)  # starts the judge
    yield here
    close_machines()


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """Give a folder that everybody may read and write, with another student's file, outside."""
    folder = tmp_path_factory.mktemp("outside")
    for path in (folder, *list(folder.parents)[:3]):
        if str(path).startswith("/tmp/") and path != Path("/tmp"):
            path.chmod(0o777)
    (folder / "other_student.py").write_bytes(RIGHT_LOOP)
    (folder / "other_student.py").chmod(0o666)
    return folder


@pytest.fixture(scope="module")
def listener():
    """Give a port of this machine on which somebody listens, and the connections that were made."""
    made = []
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def accept():
            while True:
                try:
                    made.append(server.accept())
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], made


@pytest.fixture(scope="module")
def bystander():
    """Start a process of the same user, which must live."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()


def test_each_hostile_submission_has_its_test():
    assert sorted(ENDS) == sorted(path.stem for path in HOSTILE.glob("*.py"))


def test_all_protections_hold_where_these_tests_run(machine):
    assert machine.protections == dict.fromkeys(PROTECTIONS, True)


@pytest.mark.parametrize("name", only(sorted(ENDS), *EVERY_TIME))
def test_it_costs_its_own_points_at_most(name, machine, outside, listener, bystander):
    port, made = listener
    before = processes()
    text = f"CANARY, PORT = {str(outside)!r}, {port}\n" + (HOSTILE / f"{name}.py").read_text()
    found = grade(job(name, text.encode()))
    assert found.status in ENDS[name], (found.status, found.told, found.printed)
    assert score(found) <= 4, found.criteria
    assert found.criteria[-1].state != RIGHT
    json.dumps(as_json(found), ensure_ascii=False).encode()  # nothing in it that cannot be written
    for word in ("READ", "LISTED", "DONE", "CONNECTED"):
        assert word not in found.printed
    # nothing outside has changed, nobody else was ended, nothing goes on
    assert [path.name for path in outside.iterdir()] == ["other_student.py"]
    assert (outside / "other_student.py").read_bytes() == RIGHT_LOOP
    assert (outside / "other_student.py").stat().st_mode & 0o777 == 0o666
    assert not made
    assert bystander.poll() is None
    assert until(lambda: processes() <= before), [
        Path("/proc", one, "cmdline").read_bytes() for one in processes() - before
    ]
    assert machine._processes._server.is_alive()


def test_the_loop_of_the_course_is_nobodys_own(machine):
    found = grade(job("copied", right_loop().encode()))
    assert [one.name for one in found.mistakes] == ["fit-called-inside"]
    assert score(found) == 0


def test_afterwards_a_right_loop_gets_all_points(machine):
    found = grade(job("right", RIGHT_LOOP))
    assert (score(found), found.status, found.look) == (8, "graded", ())


def processes():
    """Give the processes that run now and come from this grader, or have got away from it."""
    found = set()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                words = Path(entry.path, "environ").read_bytes()
                state = Path(entry.path, "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if MARK.encode() in words and state != "Z":
                found.add(entry.name)
    return found


def until(holds, seconds=20.0):
    """Wait a little for what is about to be true."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()
