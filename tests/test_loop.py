"""`fit_by_hand` against ``.fit``: a sample of the conformance table, and what the table does not hold."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marks import one_of_each

from companion import compare_with_fit, fit_by_hand
from companion.conformance import table

# Of each list some rows in which much happens at once; all of them: tests/benchmarks/conformance.py
SAMPLE = [
    "networks: subclassed, own loss and metrics, run_eagerly",
    "networks: LSTM with dropout, graph",
    "networks: spectral normalization, steps_per_execution",
    "networks: mixed float16, jit_compile",
    "optimizers: batch normalization, AdamW, accumulation, clipping, decay, EMA",
    "losses: inputs and outputs by name, loss_weights by name",
    "metrics: three answers, F1Score",
    "inputs: batch normalization, DataFrame and Series, class_weight",
    "inputs: dropout, Dataset, shuffled, graph",
    "inputs: dropout, Dataset of unknown length, steps_per_execution",
    "inputs: dropout, PyDataset, reordered, graph",
    "inputs: dropout, generator, steps_per_epoch, graph",
    "calls: dropout, validation_freq, a list, graph",
    "calls: dropout, validation_steps, steps_per_execution",
    "callbacks: dropout, several, graph",
    "callbacks: dropout, BackupAndRestore, graph",
    "callbacks: dropout, stop_training within an epoch, steps_per_execution",
]


@pytest.mark.parametrize("title", one_of_each(SAMPLE, lambda title: title.partition(":")[0]))
def test_by_hand_and_fit_are_identical(title):
    (row,) = [row for row in table.combinations() if row.title == title]
    assert repr(row.compare()).startswith("identical: ")


def test_the_table_has_at_least_500_combinations_and_names_each_but_once():
    titles = [row.title for row in table.combinations()]
    assert len(set(titles)) == len(titles) >= 500


def x_and_y(rows=20):
    x = np.random.default_rng(0).normal(size=(rows, 4)).astype("float32")
    return x, x[:, :1] ** 2


def network(*inside, **compiled):
    model = keras.Sequential([keras.Input((4,)), *inside, keras.layers.Dense(1)])
    model.compile(**{"optimizer": "sgd", "loss": "mse", **compiled})
    return model


LAYERS = {
    "tanh": lambda: keras.layers.Dense(5, activation="tanh"),
    "relu": lambda: keras.layers.Dense(3, activation="relu", kernel_regularizer="l2"),
    "constrained": lambda: keras.layers.Dense(4, kernel_constraint="max_norm"),
    "normalized": lambda: keras.layers.BatchNormalization(),
    "dropout": lambda: keras.layers.Dropout(0.4),
    "noise": lambda: keras.layers.GaussianNoise(0.2),
}
OPTIONS = {
    "clipnorm": st.floats(0.01, 1),
    "weight_decay": st.floats(0.001, 0.1),
    "use_ema": st.just(True),
    "gradient_accumulation_steps": st.integers(2, 4),
}
CALLS = {
    "validation_split": st.sampled_from([0.1, 0.3]),
    "shuffle": st.sampled_from([False, "batch"]),
    "steps_per_epoch": st.integers(1, 4),
    "sample_weight": st.just(np.linspace(0, 2, 20)),
    "initial_epoch": st.just(1),
}


@settings(suppress_health_check=list(HealthCheck))
@given(
    layers=st.lists(st.sampled_from(sorted(LAYERS)), max_size=4),
    optimizer=st.sampled_from(["SGD", "Adam", "RMSprop", "Adagrad", "Nadam", "Lion"]),
    options=st.fixed_dictionaries({}, optional=OPTIONS),
    loss=st.sampled_from(["mse", "mae", "huber", "log_cosh"]),
    execution=st.sampled_from([{}, {}, {"run_eagerly": True}, {"steps_per_execution": 2}]),
    batch_size=st.integers(1, 25),
    call=st.fixed_dictionaries({}, optional=CALLS),
    seed=st.integers(0, 2**32 - 1),
)
def test_whatever_is_drawn_by_hand_and_fit_are_identical(
    layers, optimizer, options, loss, execution, batch_size, call, seed
):
    def build_model():
        made = getattr(keras.optimizers, optimizer)(**options)
        return network(*(LAYERS[layer]() for layer in layers), optimizer=made, loss=loss, **execution)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # steps_per_epoch may be more than there are
        compared = compare_with_fit(
            build_model, *x_and_y(), seed=seed, batch_size=batch_size, epochs=2, **call
        )
    assert repr(compared).startswith("identical: ")


def test_it_gives_the_history_and_trains_the_model_where_it_stands():
    model = network()
    before = model.get_weights()
    history = fit_by_hand(model, *x_and_y(), batch_size=8, epochs=3, verbose=0)
    assert isinstance(history, keras.callbacks.History)
    assert history is model.history
    assert history.epoch == [0, 1, 2]
    assert len(history.history["loss"]) == 3
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


def test_a_second_call_goes_on_where_the_first_stopped_as_fit_does():
    weights = []
    for train in (fit_by_hand, lambda model, *data, **own: model.fit(*data, **own)):
        keras.utils.set_random_seed(0)
        model = network(keras.layers.Dropout(0.3), optimizer="adam")
        for _ in range(2):
            train(model, *x_and_y(), epochs=2, verbose=0)
        weights.append([v.numpy() for v in model.variables + model.optimizer.variables])
    assert all((a == b).all() for a, b in zip(*weights, strict=True))


def test_by_hand_after_fit_and_fit_after_by_hand_are_two_fits():
    weights = []
    for first, second in [(True, False), (False, True), (False, False)]:
        keras.utils.set_random_seed(0)
        model = network(optimizer="adam")
        for by_hand in (first, second):
            (fit_by_hand if by_hand else keras.Model.fit)(model, *x_and_y(), epochs=2, verbose=0)
        weights.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    assert (weights[0] == weights[2]).all()
    assert (weights[1] == weights[2]).all()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_layer_thawed_between_by_hand_and_fit_is_not_yet_trained_as_by_two_fits(optimizer):
    """Both go on with the graph that the first has made."""
    weights = []
    for first in (fit_by_hand, keras.Model.fit):
        keras.utils.set_random_seed(0)
        model = network(keras.layers.Dense(5, activation="tanh"), optimizer=optimizer)
        model.layers[0].trainable = False
        model.compile(optimizer, "mse")
        first(model, *x_and_y(), verbose=0)
        model.layers[0].trainable = True
        before = model.layers[0].kernel.numpy()
        model.fit(*x_and_y(), epochs=2, verbose=0)
        assert (model.layers[0].kernel.numpy() == before).all()
        weights.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    assert (weights[0] == weights[1]).all()


@pytest.mark.parametrize("compile_again", [False, True])
def test_a_layer_frozen_without_compiling_again_is_still_trained_as_by_fit(compile_again):
    weights = []
    for train in (fit_by_hand, keras.Model.fit):
        keras.utils.set_random_seed(0)
        model = network(keras.layers.Dense(5, activation="tanh"))
        train(model, *x_and_y(), epochs=1, verbose=0)
        model.layers[0].trainable = False
        if compile_again:
            model.compile(optimizer="sgd", loss="mse")
        before = model.layers[0].kernel.numpy()
        train(model, *x_and_y(), epochs=2, verbose=0)
        assert (before == model.layers[0].kernel.numpy()).all() == compile_again
        weights.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    assert (weights[0] == weights[1]).all()


def test_what_is_kept_for_a_model_is_no_part_of_it(tmp_path):
    model = network()
    fit_by_hand(model, *x_and_y(), verbose=0)
    assert [metric.name for metric in model.metrics] == ["loss"]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert all((a == b).all() for a, b in zip(model.get_weights(), again.get_weights(), strict=True))
    assert len(keras.models.clone_model(model).layers) == len(model.layers)


def test_it_takes_the_arguments_of_fit_in_the_same_order_with_the_same_defaults():
    import inspect

    by_hand, fit = inspect.signature(fit_by_hand).parameters, inspect.signature(keras.Model.fit).parameters
    assert [(p.name, p.default) for p in list(by_hand.values())[1:]] == [
        (p.name, p.default) for p in list(fit.values())[1:]
    ]


@pytest.mark.parametrize("verbose", [1, 2])
def test_verbose_shows_what_fit_shows(capsys, verbose):
    import re

    shown = []
    for train in (fit_by_hand, keras.Model.fit):
        keras.utils.set_random_seed(0)
        train(network(), *x_and_y(), epochs=2, batch_size=8, verbose=verbose)
        printed = capsys.readouterr().out.split("\r")[-1].replace("\b", "")
        plain = re.sub(r"\d+m?u?s(/step|/epoch)?", "TIME", re.sub(r"\x1b\[\d+m", "", printed))
        shown.append(plain.split())
    assert shown[0] == shown[1] != []


class OwnFit(keras.Sequential):
    def fit(self, *data, **own):
        return super().fit(*data, **own)


def test_a_model_with_a_fit_of_its_own_is_refused_before_it_is_trained():
    model = OwnFit([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    before = model.get_weights()
    with pytest.raises(ValueError, match="has its own fit, which"):
        fit_by_hand(model, *x_and_y())
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_steps_that_were_put_onto_the_model_itself_are_run_as_by_fit():
    """They get the batch as it is: of `x` alone, not in a tuple."""
    histories = []
    for train in (fit_by_hand, keras.Model.fit):
        model, (x, _) = network(), x_and_y()
        model.train_step = lambda batch: {"sum": tf.reduce_sum(batch)}
        model.test_step = lambda batch: {"rows": tf.cast(tf.shape(batch)[0], "float32")}
        histories.append(train(model, x, batch_size=8, validation_data=(x[:3],), verbose=0).history)
    assert histories[0] == histories[1]
    assert histories[0]["val_rows"] == [3.0]


def test_a_step_that_returns_no_dict_is_told():
    model = network()
    model.train_step = lambda batch: tf.constant(1.0)
    with pytest.raises(ValueError, match=r"step returned .*: \.fit needs a dict"):
        fit_by_hand(model, *x_and_y(), verbose=0)


def test_what_is_no_compiled_model_is_refused():
    with pytest.raises(ValueError, match="is not compiled: call model"):
        fit_by_hand(keras.Sequential([keras.layers.Dense(1)]), *x_and_y())
    with pytest.raises(TypeError, match="model is of type NoneType"):
        fit_by_hand(None, *x_and_y())


@pytest.mark.parametrize(
    "wrong",
    [
        {"y": np.ones((3, 1))},
        {"sample_weight": np.ones(20), "class_weight": {0: 1.0}},
        {"x": "a string"},
        {"validation_data": (np.ones((3, 4)), np.ones((2, 1)))},
        {"validation_freq": "often", "validation_split": 0.2},
    ],
)
def test_what_fit_refuses_is_refused_with_the_same_kind_of_error(wrong):
    x, y = x_and_y()
    kinds = []
    for train in (fit_by_hand, keras.Model.fit):
        with pytest.raises((ValueError, TypeError)) as raised:
            train(network(), **{"x": x, "y": y, "verbose": 0, **wrong})
        kinds.append(type(raised.value))
    assert kinds[0] is kinds[1]


def test_data_that_end_too_soon_are_warned_of_as_by_fit():
    for train in (fit_by_hand, keras.Model.fit):
        with pytest.warns(UserWarning, match="ran out of data|data ended before"):
            train(network(), *x_and_y(), batch_size=8, steps_per_epoch=9, verbose=0)


def test_the_limits_of_a_trial_run_hold(monkeypatch):
    # not raising: an older Keras has no such limits, and heeds none
    monkeypatch.setattr(keras.config, "max_epochs", lambda: 2, raising=False)
    monkeypatch.setattr(keras.config, "max_steps_per_epoch", lambda: 1, raising=False)
    with pytest.warns(UserWarning, match="Limiting"):
        history = fit_by_hand(network(), *x_and_y(), batch_size=8, epochs=5, verbose=0)
    assert history.epoch == [0, 1]
    assert history.params["steps"] == 1
