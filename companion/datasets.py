"""The lessons' data: one loader per data set; each checks its file before use."""

import csv
import functools
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import make_moons
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from companion.errors import DataError

DIABETES_COLUMNS = [
    "Pregnancies",
    "Glucose",
    "BloodPressure",
    "SkinThickness",
    "Insulin",
    "BMI",
    "DiabetesPedigreeFunction",
    "Age",
    "Outcome",
]
DIABETES_ROWS = 768
DIABETES_SHA256 = "c980e5e01dc1c554a358102b773f34b29599d0051ec5cf5b56ad1c6fcb3a23b0"
MNIST_SIZE = 11_490_519  # bytes
MNIST_SHA256 = "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64"

Rows = tuple[np.ndarray, np.ndarray]


def data_path(name: str) -> Path:
    """Where the data file `name` stands: inside an installed package, or in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "data" / name
    return installed if installed.exists() else package.parent / "data" / name


def load_diabetes(path: str | Path | None = None) -> pd.DataFrame:
    """Read the Pima Indians Diabetes data set and check that it is unchanged.

    Parameters
    ----------
    path : str or Path, optional
        The CSV file; by default the one that comes with the package.

    Returns
    -------
    DataFrame of shape (768, 9)
        Eight measurements, whose units stand in ``data/README.md``, and ``Outcome``: 1
        for the 268 patients found to have diabetes, 0 for the other 500. Columns in
        whole units are int64, ``BMI`` and ``DiabetesPedigreeFunction`` float64.

    Raises
    ------
    DataError
        If the file is missing, cannot be read, or is not the published one byte for
        byte; the message says what is wrong with it and how to get it back.

    Notes
    -----
    Source: National Institute of Diabetes and Digestive and Kidney Diseases, donated
    by Vincent Sigillito in 1990; taken from ``PimaIndiansDiabetes`` in R's mlbench.
    """
    return pd.read_csv(io.BytesIO(_read("diabetes.csv", path, DIABETES_SHA256, _what_is_wrong_with_csv)))


def keep_in_memory() -> None:
    """Read the table once and keep it, since processes forked from this one may not read files."""
    global _read
    _read = functools.cache(_read)
    load_diabetes()


def _read(name: str, path: str | Path | None, sha256: str, what_is_wrong: Callable[[bytes], str]) -> bytes:
    """Read the data file `name`, from elsewhere if `path` is given; refuse all but the published bytes."""
    path = data_path(name) if path is None else Path(path)
    restore = f"restore it with 'git checkout -- data/{name}' in a checkout, or install companion again"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"data file {path} is missing; {restore}") from None
    except OSError as error:
        raise DataError(f"data file {path} cannot be read: {error.strerror}; {restore}") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"data file {path} is not the published one: {what_is_wrong(content)}; {restore}")
    return content


def _what_is_wrong_with_csv(content: bytes) -> str:
    """Return a few words: how `content` differs from a sound diabetes.csv."""
    try:
        lines = list(csv.reader(content.decode("utf-8").splitlines()))
    except (UnicodeDecodeError, csv.Error):
        return "it is not a CSV text in UTF-8"
    if not lines:
        return "it is empty"
    header, rows = lines[0], lines[1:]
    if header != DIABETES_COLUMNS:
        return f"its columns are {','.join(header)[:200]}, expected {','.join(DIABETES_COLUMNS)}"
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            return f"line {number} has {len(row)} cells, expected {len(header)}"
        for column, cell in zip(header, row, strict=True):
            if not cell.strip():
                return f"line {number}, column {column} is empty, expected a number"
            if not _is_number(cell):
                return f"line {number}, column {column} is {cell[:40]!r}, expected a number"
    if len(rows) != DIABETES_ROWS:
        return f"it has {len(rows)} rows, expected {DIABETES_ROWS}"
    return f"its values or line endings were changed (SHA-256 is not {DIABETES_SHA256[:12]}...)"


def _is_number(cell: str) -> bool:
    try:
        return np.isfinite(float(cell))
    except ValueError:
        return False


def diabetes() -> tuple[Rows, Rows]:
    """Split the diabetes data and put every measurement on the same scale.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : pairs of ndarray, float64
        576 and 192 patients, with the same share of diabetes in both. `x` has shape
        (n, 8), each column with mean 0 and standard deviation 1 over the *training*
        rows: the test rows must not leak into what the network is trained on. `y` has
        shape (n, 1) and holds 0 or 1.

    Raises
    ------
    DataError
        As `load_diabetes`.
    """
    frame = load_diabetes()
    x = frame.drop(columns="Outcome").to_numpy(dtype="float64")
    y = frame[["Outcome"]].to_numpy(dtype="float64")
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=42, stratify=y)
    scaler = StandardScaler().fit(x_train)
    return (scaler.transform(x_train), y_train), (scaler.transform(x_test), y_test)


def moons() -> tuple[Rows, Rows]:
    """Make two half moons that reach into each other, with some points on the wrong side.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : pairs of ndarray, float64
        200 points each, half of them of each class: `x` of shape (200, 2), without a unit,
        roughly from -1.5 to 2.5; `y` of shape (200, 1), 0 or 1.

    Notes
    -----
    Source: scikit-learn's ``make_moons`` with noise 0.2, random states 0 and 1.
    """
    (x, y), (x_test, y_test) = (make_moons(200, noise=0.2, random_state=state) for state in (0, 1))
    return (x, y[:, None].astype("float64")), (x_test, y_test[:, None].astype("float64"))


def load_mnist(path: str | Path | None = None) -> dict[str, np.ndarray]:
    """Read the MNIST handwritten digits and check that they are unchanged.

    Parameters
    ----------
    path : str or Path, optional
        The NPZ file; by default the one that comes with the package.

    Returns
    -------
    dict of str to ndarray of uint8
        ``x_train`` (60000, 28, 28) and ``x_test`` (10000, 28, 28): gray levels from 0, the
        paper, to 255, the ink. ``y_train`` (60000,) and ``y_test`` (10000,): which digit.

    Raises
    ------
    DataError
        As `load_diabetes`.

    Notes
    -----
    Source: Yann LeCun, Corinna Cortes, Christopher Burges, from NIST's databases 3 and 1.
    """
    content = _read("mnist.npz", path, MNIST_SHA256, _what_is_wrong_with_npz)
    with np.load(io.BytesIO(content)) as arrays:
        return dict(arrays)


def _what_is_wrong_with_npz(content: bytes) -> str:
    if len(content) != MNIST_SIZE:
        return f"it has {len(content)} bytes, expected {MNIST_SIZE}"
    return f"its bytes were changed (SHA-256 is not {MNIST_SHA256[:12]}...)"


def digits() -> tuple[Rows, Rows]:
    """Lay each digit out as a row of 784 numbers.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : pairs of ndarray
        60,000 and 10,000 digits. `x` of shape (n, 784), float32, from 0, the paper, to 1,
        the ink, row after row of the image; `y` of shape (n,), int64, from 0 to 9.

    Raises
    ------
    DataError
        As `load_mnist`.
    """
    arrays = load_mnist()
    train, test = (
        (arrays[f"x_{rows}"].reshape(-1, 784).astype("float32"), arrays[f"y_{rows}"].astype("int64"))
        for rows in ("train", "test")
    )
    for x, _ in (train, test):
        x /= 255
    return train, test
