"""`batches_of_fit` against what `model.fit` really feeds when it is given the arrays."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from marks import a_few, only

from companion.batches import batches_of_fit, order_of_fit
from companion.precision import precision


class Spy(keras.Model):
    """Remembers the rows that `.fit` feeds, and for what shape it traces its step."""

    def __init__(self):
        super().__init__()
        self.dense, self.traced, self.fed = keras.layers.Dense(1), [], []

    def call(self, x):
        self.traced.append(x.shape[0])
        return self.dense(x)

    def train_step(self, data):
        if self.run_eagerly:
            self.fed.append([part.numpy() for part in data])
        return super().train_step(data)


def spied(x, y, seed, *, eagerly, **options):
    keras.utils.set_random_seed(seed)
    spy = Spy()
    spy.compile(loss="mse", run_eagerly=eagerly)
    spy.fit(x, y, verbose=0, **options)
    return spy


def data(rows):
    return np.arange(2.0 * rows).reshape(rows, 2), np.arange(rows)[:, None]


@pytest.mark.parametrize(("shuffle", "seed"), [(True, 0), (True, 1), (True, 42), (False, 0)])
@pytest.mark.parametrize(
    ("rows", "batch_size"),
    a_few([(12, 3), (12, 1), (1, 32), (12, 5), (12, 12), (12, 100), (2, 1), (200, 32)], 3),
)
def test_batches_are_those_of_the_textbook_call_in_every_epoch(rows, batch_size, shuffle, seed):
    x, y = data(rows)
    fed = spied(x, y, seed, eagerly=True, batch_size=batch_size, shuffle=shuffle, epochs=2).fed
    keras.utils.set_random_seed(seed)
    batches = list(batches_of_fit(x, y, batch_size, shuffle=shuffle))
    assert len(fed) == 2 * len(batches)
    for theirs, ours in zip(fed, 2 * batches, strict=True):
        for their_part, our_part in zip(theirs, ours, strict=True):
            np.testing.assert_array_equal(our_part.numpy(), their_part)
            assert our_part.numpy().dtype == their_part.dtype


@pytest.mark.parametrize("batch_size", only([1, 3, 5, 10, 12, 13], 3, 5))
@pytest.mark.parametrize("shuffle", [True, False])
def test_the_element_spec_has_the_shapes_that_fit_traces(batch_size, shuffle):
    x, y = data(12)
    spy = spied(x, y, 0, eagerly=False, batch_size=batch_size, shuffle=shuffle)
    spec = batches_of_fit(x, y, batch_size, shuffle=shuffle).element_spec
    assert spec[0].shape[0] == spy.traced[-1]


def test_the_order_is_a_permutation_that_depends_on_the_seed_and_asking_changes_nothing():
    orders = {}
    for seed in (0, 1):
        keras.utils.set_random_seed(seed)
        drawn = tf.random.uniform([3]).numpy()
        keras.utils.set_random_seed(seed)
        orders[seed] = order_of_fit(50)
        np.testing.assert_array_equal(order_of_fit(50), orders[seed])
        np.testing.assert_array_equal(tf.random.uniform([3]).numpy(), drawn)
        assert sorted(orders[seed]) == list(range(50))
    assert (orders[0] != orders[1]).any()


def test_without_a_seed_shuffling_is_refused_as_fit_would_reshuffle():
    tf.random.set_seed(None)
    try:
        with pytest.raises(ValueError, match=r"call keras\.utils\.set_random_seed\(0\) first"):
            batches_of_fit(*data(12), 4, shuffle=True)
        assert len(batches_of_fit(*data(12), 4, shuffle=False)) == 3
    finally:
        keras.utils.set_random_seed(0)


def test_fit_takes_the_batches_repeated_and_gives_the_losses_of_the_textbook_call():
    x, y = data(50)
    histories = []
    for textbook in (True, False):
        keras.utils.set_random_seed(7)
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "tanh"), keras.layers.Dense(1)])
        model.compile(optimizer=keras.optimizers.SGD(1e-4), loss="mse")
        if textbook:
            history = model.fit(x, y, batch_size=8, epochs=6, verbose=0)
        else:
            batches = batches_of_fit(x, y, 8, shuffle=True)
            history = model.fit(
                batches.repeat(), steps_per_epoch=len(batches), epochs=6, shuffle=False, verbose=0
            )
        histories.append(history.history["loss"])
    assert histories[0] == histories[1]


def test_floats_are_cast_to_the_type_in_force_and_integers_kept():
    x, y = data(4)
    for dtype in ("float32", "float64"):
        with precision(dtype):
            spec = batches_of_fit(x, y, 2, shuffle=False).element_spec
        assert [part.dtype.name for part in spec] == [dtype, "int64"]


@pytest.mark.parametrize(
    ("rows_of_x", "rows_of_y", "batch_size", "reason"),
    [(3, 2, 1, "x has 3 rows and y 2"), (0, 0, 1, "at least 1"), (3, 3, 0, "batch_size is 0")],
)
def test_what_cannot_be_batched_is_refused(rows_of_x, rows_of_y, batch_size, reason):
    with pytest.raises(ValueError, match=reason):
        batches_of_fit(np.ones((rows_of_x, 2)), np.ones((rows_of_y, 1)), batch_size, shuffle=False)
