"""Grading by the workers of a Dask cluster: a real scheduler and two workers, each a process."""

import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from classes import RIGHT, graded_now, lay, rows, run, wrong

from companion.grade.sandbox.usage import descendants

COUNT = 14


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def cluster(tmp_path):
    """Start a scheduler and two workers; give the address and the workers."""
    address = f"tcp://127.0.0.1:{free_port()}"
    # As "dask scheduler" and "dask worker", whose scripts need not be on the path here.
    dask = [sys.executable, "-c", "import sys; from dask.__main__ import main; sys.argv[0] = 'dask'; main()"]
    quiet = {"cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    words = [["scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2], "--no-dashboard"]]
    words += [["worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]] * 2
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(subprocess.Popen([*dask, *one], **quiet)) for one in words]
        stack.callback(lambda: [process.kill() for process in processes])
        wait_for_workers(address, 2)
        yield address, processes[1:]


def wait_for_workers(address, count, seconds=60):
    from distributed import Client

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), Client(address, timeout=5) as client:
            client.wait_for_workers(count, timeout=seconds)
            return
    raise TimeoutError("no workers")


@pytest.mark.full
def test_a_worker_that_is_killed_loses_no_grade(cluster, capsys, tmp_path):
    address, workers = cluster
    lay(tmp_path / "in", {f"s{n:02}.py": RIGHT if n % 2 else wrong("no-update") for n in range(COUNT)})
    journal = tmp_path / "out" / "journal.jsonl"
    killed_after = []

    def kill_one():
        while True:
            done = journal.read_bytes().count(b'"kind": "grade"') if journal.exists() else 0
            if done >= 3:
                killed_after.append(done)
                workers[0].send_signal(signal.SIGKILL)
                return
            time.sleep(0.02)

    busy = threading.Thread(target=kill_one, daemon=True)
    busy.start()
    words = (tmp_path / "in", "--output", tmp_path / "out", "--seed", 5, "--scheduler", address)
    status, out, err = run(capsys, *words)
    assert (status, workers[0].poll(), workers[1].poll()) == (0, -signal.SIGKILL, None), err
    assert 3 <= killed_after[0] < COUNT
    assert sorted(graded_now(out)) == [f"s{n:02}" for n in range(COUNT)]  # each once
    assert [row["score"] for row in rows(tmp_path / "out").values()] == ["7", "10"] * (COUNT // 2)
    assert descendants(workers[1].pid)  # its fork server waits for the next run
