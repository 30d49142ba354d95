"""What Keras' ``.fit()`` does, written by hand: equal bit for bit.

Importing this package imports nothing heavy; TensorFlow comes in with the lessons
(``from companion import lesson3``) and with the functions named in ``__all__``.
"""

import importlib
from typing import TYPE_CHECKING, Any

from companion.terminal.quiet_start import choose_tensorflow, hide_start_up_notes

if TYPE_CHECKING:
    from companion.check.check_loop import check_loop as check_loop
    from companion.check.problem import Problem as Problem
    from companion.check.result import LoopCheck as LoopCheck
    from companion.comparison.with_fit import FitComparison as FitComparison
    from companion.comparison.with_fit import compare_with_fit as compare_with_fit
    from companion.loop import fit_by_hand as fit_by_hand

__version__ = "0.1.0"
_HOMES = {
    "FitComparison": "companion.comparison.with_fit",
    "LoopCheck": "companion.check.result",
    "Problem": "companion.check.problem",
    "check_loop": "companion.check.check_loop",
    "compare_with_fit": "companion.comparison.with_fit",
    "fit_by_hand": "companion.loop",
}
__all__ = ["FitComparison", "LoopCheck", "Problem", "check_loop", "compare_with_fit", "fit_by_hand"]

choose_tensorflow()
hide_start_up_notes()


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
