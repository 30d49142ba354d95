"""What a Gradescope export says of its submissions."""

from datetime import UTC, datetime
from typing import Any

from companion.errors import UserError
from companion.grade.intake.archive import Entry

METADATA = "submission_metadata.yml"


def read_metadata(entry: Entry, due: datetime | None) -> dict[str, tuple[str, str, bool]]:
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
            found[str(key).removeprefix("submission_")] = _owner(about, due)
    return found


def _owner(about: dict[str, Any], due: datetime | None) -> tuple[str, str, bool]:
    submitters = [one for one in about.get(":submitters") or [] if isinstance(one, dict)]
    first = submitters[0] if submitters else {}
    student = first.get(":sid") or first.get(":email") or ""
    names = " and ".join(str(one.get(":name") or "") for one in submitters)
    return str(student), names, _is_late(about.get(":created_at"), due)


def _is_late(made: Any, due: datetime | None) -> bool:
    if due is None or not isinstance(made, datetime):
        return False
    zones = [moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in (made, due)]
    return zones[0] > zones[1]
