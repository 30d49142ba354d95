"""How a submission is run, and how that ended, as the process that watched it says."""

from dataclasses import dataclass

DONE, TIMEOUT, MEMORY, PROCESSES, DISK, OUTPUT, ENDED, CRASHED, FAILED = (
    "done", "timeout", "memory", "processes", "disk", "output", "ended", "crashed", "failed"
)  # fmt: skip
WATCHED, AS_WRITTEN, BOTH = "watched", "as written", "both"  # the loop, in one process


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes
    ----------
    how : str
        "done": it wrote a result; "timeout", "memory", "processes", "disk", "output": stopped for
        using more than it may; "ended": it ended without a result; "crashed": the system ended it,
        which may be TensorFlow's fault; "failed": the sandbox could not be set up, which is not the
        submission's fault.
    told : str
        The numbers, in words for a student.
    seconds : float
        From start to end.
    memory : int
        The most memory of its own that was seen, in megabytes.
    printed : str
        The beginning of what it printed.
    layers : tuple of str
        The layers of protection that were on.
    off : dict of str to str
        Those that could not be turned on, each with the reason.
    in_train : bool
        Whether its ``train`` had been called.
    outside : float
        How many seconds its other code took before that.
    result : bytes
        What it wrote as its result; b"" if nothing.
    """

    how: str
    told: str
    seconds: float
    memory: int
    printed: str
    layers: tuple[str, ...]
    off: dict[str, str]
    in_train: bool
    outside: float
    result: bytes = b""
