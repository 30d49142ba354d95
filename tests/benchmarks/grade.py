"""How fast the grader is, whether it stays so, and whether it can be killed.

``python tests/benchmarks/grade.py speed``: submissions a minute with the sandbox on, against one Python
process a submission, in one run, and in core-seconds against imports of TensorFlow.
``... class --count 1000``: a generated class of right, mistaken and hostile submissions: all graded, memory
and time a submission over the run. ``... kill --times 20``: as
many kill -9 at random moments, each followed by --resume; then the gradebook is compared with that of an
undisturbed run.
``... otter --otter PATH``: six submissions by ``otter run`` and by the grader; PATH is the ``otter`` of an
environment with otter-grader, ipykernel and this package.
"""

import argparse
import contextlib
import csv
import io
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "helpers"))

from mistaken_loops import MISTAKES, source  # noqa: E402

# One in four is right, in the styles in turn; in the large classes one in forty is hostile.
HOSTILE = (
    "endless_loop", "memory_bomb", "fork_bomb", "sys_exit", "os_exit", "segmentation_fault",
    "kill_parent_and_group", "gigabyte_of_output", "write_outside", "left_behind", "own_results_file",
    "patch_everything", "fit_inside", "ten_million_numbers", "exception_with_a_script",
)  # fmt: skip
LIMITS = ("--seconds", "10", "--memory", "300", "--printed", "200")

# What one Python process a submission does: everything, by itself, in no sandbox.
ALONE = """
import sys
from companion.check.judge import Judge
from companion.check.learner.file import read_train
from companion.check.run import LoopRun, run_as_written, run_watched
from companion.check.problems import revealing_problem
problem = revealing_problem(3, int(sys.argv[2]))
judge, train = Judge(problem), read_train(sys.argv[1])
recording = run_watched(train, problem)
run = LoopRun(recording.history, recording.end, recording)
if recording.compiled:
    run = run_as_written(train, problem, first=False)
    run.recording = recording
print(judge.judge(run).verdict)
"""


def submissions(count, hostile):
    """Give names and texts of as many submissions, always the same."""
    right = [path.read_text() for path in sorted((TESTS / "helpers" / "loops").glob("*.py"))]
    # Those that end in an exception are few and quick: they are left out, so that times can be compared.
    cases = [(style, name) for name, styles in MISTAKES.items() for style in styles]
    wrong = [source(style, MISTAKES[name][style]) for style, name in cases]
    random.Random(0).shuffle(wrong)
    for n in range(count):
        if hostile and n % 40 == 39:
            name = HOSTILE[n // 40 % len(HOSTILE)]
            outside = f"CANARY, PORT = '/nowhere', {1}\n"
            yield f"s{n:04}.py", outside + (TESTS / "grade" / "hostile" / f"{name}.py").read_text()
        else:
            yield f"s{n:04}.py", right[n // 4 % len(right)] if n % 4 == 0 else wrong[n % len(wrong)]


def lay(folder, count, hostile=False):
    folder.mkdir()
    for name, text in submissions(count, hostile):
        (folder / name).write_text(text)


def grader(folder, output, *words):
    command = [sys.executable, "-m", "companion.grade", "lesson3", str(folder), "--output", str(output)]
    return [*command, "--seed", "5", *words]


def speed(options):
    """Compare submissions a minute, the grader in the middle of two halves of the other way."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "in")
        lay(folder, options.count)
        few = sorted(folder.iterdir())[:: max(1, options.count // options.alone)]
        half = len(few) // 2
        alone = one_process_each(few[:half])
        lay(Path(name, "two"), 2)
        imports = [core_seconds([sys.executable, "-c", "import tensorflow"]) for _ in range(3)]
        start = core_seconds(grader(Path(name, "two"), Path(name, "out of two"), "--quiet"))
        started = time.perf_counter()
        cores = core_seconds(grader(folder, Path(name, "out"), "--quiet"))
        whole = time.perf_counter() - started
        imports += [core_seconds([sys.executable, "-c", "import tensorflow"]) for _ in range(3)]
        alone += one_process_each(few[half:])
    mine, theirs = 60 * options.count / whole, 60 * len(few) / alone
    print(f"{'':<34}{'submissions':>12}{'seconds':>9}{'a minute':>10}")
    print(f"{'grader, sandbox on, start included':<34}{options.count:>12}{whole:>9.0f}{mine:>10.0f}")
    print(f"{'one Python process a submission':<34}{len(few):>12}{alone:>9.0f}{theirs:>10.1f}")
    print(f"ratio {mine / theirs:.1f}")
    each, one = (cores - start) / (options.count - 2), statistics.median(imports)
    print(f"each, beyond the start: {each:.2f} core-seconds, {each / one:.3f} of an import of {one:.1f}")


def core_seconds(command):
    """Run a command; give what all processors of the machine did meanwhile: nothing else may run."""
    before = psutil.cpu_times()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    after = psutil.cpu_times()
    return sum(getattr(after, kind) - getattr(before, kind) for kind in ("user", "system"))


def one_process_each(files):
    """Grade as many at one time as there are processors, each in a Python process; give the seconds."""
    waiting, running = list(files), []
    started = time.perf_counter()
    while waiting or running:
        running = [process for process in running if process.poll() is None]
        while waiting and len(running) < len(os.sched_getaffinity(0)):
            words = [sys.executable, "-c", ALONE, str(waiting.pop()), "5"]
            running.append(subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        time.sleep(0.01)
    return time.perf_counter() - started


OTTER_TEST = """
OK_FORMAT = True
test = {
    "name": "loop", "points": 10,
    "suites": [{"type": "doctest", "scored": True, "setup": "", "teardown": "", "cases": [{
        "code": ">>> from companion import check_loop\\n>>> check_loop(train, lesson=3).assert_identical()",
        "hidden": False, "locked": False,
    }]}],
}
"""


def otter(options):
    """Grade six submissions by ``otter run``, one after the other, and by the grader."""
    with tempfile.TemporaryDirectory() as name:
        folder, tests = Path(name, "in"), Path(name, "tests")
        lay(folder, 6)
        tests.mkdir()
        (tests / "loop.py").write_text(OTTER_TEST)
        quiet = {"cwd": name, "check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([options.otter, "generate", "-t", "tests", "--no-environment"], **quiet)
        seconds, scores = 0.0, []
        for file in sorted(folder.iterdir()):
            cell = {"cell_type": "code", "source": file.read_text(), "id": "a", "metadata": {}, "outputs": []}
            cells = [cell | {"execution_count": None}]
            book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
            Path(name, f"{file.stem}.ipynb").write_text(json.dumps(book))
            Path(name, file.stem).mkdir()
            started = time.perf_counter()
            command = [options.otter, "run", f"{file.stem}.ipynb", "-a", "autograder.zip", "-o", file.stem]
            subprocess.run(command, **quiet)
            seconds += time.perf_counter() - started
            tests_run = json.loads(Path(name, file.stem, "results.json").read_text())["tests"]
            scores.append(sum(one.get("score", 0) for one in tests_run))
        started = time.perf_counter()
        subprocess.run(grader(folder, Path(name, "out"), "--quiet"), check=True)
        mine = time.perf_counter() - started
        rows = list(csv.DictReader(io.StringIO(Path(name, "out", "gradebook.csv").read_text("utf-8-sig"))))
    print(f"otter run: {seconds / 6:.1f} s each, scores {scores}")
    print(f"grader:    {mine / 6:.1f} s each, start included, scores {[float(row['score']) for row in rows]}")
    print(f"ratio {seconds / mine:.1f}")


def memory_of(process):
    """Give the resident megabytes of the grader, and of the fork server and its judges."""
    found = {}
    for entry in os.scandir("/proc"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            if entry.name.isdigit():
                words = Path(entry.path, "cmdline").read_bytes()
                status = Path(entry.path, "status").read_text()
                resident = int(status.split("RssAnon:")[1].split()[0]) >> 10
                if int(entry.name) == process:
                    found["grader"] = resident
                elif b"companion.grade.workers.fork_server" in words:
                    found["largest judge"] = max(found.get("largest judge", 0), resident)
    return found


def a_class(options):
    """Grade a large class; print memory and time a submission over the run."""
    with tempfile.TemporaryDirectory() as name:
        folder, output = Path(name, "in"), Path(name, "out")
        lay(folder, options.count, hostile=True)
        process = subprocess.Popen(grader(folder, output, *LIMITS), stdout=subprocess.PIPE, text=True)
        memory, moments, done = [], [], 0
        started = time.perf_counter()
        for line in process.stdout:
            if line.startswith("s") and " <- " in line:
                done += 1
                moments.append(time.perf_counter() - started)
                if done % max(1, options.count // 10) == 0:
                    memory.append((done, memory_of(process.pid)))
        process.wait()
        rows = list(csv.DictReader(io.StringIO((output / "gradebook.csv").read_text())))
    print(f"{len(rows)} of {options.count} in the gradebook, exit status {process.returncode}")
    statuses = [row["status"] for row in rows]
    print({status: statuses.count(status) for status in sorted(set(statuses))})
    print(f"{'submissions':>12}{'grader MB':>11}{'judge MB':>10}{'seconds each':>14}")
    before = 0.0
    for number, found in memory:
        now = moments[number - 1]
        each = (now - before) / max(1, options.count // 10)
        before = now
        print(f"{number:>12}{found.get('grader', 0):>11}{found.get('largest judge', 0):>10}{each:>14.2f}")
    print(f"{moments[-1]:.0f} s in all, {60 * len(moments) / moments[-1]:.0f} a minute")


def kill(options):
    """Kill the grader again and again; compare the gradebook with that of an undisturbed run."""
    random.seed(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder, output = Path(name, "in"), Path(name, "killed")
        lay(folder, options.count, hostile=True)
        resume, kills = [], 0
        while True:
            words = resume or grader(folder, output, *LIMITS, "--quiet")
            process = subprocess.Popen(words, start_new_session=True)
            if kills < options.times:
                timer = threading.Timer(
                    random.uniform(4, options.longest), process.send_signal, [signal.SIGKILL]
                )
                timer.start()
            status = process.wait()
            timer.cancel()
            if status >= 0:
                break
            kills += 1
            if (output / "journal.jsonl").exists():
                whole = grader(folder, output, *LIMITS, "--quiet", "--resume")
                resume = [word for word in whole if word not in ("--seed", "5")]
        subprocess.run(grader(folder, Path(name, "calm"), *LIMITS, "--quiet"), check=True)
        books = [without_seconds(Path(name, run, "gradebook.csv")) for run in ("killed", "calm")]
        lines = [json.loads(line) for line in (output / "journal.jsonl").read_text().splitlines()]
        graded = [line["id"] for line in lines if line["kind"] == "grade"]
    twice = len(graded) - len(set(graded))
    print(f"{kills} kills over {options.count} submissions; graded twice: {twice}")
    print(f"gradebook {'identical to' if books[0] == books[1] else 'OTHER THAN'} that of an undisturbed run")
    return books[0] != books[1]


def without_seconds(path):
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    at = rows[0].index("seconds")
    return [row[:at] + row[at + 1 :] for row in rows]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    kinds = parser.add_subparsers(required=True)
    for run, count in ((speed, 300), (a_class, 1000), (kill, 200), (otter, 6)):
        one = kinds.add_parser(run.__name__.replace("a_", ""))
        one.set_defaults(run=run)
        one.add_argument("--count", type=int, default=count)
        one.add_argument("--alone", type=int, default=24, help="of them graded in one process each")
        one.add_argument("--times", type=int, default=20, help="to kill")
        one.add_argument("--longest", type=float, default=14, help="seconds until a kill")
        one.add_argument("--otter", default="otter", help="the command of otter-grader")
        one.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    return options.run(options)


if __name__ == "__main__":
    raise SystemExit(main())
