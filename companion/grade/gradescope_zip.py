"""The archive that Gradescope takes as an autograder: it builds a container from it."""

import argparse
import importlib.util
import io
import shlex
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

import companion
from companion.errors import UserError
from companion.grade.class_run import read_given_assignment
from companion.grade.sandbox.limits import RANGES
from companion.terminal.console import Report
from companion.terminal.lesson_list import lesson_file
from companion.terminal.outputs import write

DISTRIBUTION = "fit-by-hand"
SOURCES = ("companion", "data", "lessons", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
SETUP = """\
#!/usr/bin/env bash
# Runs once, when the container is built: installs a Python that is supported, and the grader.
set -euo pipefail
cd /autograder/source

python=
for one in python3.13 python3.12 python3.11; do
    if "$one" -c 'import ensurepip' 2> /dev/null; then python=$one; break; fi
done
if [ -z "$python" ]; then
    # Ubuntu 22.04 comes with Python 3.10, which is too old.
    apt-get update
    for one in python3.12 python3.11 python3.13; do
        if DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$one" "$one-venv"
        then python=$one; break; fi
    done
fi
if [ -z "$python" ]; then
    echo "there is no Python 3.11, 3.12 or 3.13 to install: choose a newer base image" >&2
    exit 1
fi
"$python" -m venv /autograder/venv
/autograder/venv/bin/pip install --no-cache-dir {wanted}
"""
RUN = """\
#!/usr/bin/env bash
# Runs for each submission: grades /autograder/submission, writes /autograder/results/results.json.
cd /autograder
exec /autograder/venv/bin/python -m companion.grade {words}
"""


def write_gradescope_zip(options: argparse.Namespace, report: Report) -> int:
    """Write the archive for a lesson, with the options that were given."""
    refuse_other_file(options.gradescope_zip)
    assignment = read_given_assignment(options)
    source = Path(options.assignment or lesson_file(options.lesson, "assignment.toml"))
    name, wheel = own_wheel()
    words = [options.lesson, "--gradescope", "--assignment", "/autograder/source/assignment.toml"]
    for limit in RANGES:
        if getattr(options, limit) is not None:
            words += [f"--{limit.replace('_', '-')}", str(getattr(options, limit))]
    words += [f"--{choice.replace('_', '-')}" for choice in ("require_sandbox", "unsafe", "no_fork")
              if getattr(options, choice)]  # fmt: skip
    words += [] if options.seed is None else ["--seed", str(options.seed)]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        wanted = shlex.join([f"./{name}", *assignment.packages])
        _add(archive, "setup.sh", SETUP.format(wanted=wanted).encode(), executable=True)
        _add(archive, "run_autograder", RUN.format(words=shlex.join(words)).encode(), executable=True)
        _add(archive, "assignment.toml", source.read_bytes())
        _add(archive, name, wheel)
    write(options.gradescope_zip, content.getvalue())
    report.facts([
        ("written", f"{options.gradescope_zip}: setup.sh, run_autograder, assignment.toml, {name}"),
        ("next", "in Gradescope, choose Configure Autograder, Zip file upload, Ubuntu 22.04, and upload it"),
    ])  # fmt: skip
    return 0


def refuse_other_file(path: str) -> None:
    """Refuse to overwrite anything but an autograder that was written before."""
    if not path.lower().endswith(".zip"):
        raise UserError(f"--gradescope-zip: {path!r} does not end in .zip; try {path + '.zip'!r}")
    if not Path(path).exists():
        return
    is_ours = zipfile.is_zipfile(path) and "run_autograder" in zipfile.ZipFile(path).namelist()
    if not is_ours:
        raise UserError(f"--gradescope-zip: {path!r} exists and is no autograder; name another file")


def _add(archive: zipfile.ZipFile, name: str, content: bytes, *, executable: bool = False) -> None:
    about = zipfile.ZipInfo(name)  # without a time, so that the same files are the same archive
    about.external_attr = (0o755 if executable else 0o644) << 16
    archive.writestr(about, content, zipfile.ZIP_DEFLATED)


def own_wheel() -> tuple[str, bytes]:
    """Return the companion that is running, as a wheel: its name and its content."""
    root = Path(companion.__file__).parent.parent
    return built_wheel(root) if (root / "setup.cfg").is_file() else packed_wheel()


def built_wheel(root: Path) -> tuple[str, bytes]:
    """Build the wheel of a checkout, from a copy that takes what building leaves."""
    with TemporaryDirectory() as folder:
        for name in SOURCES:
            copy = shutil.copytree if (root / name).is_dir() else shutil.copy
            copy(root / name, Path(folder, name))
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, folder]
        if importlib.util.find_spec("setuptools") is not None:
            pip.append("--no-build-isolation")  # so that nothing is downloaded
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        built = next(Path(folder).glob("*.whl"), None)
        if built is None:
            why = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"status {done.returncode}"
            raise UserError(
                f"the wheel of this checkout cannot be built ({why}); python -m pip install wheel"
            )
        return built.name, built.read_bytes()


def packed_wheel() -> tuple[str, bytes]:
    """Put an installed companion together to a wheel again."""
    try:
        installed = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        raise UserError(
            f"{DISTRIBUTION} is not installed: python -m pip install the wheel, then try again"
        ) from None
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        record = ""
        for file in sorted(installed.files or [], key=str):
            outside = ".." in file.parts or "__pycache__" in file.parts
            if outside or file.name in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"):
                record = str(file) if file.name == "RECORD" else record
                continue
            _add(archive, file.as_posix(), file.read_binary())
        rows = [f"{name},," for name in [*archive.namelist(), record]]  # pip asks for no checksums
        _add(archive, record, ("\n".join(rows) + "\n").encode())
    return f"{DISTRIBUTION.replace('-', '_')}-{installed.version}-py3-none-any.whl", content.getvalue()
