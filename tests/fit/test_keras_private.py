"""What Keras does not export: checked on import, named where it is missing, put back where it is set."""

import importlib

import keras
import pytest

from companion.fit import keras_private


@pytest.fixture
def keras_of_another_day(monkeypatch):
    """Let a test change Keras, then import the module as it is."""
    yield monkeypatch
    monkeypatch.undo()
    importlib.reload(keras_private)


@pytest.mark.parametrize(
    "missing",
    [
        "keras.src.trainers.data_adapters.get_data_adapter",
        "keras.src.trainers.data_adapters.array_slicing.train_validation_split",
        "keras.src.utils.python_utils.pythonify_logs",
    ],
)
def test_a_missing_function_is_named_on_import(keras_of_another_day, missing):
    keras_of_another_day.delattr(missing)
    name = missing.rpartition(".")[2]
    with pytest.raises(
        ImportError, match=f"does not find them in Keras 3.*{name}.*it was tried with Keras 3"
    ):
        importlib.reload(keras_private)


def test_a_missing_attribute_of_a_model_is_named_on_import(keras_of_another_day):
    class Trainer:
        def __init__(self):
            self._initial_epoch = None

    keras_of_another_day.setattr("keras.src.trainers.trainer.Trainer", Trainer)
    with pytest.raises(ImportError, match=r"needs Model\._loss_tracker, which Keras 3\.\d+\.\d+ does not"):
        importlib.reload(keras_private)


def test_importing_it_makes_no_layer_so_that_floatx_may_still_be_set(command, tmp_path):
    """The first layer of a process fixes the type of all later ones."""
    (tmp_path / "late.py").write_text(
        "import companion.loop, keras\n"
        "keras.config.set_floatx('float64')\n"
        "layer = keras.layers.Dense(1)\n"
        "print(layer.name, layer.dtype)\n"
    )
    done = command(
        "late", cwd=tmp_path, PYTHONPATH=f"{tmp_path}:{importlib.import_module('companion').__path__[0]}/.."
    )
    assert done.stdout == "dense float64\n", done.stderr


def test_names_go_on_as_if_the_block_had_made_no_layer():
    keras.layers.Dense(1)  # so that the next has a number
    number = int(keras.layers.Dense(1).name.removeprefix("dense_"))
    for _ in range(2):
        with keras_private.same_names():
            assert [keras.layers.Dense(1).name for _ in range(2)] == [
                f"dense_{number + 1}",
                f"dense_{number + 2}",
            ]
    assert keras.layers.Dense(1).name == f"dense_{number + 1}"
