"""What a Gradescope export says of its submissions."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from companion.errors import UserError
from companion.grade.intake.archive import Entry

METADATA = "submission_metadata.yml"


@dataclass(frozen=True)
class Handed:
    """Who handed in a submission, id and name of each, and whether it came late."""

    submitters: tuple[tuple[str, str], ...]
    late: bool


def read_metadata(entry: Entry, due: datetime | None) -> dict[str, Handed]:
    """Read who handed in which submission."""
    import yaml

    try:
        content = yaml.safe_load(entry.read())
    except (OSError, yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        told = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{METADATA} cannot be read ({told}); export it again") from None
    if not isinstance(content, dict):
        raise UserError(f"{METADATA} says nothing of any submission; export it again")
    found = {}
    for key, about in content.items():
        if isinstance(about, dict):
            found[str(key).removeprefix("submission_")] = _handed(about, due)
    return found


def _handed(about: dict[str, Any], due: datetime | None) -> Handed:
    given = about.get(":submitters")
    submitters = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    named = [(_text(one, ":sid") or _text(one, ":email"), _text(one, ":name")) for one in submitters]
    return Handed(tuple(named), _is_late(about.get(":created_at"), due))


def _text(about: dict[str, Any], key: str) -> str:
    value = about.get(key)
    return str(value) if isinstance(value, str | int) else ""


def _is_late(made: Any, due: datetime | None) -> bool:
    if due is None or not isinstance(made, datetime):
        return False
    zones = [moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in (made, due)]
    return zones[0] > zones[1]
