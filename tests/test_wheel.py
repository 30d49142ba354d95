"""An installed wheel works like a checkout, from any folder, with its data."""

import subprocess
import sys
import zipfile

import pytest


@pytest.fixture(scope="module")
def wheel(pytestconfig, tmp_path_factory):
    """Build the wheel from a copy of the tracked files, asking no registry."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("companion", "data", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        subprocess.run(["cp", "-r", pytestconfig.rootpath / name, source], check=True)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", target, source], check=True, capture_output=True)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target]
    subprocess.run([*pip, wheel], check=True, capture_output=True)
    return target


def test_the_wheel_holds_the_package_its_data_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "companion/lesson3.py" in names
    assert "companion/data/diabetes.csv" in names
    assert "companion/data/mnist.npz" in names
    assert "companion/data/README.md" in names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"companion"}


def test_an_installed_lesson_runs_from_another_folder(command, installed, tmp_path):
    where = "import companion; print(companion.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where], env={"PYTHONPATH": str(installed)}, cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.startswith(str(installed))
    done = command("companion.lesson3", "--epochs", "3", cwd=tmp_path, PYTHONPATH=str(installed))
    assert done.stderr == ""
    assert done.returncode == 0
    assert "identical: 3 of 3 epochs, all 4 weight arrays" in done.stdout


def test_the_installed_command_is_the_index(installed, tmp_path):
    done = subprocess.run(
        [sys.executable, installed / "bin" / "companion"], env={"PYTHONPATH": str(installed)}, cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "lesson3" in done.stdout
