"""Submissions graded by the workers of a Dask cluster."""

from concurrent.futures import Executor

from companion.errors import UserError

CONNECT = 20  # seconds


def cluster_executor(address: str) -> tuple[Executor, int]:
    """Connect to a Dask scheduler.

    Parameters
    ----------
    address : str
        Such as ``tcp://host:8786``.

    Returns
    -------
    Executor
        That runs on its workers.
    int
        How many submissions to hand over at one time.

    Raises
    ------
    UserError
        If Dask is not installed, nobody answers there, or there are no workers.
    """
    try:
        from distributed import Client
    except ImportError:
        told = "--scheduler needs Dask: pip install 'companion[cluster]'"
        raise UserError(told) from None
    try:
        client = Client(address, timeout=CONNECT)
    except (OSError, ValueError, TimeoutError) as error:
        told = f"--scheduler {address!r}: no Dask scheduler answers there ({error})"
        raise UserError(f"{told}; start one with 'dask scheduler'") from None
    threads = sum(client.nthreads().values())
    if not threads:
        told = f"--scheduler {address!r} has no workers"
        raise UserError(f"{told}; start some with 'dask worker {address}'")
    # A worker whose process has ended is no fault of the submission that it had.
    return client.get_executor(retries=2, pure=False), 2 * threads
