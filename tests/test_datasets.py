import hashlib

import numpy as np
import pytest

from companion import datasets
from companion.errors import DataError

PUBLISHED = datasets.data_path("diabetes.csv").read_bytes()
LINES = PUBLISHED.decode().splitlines(keepends=True)


def test_the_shipped_file_is_the_one_that_the_readme_describes(pytestconfig):
    readme = (pytestconfig.rootpath / "data" / "README.md").read_text(encoding="utf-8")
    digest = hashlib.sha256(PUBLISHED).hexdigest()
    assert digest == datasets.DIABETES_SHA256
    assert f"`{digest}`" in readme
    assert all(f"| `{column}` |" in readme for column in datasets.DIABETES_COLUMNS)


def test_the_frame_has_the_published_rows_and_class_balance():
    frame = datasets.load_diabetes()
    assert frame.shape == (768, 9)
    assert frame.iloc[0].tolist() == [6, 148, 72, 35, 0, 33.6, 0.627, 50, 1]
    assert frame["Outcome"].value_counts().to_dict() == {0: 500, 1: 268}


def test_the_split_keeps_the_class_balance_and_the_test_rows_out_of_the_scaling():
    (x, y), (x_test, y_test) = datasets.diabetes()
    assert (x.shape, y.shape, x_test.shape, y_test.shape) == ((576, 8), (576, 1), (192, 8), (192, 1))
    assert {a.dtype.name for a in (x, y, x_test, y_test)} == {"float64"}
    assert abs(y.mean() - y_test.mean()) < 1 / 192
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(x.std(axis=0), 1, atol=1e-14)
    assert np.abs(x_test.mean(axis=0)).max() > 0.01


def with_cell(line, column, cell):
    cells = LINES[line - 1].strip().split(",")
    cells[column] = cell
    return "".join([*LINES[: line - 1], ",".join(cells) + "\n", *LINES[line:]]).encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\xff\xfe\x00", "it is not a CSV text in UTF-8"),
        (PUBLISHED[:-5], "it has 767 rows|line 769"),
        ("".join(LINES[:100]).encode(), "it has 99 rows, expected 768"),
        (PUBLISHED + LINES[-1].encode(), "it has 769 rows, expected 768"),
        (PUBLISHED[:5000], r"line \d+ has \d+ cells, expected 9|it has \d+ rows"),
        (PUBLISHED.replace(b"Glucose", b"Sugar"), "its columns are Pregnancies,Sugar,"),
        ("".join(LINES[1:]).encode(), "its columns are 6,148,72"),
        (with_cell(17, 5, "heavy"), "line 17, column BMI is 'heavy', expected a number"),
        (with_cell(17, 5, ""), "line 17, column BMI is empty, expected a number"),
        (with_cell(2, 1, "nan"), "line 2, column Glucose is 'nan', expected a number"),
        (with_cell(2, 1, "149"), "its values or line endings were changed"),
        (PUBLISHED.replace(b"\n", b"\r\n"), "its values or line endings were changed"),
        (PUBLISHED.replace(b"1\n", b"1,1\n", 1), "line 2 has 10 cells, expected 9"),
    ],
)
def test_a_damaged_file_is_refused_with_what_is_wrong_and_what_to_do(tmp_path, content, reason):
    path = tmp_path / "diabetes.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        datasets.load_diabetes(path)
    message = str(caught.value)
    assert str(path) in message
    assert "restore it with" in message
    assert "\n" not in message


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.csv is missing; restore it"):
        datasets.load_diabetes(tmp_path / "nowhere.csv")


def test_a_folder_in_the_file_s_place_is_named(tmp_path):
    with pytest.raises(DataError, match="cannot be read: Is a directory; restore it"):
        datasets.load_diabetes(tmp_path)


def test_the_digits_are_the_published_ones(pytestconfig):
    content = datasets.data_path("mnist.npz").read_bytes()
    readme = (pytestconfig.rootpath / "data" / "README.md").read_text(encoding="utf-8")
    assert hashlib.sha256(content).hexdigest() == datasets.MNIST_SHA256
    assert f"`{datasets.MNIST_SHA256}`" in readme
    arrays = datasets.load_mnist()
    assert {name: array.shape for name, array in arrays.items()} == {
        "x_train": (60_000, 28, 28), "y_train": (60_000,), "x_test": (10_000, 28, 28), "y_test": (10_000,)
    }  # fmt: skip
    assert np.bincount(arrays["y_train"])[[0, 9]].tolist() == [5923, 5949]


def test_a_row_of_digits_is_its_image_from_0_to_1():
    (x, y), (x_test, y_test) = datasets.digits()
    arrays = datasets.load_mnist()
    assert (x.shape, x_test.shape, y.shape, y_test.shape) == (
        (60_000, 784),
        (10_000, 784),
        (60_000,),
        (10_000,),
    )
    assert (x.dtype, y.dtype) == ("float32", "int64")
    assert (x.min(), x.max()) == (0, 1)
    np.testing.assert_array_equal(x[7].reshape(28, 28), arrays["x_train"][7] / np.float32(255))
    np.testing.assert_array_equal(y_test, arrays["y_test"])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[:-1], "it has 11490518 bytes, expected 11490519"),
        (lambda content: b"", "it has 0 bytes"),
        (lambda content: content[:999] + b"?" + content[1000:], "its bytes were changed"),
    ],
)
def test_damaged_digits_are_refused(tmp_path, damage, reason):
    path = tmp_path / "mnist.npz"
    path.write_bytes(damage(datasets.data_path("mnist.npz").read_bytes()))
    with pytest.raises(DataError, match=reason) as caught:
        datasets.load_mnist(path)
    assert "restore it with 'git checkout -- data/mnist.npz'" in str(caught.value)
