"""What a submission may use."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a submission may use before it is stopped.

    Attributes
    ----------
    seconds : float
        From start to end, by the clock.
    memory : int
        Megabytes of its own, beyond those of Python, TensorFlow and the data.
    processes : int
        Processes and threads at one time.
    file_size : int
        Megabytes of a file that it writes, and of all of them together.
    printed : int
        Kilobytes that it prints.
    """

    seconds: float = 30
    memory: int = 1024
    processes: int = 64
    file_size: int = 16
    printed: int = 1024


# What each is called for a user, with the smallest and largest that make sense.
RANGES = {
    "seconds": (1, 3600),
    "memory": (64, 1_000_000),
    "processes": (16, 4096),
    "file_size": (1, 100_000),
    "printed": (1, 1_000_000),
}
