import keras
import numpy as np
import pytest

from companion.batches import batches_in_order
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


class Spy(keras.Model):
    """Remembers the shape that `.fit` traces and the rows that it feeds."""

    def __init__(self):
        super().__init__()
        self.dense, self.traced, self.fed = keras.layers.Dense(1), [], []

    def call(self, x):
        self.traced.append(x.shape[0])
        return self.dense(x)

    def train_step(self, data):
        if self.run_eagerly:
            self.fed.append(data[0].numpy()[:, 0])
        return super().train_step(data)


@pytest.mark.parametrize("batch_size", [1, 3, 4, 10, 12, 13])
def test_batches_are_those_of_fit_in_its_order_with_its_shapes(batch_size):
    x, y = np.arange(24.0).reshape(12, 2), np.arange(12.0)[:, None]
    eager, graph = Spy(), Spy()
    for spy in (eager, graph):
        spy.compile(loss="mse", run_eagerly=spy is eager)
        spy.fit(x, y, batch_size=batch_size, shuffle=False, verbose=0)
    batches = batches_in_order(x, y, batch_size)
    rows = [xb.numpy()[:, 0] for xb, _ in batches]
    assert len(rows) == len(batches) == len(eager.fed)
    for ours, theirs in zip(rows, eager.fed, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert batches.element_spec[0].shape[0] == graph.traced[-1]


def test_batches_are_cast_to_the_float_type_in_force():
    x, y = np.ones((4, 2)), np.ones((4, 1))
    assert {spec.dtype.name for spec in batches_in_order(x, y, 2).element_spec} == {"float32"}
    with precision("float64"):
        assert {spec.dtype.name for spec in batches_in_order(x, y, 2).element_spec} == {"float64"}


@pytest.mark.parametrize(
    ("rows_of_x", "rows_of_y", "batch_size", "reason"),
    [(3, 2, 1, "x has 3 rows and y 2"), (0, 0, 1, "at least 1"), (3, 3, 0, "batch_size is 0")],
)
def test_what_cannot_be_batched_is_refused(rows_of_x, rows_of_y, batch_size, reason):
    with pytest.raises(ValueError, match=reason):
        batches_in_order(np.ones((rows_of_x, 2)), np.ones((rows_of_y, 1)), batch_size)
