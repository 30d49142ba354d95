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
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(
            f"{METADATA} cannot be read ({str(error).splitlines()[0]}); export it again"
        ) from None
    found = {}
    for key, about in content.items() if isinstance(content, dict) else ():
        if isinstance(about, dict):
            found[str(key).removeprefix("submission_")] = _handed(about, due)
    return found


def _handed(about: dict[str, Any], due: datetime | None) -> Handed:
    submitters = [one for one in about.get(":submitters") or [] if isinstance(one, dict)]
    named = [(one.get(":sid") or one.get(":email") or "", one.get(":name") or "") for one in submitters]
    return Handed(tuple((str(a), str(b)) for a, b in named), _is_late(about.get(":created_at"), due))


def _is_late(made: Any, due: datetime | None) -> bool:
    if due is None or not isinstance(made, datetime):
        return False
    zones = [moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in (made, due)]
    return zones[0] > zones[1]
