"""A TOML file that people write: what it holds, and in which line something is wrong."""

import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from companion.errors import UserError


class TomlFile:
    """A TOML file, read.

    Attributes
    ----------
    path : Path
        As given.
    content : dict
        What is in it.
    """

    def __init__(self, path: Path, data: bytes | None = None) -> None:
        self.path = path
        try:
            text = (path.read_bytes() if data is None else data).decode("utf-8-sig")
            self.content: dict[str, Any] = tomllib.loads(text)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"{str(path)!r} cannot be read ({reason}); name a TOML file in UTF-8") from None
        except (ValueError, RecursionError) as error:  # also of an integer that is too long
            raise UserError(f"{path}: not TOML: {error}") from None
        self.lines = text.splitlines()

    def error(self, key: str, table: str, told: str, number: int = 1) -> UserError:
        """Make an error that names the line of `key` in the `number`-th table called `table`."""
        line = self._line(key, table, number)
        where = f", line {line}" if line else ""
        return UserError(f"{self.path}{where}: {key} {told}")

    def _line(self, key: str, table: str, number: int) -> int | None:
        """Find the line of a key in a table; "" is what stands before the first."""
        inside, times = "", 0
        for at, line in enumerate(self.lines, start=1):
            if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line):
                inside = header[1].strip("\"'")
                times += inside == table
                if (inside == key and not table) or (key == table == inside and times == number):
                    return at
            quoted = rf"\s*({re.escape(table)}\.)?[\"']?{re.escape(key)}[\"']?\s*[.=]"
            here = inside == table and times == number if table else inside == ""
            if (here or (table and inside == "")) and re.match(quoted, line):
                return at
        return None

    def know(self, content: Mapping[str, Any], known: Collection[str], table: str, number: int = 1) -> None:
        """Refuse a key that is not among `known`."""
        for key in content:
            if key not in known:
                what = f"of [{table}]" if table else "here"
                raise self.error(
                    key, table, f"is no key {what}: there are {', '.join(sorted(known))}", number
                )

    def table(self, content: Mapping[str, Any], name: str) -> dict[str, Any]:
        """Return a table, empty if it is missing."""
        value = content.get(name, {})
        if not isinstance(value, dict):
            raise self.error(name, "", f"is {value!r}: it must be a table, [{name}]")
        return value

    def number(
        self,
        content: Mapping[str, Any],
        key: str,
        table: str,
        least: float,
        most: float,
        *,
        whole: bool = False,
        number: int = 1,
    ) -> Any:
        """Return a number."""
        if key not in content:
            where = f" in [{table}]" if table else ""
            raise UserError(f"{self.path}: {key} is missing{where}: add a number from {least:g} to {most:g}")
        value = content[key]
        is_number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not (is_number and least <= value <= most):
            kind = "whole number" if whole else "number"
            told = f"is {value!r}: it must be a {kind} from {least:g} to {most:g}"
            raise self.error(key, table, told, number)
        return value

    def text(self, content: Mapping[str, Any], key: str, table: str, number: int = 1) -> str:
        """Return a text that is not empty."""
        value = content.get(key)
        if value is None:
            raise self.error(table or key, table, f"has no {key}: add a text in quotes", number)
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, table, f"is {value!r}: it must be a text in quotes", number)
        return value
