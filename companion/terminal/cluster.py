"""The workers of a Dask cluster: submissions are graded and the conformance table is trained there."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from companion.errors import UserError

CONNECT = 20  # seconds


@contextmanager
def cluster_executor(address: str) -> Iterator[tuple[Executor, int]]:
    """Connect to a Dask scheduler for as long as the ``with`` block lasts."""
    try:
        from distributed import Client
    except ImportError:
        told = "--scheduler needs Dask: pip install 'fit-by-hand[cluster]'"
        raise UserError(told) from None
    try:
        client = Client(address, timeout=CONNECT)
    except (OSError, ValueError, TimeoutError) as error:
        told = f"--scheduler {address!r}: no Dask scheduler answers there ({error})"
        raise UserError(f"{told}; start one with 'dask scheduler'") from None
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            told = f"--scheduler {address!r} has no workers"
            raise UserError(f"{told}; start some with 'dask worker {address}'")
        # A worker whose process has ended is no fault of the work that it had.
        with client.get_executor(retries=2, pure=False) as executor:
            yield executor, 2 * threads
