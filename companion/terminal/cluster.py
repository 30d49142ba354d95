"""Connects to a Dask cluster, for `grade` and `conformance`."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from companion.errors import UserError

CONNECT = 20  # seconds


@contextmanager
def cluster_executor(address: str) -> Iterator[tuple[Executor, int]]:
    """Connect to a Dask scheduler for the ``with`` block; yield an executor and how many tasks it takes."""
    try:
        from distributed import Client
    except ImportError:
        told = "--scheduler needs Dask: pip install 'fit-by-hand[cluster]'"
        raise UserError(told) from None
    try:
        client = Client(address, timeout=CONNECT)
    except (OSError, ValueError) as error:
        told = f"--scheduler {address!r}: no Dask scheduler answers there ({error})"
        raise UserError(f"{told}; start one with 'dask scheduler'") from None
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            told = f"--scheduler {address!r} has no workers"
            raise UserError(f"{told}; start some with 'dask worker {address}'")
        # A worker may die without any fault of its task, so the task is tried again.
        with client.get_executor(retries=2, pure=False) as executor:
            yield executor, 2 * threads  # so that no worker waits for its next task
