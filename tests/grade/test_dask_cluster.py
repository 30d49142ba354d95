"""Grading by the workers of a Dask cluster: a real scheduler and two workers, each a process."""

import signal
import threading
import time

import pytest
from classes import RIGHT, graded_now, lay, rows, run, wrong
from clusters import running_cluster

from companion.grade.sandbox.usage import descendants

COUNT = 14


@pytest.fixture
def cluster(tmp_path):
    with running_cluster(tmp_path, 2) as running:
        yield running


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
