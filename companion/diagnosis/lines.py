"""Whose line of code is it: the learner's, or a library's?"""

import site
import sys
import sysconfig
from pathlib import Path
from types import FrameType

import companion
from companion.diagnosis.recording import Place

_COMPANION = str(Path(companion.__file__).parent)
_LIBRARIES = (
    _COMPANION,
    *(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    site.getusersitepackages(),
    "<frozen",
)


def is_library(file: str) -> bool:
    """Say whether a file is none of the learner's: Python's, an installed package's, the companion's."""
    # These two may be installed elsewhere; they are not imported here, as reading a file needs neither.
    loaded = [sys.modules[name].__file__ for name in ("keras", "tensorflow") if name in sys.modules]
    folders = (*_LIBRARIES, *(str(Path(path).parent) for path in loaded if path))
    return file.startswith(folders) or "__autograph_generated_file" in file


def own_place() -> Place | None:
    """Find the innermost line of the calls that are going on which is the learner's own."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not is_library(frame.f_code.co_filename):
            return Place(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None


def caller_of_wrapper() -> FrameType:
    """Give the frame that called a method which the recorder has wrapped, from inside the wrapper."""
    return sys._getframe(3)  # this function, the wrapper, the replacement of the method


def companion_loop(frame: FrameType | None) -> str | None:
    """Name the companion's function that `frame` belongs to, its outermost; None if it is none of those."""
    name = None
    while frame is not None and frame.f_code.co_filename.startswith(_COMPANION):
        name, frame = frame.f_code.co_name, frame.f_back
    return None if name is None else f"companion's {name}"
