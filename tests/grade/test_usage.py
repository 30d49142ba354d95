"""What the processes of a submission use: memory, threads and files, whatever they are called."""

import subprocess
import sys

import pytest

from companion.grade.sandbox.usage import descendants, family, usage_of

MB = 1 << 20
# A process with five threads, 50 MB, and a file of 3 MB that has no name; and its child with 20 MB.
PARENT = """
import ctypes, subprocess, sys, tempfile, threading, time
threading.stack_size(1 << 20)
for _ in range(4):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
taken = b"x" * (50 << 20)
file = tempfile.TemporaryFile(dir=sys.argv[1], buffering=0)
file.write(b"x" * (3 << 20))
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(15, b"\\xff) Z\\nThreads:\\t1")
child = "import time; taken = b'x' * (20 << 20); print(1, flush=True); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", child])
time.sleep(60)
"""


@pytest.fixture
def process(tmp_path):
    words = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout.read(1) == b"1"
        yield process
        for one in family(process.pid)[::-1]:
            one.kill()


def test_it_counts_memory_threads_and_files_of_a_whole_family(process, tmp_path):
    own, child = family(process.pid)
    assert [one.pid for one in descendants(process.pid)] == [child.pid]
    usage = usage_of([own, child], str(tmp_path))
    assert 50 * MB < usage.memory[0] < 90 * MB
    assert 20 * MB < usage.memory[1] < 60 * MB
    assert usage.threads == 6
    assert 3 * MB <= usage.disk < 4 * MB


def test_of_one_that_has_ended_nothing_is_counted(process, tmp_path):
    own, child = family(process.pid)
    child.kill()
    own.kill()
    process.wait()
    usage = usage_of([own], str(tmp_path))
    assert (usage.memory, usage.threads, usage.disk) == ([0], 0, 0)
    assert family(process.pid) == []
