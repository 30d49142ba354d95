import keras
import pytest

from companion.precision import precision


def settings():
    return keras.config.floatx(), keras.config.dtype_policy().name


def test_precision_holds_for_layers_losses_and_metrics_although_a_layer_was_made_before():
    keras.layers.Dense(1)
    with precision("float64"):
        made = keras.layers.Dense(1), keras.losses.MeanSquaredError(), keras.metrics.Mean()
        assert {thing.dtype for thing in made} == {"float64"}
    assert keras.layers.Dense(1).dtype == "float32"


def test_precision_is_put_back_after_an_exception():
    before = settings()
    with pytest.raises(ZeroDivisionError), precision("float64"):
        1 / 0  # noqa: B018
    assert settings() == before


def test_an_unknown_precision_is_refused_and_changes_nothing():
    before = settings()
    with pytest.raises(ValueError, match="float13"), precision("float13"):
        pass
    assert settings() == before
