"""An installed wheel works like a checkout, from any folder, with its data."""

import subprocess
import sys
import zipfile


def test_the_wheel_holds_the_package_its_data_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "companion/lesson3.py" in names
    assert "companion/data/diabetes.csv" in names
    assert "companion/data/mnist.npz" in names
    assert "companion/data/README.md" in names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"companion"}


def test_the_installed_command_is_the_index(installed, tmp_path):
    done = subprocess.run(
        [sys.executable, installed / "bin" / "companion"], env={"PYTHONPATH": str(installed)}, cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "lesson3" in done.stdout
