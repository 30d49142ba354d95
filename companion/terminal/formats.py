"""How numbers are written: in a table, in a sentence, in JSON."""

import math
from collections.abc import Iterable, Mapping
from typing import Any


def column(losses: Iterable[float]) -> list[str]:
    """Format the losses of one column alike, with as many digits as it has room for."""
    losses = list(losses)
    largest = max((abs(loss) for loss in losses if math.isfinite(loss)), default=0.0)
    form = ".8e" if largest >= 1e9 else f".{min(12, 15 - len(str(int(largest))))}f"
    return [f"{loss:{form}}" if math.isfinite(loss) else number_word(loss) for loss in losses]


def short_loss(loss: float) -> str:
    """Format a loss for reading, not for comparing."""
    if not math.isfinite(loss):
        return number_word(loss)
    return f"{loss:.4f}" if loss == 0 or 0.001 <= abs(loss) < 1000 else f"{loss:.3g}"


def distance(value: float) -> str:
    """Format a difference: exactly zero must look different from very small."""
    if not math.isfinite(value):
        return number_word(value)
    return "0" if value == 0 else f"{value:.1e}" if value < 0.001 else f"{value:.3g}"


def number_word(value: float) -> str:
    """Return the word for a NaN or an infinity."""
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def count_of(number: int, what: str) -> str:
    """Return a number and what it counts: 1 epoch, 2 epochs, 2 losses."""
    return f"{number} {what}{'' if number == 1 else 'es' if what.endswith('s') else 's'}"


def spell_out(value: Any) -> Any:
    """Replace each NaN and infinity in nested lists and dicts by "NaN", "Infinity" or "-Infinity"."""
    if isinstance(value, Mapping):
        return {key: spell_out(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [spell_out(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return number_word(value)
    return value


def settings_text(settings: Mapping[str, Any]) -> str:
    """Name settings and their values in a sentence."""
    return ", ".join(f"{name} {value}" for name, value in settings.items())
