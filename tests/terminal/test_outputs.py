import os
import stat
import subprocess
import sys

import pytest

from companion.errors import OutputError
from companion.terminal import outputs

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def test_a_file_is_replaced_whole_and_keeps_its_permissions(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    path.chmod(0o640)
    outputs.write(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_gets_the_usual_permissions(tmp_path):
    outputs.write(str(tmp_path / "a"), b"")
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_failure_while_writing_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text("old")

    def disk_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", disk_full)
    with pytest.raises(
        OutputError, match=r"a\.json' cannot be written: No space left on device; nothing was changed"
    ):
        outputs.write(str(path), b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_keeps_pointing_where_it_pointed(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    outputs.write(str(link), b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_device_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(
        [sys.executable, "-c", f"print(open({str(pipe)!r}).read(), end='')"], stdout=subprocess.PIPE
    )
    outputs.check_writable(str(pipe))
    outputs.write(str(pipe), b"through")
    assert reader.communicate(timeout=20)[0] == b"through"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "file name is empty"),
        (".", "is a folder: name a file in it"),
        ("missing/a.json", "the folder '.*missing' is missing; make it first"),
        ("file/a.json", "the folder '.*file' is a file, not a folder; name another"),
        ("new/", "is a folder: name a file in it"),
        ("x" * 300, "cannot be written: File name too long"),
        ("loop/a.json", "cannot be written: "),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_beforehand(tmp_path, monkeypatch, name, reason):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match=reason):
        outputs.check_writable(name)


def test_a_folder_without_permission_is_refused_beforehand(tmp_path, monkeypatch):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if IS_ROOT:  # root may write anywhere, so the system's answer is put in its place
        monkeypatch.setattr(os, "access", lambda path, mode: not (mode & os.W_OK))
    with pytest.raises(OutputError, match=r"a\.json' cannot be written: permission denied"):
        outputs.check_writable(str(folder / "a.json"))


def test_standard_output_and_a_new_file_are_fine(tmp_path):
    outputs.check_writable("-")
    outputs.check_writable(str(tmp_path / "new"))
    assert list(tmp_path.iterdir()) == []
