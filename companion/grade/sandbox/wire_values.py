"""Values that came out of JSON next to a stranger's code: taken only if they are what they must be."""

from typing import Any

from companion.check.learner.lines import Location

LONGEST_LIST = 1 << 16
LONGEST_TEXT = 200


class WireError(ValueError):
    """The bytes are not a run as `encode` writes it."""


def must(holds: bool, otherwise: str) -> None:
    """Refuse unless something holds."""
    if not holds:
        raise WireError(otherwise)


def an_object(value: Any) -> dict:
    """Take an object."""
    must(isinstance(value, dict), "an object is missing")
    return value


def a_list(value: Any, most: int) -> list:
    """Take a list, not too long."""
    must(isinstance(value, list) and len(value) <= most, "a list is missing or too long")
    return value


def an_int(value: Any, most: int) -> int:
    """Take a whole number from 0 to `most`."""
    must(type(value) is int and 0 <= value <= most, "a whole number is missing or too large")
    return value


def ints(values: Any) -> list[int]:
    """Take a list of whole numbers."""
    return [an_int(value, 1 << 32) for value in a_list(values, LONGEST_LIST)]


def a_bool(value: Any) -> bool:
    """Take true or false."""
    must(isinstance(value, bool), "a true or false is missing")
    return value


def a_float(value: Any) -> float:
    """Take a number."""
    must(type(value) in (int, float), "there is no number")
    return float(value)


def floats(values: Any) -> list[float]:
    """Take a list of numbers."""
    return [a_float(value) for value in a_list(values, LONGEST_LIST)]


def a_text(value: Any) -> str:
    """Take the beginning of a text."""
    must(isinstance(value, str), "there is no text")
    return value[:LONGEST_TEXT]


def a_place(value: Any) -> Location | None:
    """Take a line of a file, or nothing."""
    if value is None:
        return None
    file, line = a_list(value, 2)
    return Location(a_text(file), an_int(line, 1 << 24))


def optimizer_settings(value: Any) -> dict[str, Any]:
    """Read what an optimizer says of itself."""
    if not an_object(value):
        return {}
    config = {a_text(key): _scalar(one) for key, one in an_object(value["config"]).items()}
    must(len(config) <= 100, "an optimizer has too many settings")
    rate = a_float(value["learning_rate"])
    return {"class_name": a_text(value["class_name"]), "learning_rate": rate, "config": config}


def _scalar(value: Any) -> Any:
    if isinstance(value, int):
        must(abs(value) < 1 << 63, "a whole number is too large")
    if value is None or isinstance(value, bool | int | float):
        return value
    return a_text(value)
