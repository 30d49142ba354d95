"""What Keras' ``.fit()`` does, written by hand: equal bit for bit.

Importing this package imports nothing heavy; TensorFlow comes in with the lessons
(``from companion import lesson3``) and with the functions named in ``__all__``.
"""

from typing import TYPE_CHECKING, Any

from companion.startup import choose_tensorflow, hide_start_up_notes

if TYPE_CHECKING:
    from companion.both_ways import FitComparison as FitComparison
    from companion.both_ways import compare_with_fit as compare_with_fit
    from companion.loop import fit_by_hand as fit_by_hand

__version__ = "0.1.0"
__all__ = ["FitComparison", "compare_with_fit", "fit_by_hand"]

choose_tensorflow()
hide_start_up_notes()


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for."""
    if name == "fit_by_hand":
        from companion.loop import fit_by_hand

        return fit_by_hand
    if name in __all__:
        from companion import both_ways

        return getattr(both_ways, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
