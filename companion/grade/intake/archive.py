"""The files of a folder or a zip archive, listed and read without trusting any of them."""

import io
import lzma
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from companion.errors import UserError

MOST_FILES = 200_000  # in all; a zip may hold millions in a few kilobytes
MOST_BYTES = 20 << 20  # of a file
DEEPEST = 40  # nested folders
# What the library raises for archives that are no good.
DAMAGED = (
    zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, IndexError, zlib.error,
    lzma.LZMAError, struct.error, UnicodeError,
)  # fmt: skip
JUNK = {"__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini"}

LEFT_BY_EDITORS = ("~", ".pyc", ".swp", ".bak", ".orig")


@dataclass(frozen=True)
class Entry:
    """A file that was handed in.

    Attributes
    ----------
    path : str
        Relative, with slashes.
    problem : str
        Why it is not read; "" if it is.
    read : callable
        Gives its content.
    """

    path: str
    problem: str
    read: Callable[[], bytes]


def list_entries(source: Path) -> list[Entry]:
    """List all files of a folder or a zip archive."""
    try:
        if source.is_dir():
            entries = list(_of_folder(source))
        elif zipfile.is_zipfile(source):
            entries = list(_of_zip(zipfile.ZipFile(source)))
        else:
            what = "is neither a folder nor a zip archive" if source.exists() else "does not exist"
            raise UserError(f"{str(source)!r} {what}: name the folder or the zip of the submissions")
    except (OSError, *DAMAGED) as error:
        raise UserError(f"{str(source)!r} cannot be read ({error}); download it again") from None
    return sorted((entry for entry in entries if not _is_junk(entry.path)), key=lambda entry: entry.path)


def _is_junk(path: str) -> bool:
    parts = path.split("/")
    return parts[-1].endswith(LEFT_BY_EDITORS) or any(
        part in JUNK or (part.startswith(".") and part != "..") for part in parts
    )


def _of_folder(folder: Path) -> Iterator[Entry]:
    count = 0
    for path, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(path, name))]
        for name in [*names, *links]:
            count += 1
            if count > MOST_FILES:
                raise UserError(
                    f"{str(folder)!r} has more than {MOST_FILES} files; name the submissions' folder"
                )
            file = Path(path, name)
            relative = file.relative_to(folder).as_posix()
            deep = f"lies in more than {DEEPEST} nested folders" if relative.count("/") > DEEPEST else ""
            yield Entry(relative, deep or _problem_of_file(file), lambda file=file: read_file(file))  # type: ignore[misc]


def _problem_of_file(file: Path) -> str:
    try:
        status = file.lstat()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if stat.S_ISLNK(status.st_mode):
        return "is a symbolic link, not a file: hand in the file itself"
    if not stat.S_ISREG(status.st_mode):
        return "is no regular file"
    return _problem_of_size(status.st_size)


def _problem_of_size(size: int) -> str:
    if size <= MOST_BYTES:
        return ""
    return f"is {size / (1 << 20):.0f} MB large, and may be at most {MOST_BYTES >> 20} MB"


def read_file(file: Path) -> bytes:
    """Read a regular file that is no link, whatever it has become since it was listed."""
    number = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with open(number, "rb") as stream:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError("it is no regular file")
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise OSError("it has grown too large")
    return content


def _of_zip(archive: zipfile.ZipFile) -> Iterator[Entry]:
    infos = archive.infolist()
    if len(infos) > MOST_FILES:
        raise UserError(f"the zip archive has more than {MOST_FILES} files")
    for info in infos:
        if not info.filename.endswith("/"):
            path = info.filename.replace("\\", "/")
            read = lambda info=info: _read_member(archive, info)  # noqa: E731
            yield Entry(path.lstrip("/"), _problem_of_member(info, path), read)


def _problem_of_member(info: zipfile.ZipInfo, path: str) -> str:
    if path.startswith("/") or ".." in path.split("/") or re.match(r"[A-Za-z]:", path):
        return "climbs out of its folder"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a symbolic link, not a file: hand in the file itself"
    if info.flag_bits & 1:
        return "is encrypted"
    if path.count("/") > DEEPEST:
        return f"lies in more than {DEEPEST} nested folders"
    return _problem_of_size(info.file_size)


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(info) as stream:
            content = stream.read(MOST_BYTES + 1)  # whatever the archive says of its size
    except (OSError, *DAMAGED) as error:
        raise OSError(f"the archive is damaged: {error}") from None
    if len(content) > MOST_BYTES:
        raise OSError(f"it is larger than {MOST_BYTES >> 20} MB")
    return content


def entries_in(content: bytes) -> list[Entry]:
    """List the files of a zip archive that was handed in as one."""
    try:
        entries = list(_of_zip(zipfile.ZipFile(io.BytesIO(content))))
    except (OSError, UserError, *DAMAGED) as error:
        raise OSError(f"is no zip archive that can be read ({error})") from None
    for entry in entries:
        if entry.problem.startswith("climbs"):
            raise OSError(f"holds {PurePosixPath(entry.path).name!r}, which {entry.problem}")
    return [entry for entry in entries if not _is_junk(entry.path)]
