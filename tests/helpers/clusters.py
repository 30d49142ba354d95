"""A Dask cluster for tests: a real scheduler and workers, each a process."""

import contextlib
import socket
import subprocess
import sys
import time


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def running_cluster(folder, workers):
    """Start a scheduler and workers; give the address and the workers."""
    address = f"tcp://127.0.0.1:{free_port()}"
    # As "dask scheduler" and "dask worker", whose scripts need not be on the path here.
    dask = [sys.executable, "-c", "import sys; from dask.__main__ import main; sys.argv[0] = 'dask'; main()"]
    quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    words = [["scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2], "--no-dashboard"]]
    words += [["worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]] * workers
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(subprocess.Popen([*dask, *one], **quiet)) for one in words]
        stack.callback(lambda: [process.kill() for process in processes])
        wait_for_workers(address, workers)
        yield address, processes[1:]


def wait_for_workers(address, count, seconds=60):
    from distributed import Client

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), Client(address, timeout=5) as client:
            client.wait_for_workers(count, timeout=seconds)
            return
    raise TimeoutError("no workers")
