"""Optimizers, losses, metrics and schedules as Python, and back: the same configuration comes out."""

import itertools
import types

import keras
import numpy as np
import pytest

from companion.conformance import compile_options
from companion.eject.expressions import Expressions
from companion.errors import UserError


def half_of(step):
    return 0.5 / (1.0 + step)


class Warm(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, most=0.5):
        self.most = most

    def __call__(self, step):
        return self.most

    def get_config(self):
        return {"most": self.most}


def writer():
    """Give a writer for a user's file that has these names."""
    module = types.ModuleType("my_model")
    module.Warm, module.half_of = Warm, half_of
    return Expressions(module)


def again(thing, write=None):
    """Write a thing as Python, and make it of that."""
    return eval((write or writer()).of(thing), {"keras": keras, "Warm": Warm, "half_of": half_of})


def config_of(thing):
    config = dict(thing.get_config())
    for inside in ("inner_optimizer",):
        if inside in config:
            config[inside] = {**config[inside]["config"], "name": ""}
    return {**config, "name": ""}


OPTIMIZERS = [row for row in compile_options.optimizers() if "optimizer" in row.compiled]


def test_every_optimizer_of_the_conformance_table_survives():
    assert len(OPTIMIZERS) > 100
    for row in OPTIMIZERS:
        given = row.compiled["optimizer"]
        optimizer = keras.optimizers.get(given() if callable(given) else given)
        assert config_of(again(optimizer)) == config_of(optimizer), row.name


def test_every_metric_and_loss_of_the_table_survives():
    for kind, rows in (("metrics", compile_options.metrics()), ("loss", compile_options.losses())):
        for row in rows:
            given = row.compiled.get(kind)
            made = given() if callable(given) and not isinstance(given, keras.losses.Loss) else given
            for one in keras.tree.flatten(made):
                if isinstance(one, keras.metrics.Metric | keras.losses.Loss):
                    assert again(one).get_config() == one.get_config(), row.title


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (keras.optimizers.SGD(0.1), "keras.optimizers.SGD(0.1)"),
        (keras.optimizers.Adam(), "keras.optimizers.Adam(0.001)"),
        (
            keras.optimizers.AdamW(5e-3, weight_decay=0.01, clipnorm=1.0),
            "keras.optimizers.AdamW(0.005, weight_decay=0.01, clipnorm=1.0)",
        ),
        (
            keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(3e-3, 60)),
            "keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.003, decay_steps=60))",
        ),
        (keras.losses.Huber(2.0), "keras.losses.Huber(delta=2.0)"),
        (keras.metrics.AUC(name="prc", curve="PR"), 'keras.metrics.AUC(curve="PR", name="prc")'),
        (keras.optimizers.SGD(Warm(0.25)), "keras.optimizers.SGD(Warm(most=0.25))"),
        ({0: 1.0, 1: 1 / 3}, "{0: 1.0, 1: 0.3333333333333333}"),
        (np.float32(0.1), "0.1"),
        ('a "quoted" word', '"a \\"quoted\\" word"'),
    ],
)
def test_it_reads_as_people_write_it(thing, text):
    assert writer().of(thing) == text


def test_names_of_the_users_file_are_imported_once():
    write = writer()
    for _ in range(2):
        again(keras.optimizers.SGD(Warm()), write)
    write.name_of(half_of)
    assert write.imported == ["Warm", "half_of"]


def test_what_has_no_name_is_refused():
    with pytest.raises(UserError, match="has no name in your file or in Keras"):
        writer().name_of(lambda step: 0.1)


def test_a_number_that_is_no_float32_keeps_all_its_digits():
    numbers = [1 / 3, 0.1, 1e-3, float(np.float32(1e-3)), 5e-324, 12345.678]
    for number, sign in itertools.product(numbers, (1, -1)):
        assert np.float32(eval(writer().of(sign * number))) == np.float32(sign * number)
    assert eval(writer().of(1 / 3)) == 1 / 3
