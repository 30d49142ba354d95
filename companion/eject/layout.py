"""Lines of Python, laid out as formatters lay them out."""

import io
import tokenize
from collections.abc import Iterator, Sequence

WIDTH = 88  # as formatters have it


def in_tuple(names: Sequence[str]) -> str:
    """Write names as a tuple."""
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


def as_targets(names: Sequence[str]) -> str:
    """Write names as the left side of an assignment."""
    return ", ".join(names) if len(names) > 1 else f"({names[0]},)"


def as_word(name: str) -> str:
    """Return a name as a part of a variable's name."""
    return "".join(letter if letter.isalnum() else "_" for letter in str(name))


def indented(lines: Sequence[str]) -> list[str]:
    """Indent lines by one level."""
    return [f"    {line}" if line else "" for line in lines]


def wrapped(line: str) -> list[str]:
    """Break a line that is too long as formatters do: at its brackets, then at the commas in them."""
    if len(line) <= WIDTH or line.lstrip().startswith(("#", '"""')):
        return [line]
    code, comment = _without_comment(line)
    if comment:
        indent = line[: len(line) - len(line.lstrip())]
        return [f"{indent}{comment}", *wrapped(code)]
    opened, closed = _brackets(code, last=not code.lstrip().startswith("def "))
    if opened < 0:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    first, inside, last = code[: opened + 1], code[opened + 1 : closed], code[closed:]
    parts = _split(inside)
    trailing = "," if len(parts) > 1 else ""
    is_literal = (first[-1] in "[{" or first.endswith(" (")) and trailing
    if len(indent) + 4 + len(inside) <= WIDTH and not is_literal:
        return [first, f"{indent}    {inside.strip()}", f"{indent}{last.strip()}"]
    broken = [piece for part in parts for piece in wrapped(f"{indent}    {part}{trailing}")]
    return [first, *broken, f"{indent}{last.strip()}"]


def _without_comment(line: str) -> tuple[str, str]:
    for token in tokenize.generate_tokens(io.StringIO(line.strip()).readline):
        if token.type == tokenize.COMMENT:
            indent = len(line) - len(line.lstrip())
            return line[: indent + token.start[1]].rstrip(), token.string
        if token.type in (tokenize.NEWLINE, tokenize.ENDMARKER):
            break
    return line, ""


def _brackets(line: str, last: bool) -> tuple[int, int]:
    """Find the first or last pair of outermost brackets that has something in it."""
    found, opened = (-1, -1), -1
    for number, letter, depth in _outside_strings(line):
        if letter in "([{" and depth == 1:
            opened = number
        elif letter in ")]}" and depth == 0 and number > opened + 1:
            found = (opened, number)
            if not last:
                return found
    return found


def _split(inside: str) -> list[str]:
    """Split at the outermost commas."""
    commas = [number for number, letter, depth in _outside_strings(inside) if letter == "," and depth == 0]
    starts = [0, *(number + 1 for number in commas)]
    return [inside[start:end].strip() for start, end in zip(starts, [*commas, None], strict=True)]


def _outside_strings(code: str) -> Iterator[tuple[int, str, int]]:
    """Yield the letters that are in no string: where, which, and in how many brackets after it."""
    depth, quote, escaped = 0, "", False
    for number, letter in enumerate(code):
        if quote:
            quote = "" if letter == quote and not escaped else quote
            escaped = letter == "\\" and not escaped
            continue
        quote = letter if letter in "\"'" else ""
        depth += (letter in "([{") - (letter in ")]}")
        yield number, letter, depth
