"""Where a loop is easily wrong: each of these once was a difference from ``.fit``, or nearly became one."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from marks import a_few

from companion import fit_by_hand

X = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
Y = X[:, :1] ** 2


def network(*inside, kind=keras.Sequential, **compiled):
    keras.utils.set_random_seed(7)
    model = kind([keras.Input((4,)), *inside, keras.layers.Dense(1)])
    model.compile(**{"optimizer": "sgd", "loss": "mse", **compiled})
    return model


class Growing(keras.utils.PyDataset):
    """Gives other rows after each call of ``on_epoch_end``."""

    calls = 0

    def __len__(self):
        return 2

    def __getitem__(self, number):
        return X[:10] * (1 + self.calls), Y[:10]

    def on_epoch_end(self):
        self.calls += 1


class At(keras.callbacks.Callback):
    """Do something to the model before an epoch."""

    def __init__(self, change, epoch=1):
        super().__init__()
        self.change, self.at = change, epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.at:
            self.change(self.model)


class Begun(keras.callbacks.Callback):
    """Note the numbers of the steps that begin."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def on_train_batch_begin(self, batch, logs=None):
        self.steps.append(batch)


def freeze(model):
    model.layers[0].trainable = False


def freeze_and_renew(model):
    freeze(model)
    model.make_train_function(force=True)


def recompile(model):
    model.compile(keras.optimizers.SGD(0.5), "mae")
    model.make_train_function()


class ReportsRate(keras.Sequential):
    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return {**super().compute_metrics(x, y, y_pred, sample_weight), "rate": 0.1}


class ReportsAVariable(keras.Sequential):
    """Its report is a variable that validation changes afterwards."""

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return {"count": self.metrics[0].count}


class ReportsNothing(keras.Sequential):
    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return {}


def validated_by_a_py_dataset(train):
    data = Growing()
    return train(network(), X, Y, validation_data=data).history, data.calls


def no_batches_at_all(train):
    model, begun = network(), Begun()
    train(model, X[:0], Y[:0], callbacks=[begun])
    return model.history.history, begun.steps, int(model.optimizer.iterations)


def no_batches_in_validation(train):
    return train(network(), X, Y, validation_data=(X[:0], Y[:0])).history


def graph_asked_for_anew_between(train):
    dropout = keras.layers.Dropout(0.1)
    model = network(dropout)
    train(model, X, Y)
    dropout.rate = 0.9
    model.make_train_function(force=True)
    return train(model, X, Y).history


def graph_kept_between(train):
    dropout = keras.layers.Dropout(0.1)
    model = network(dropout)
    train(model, X, Y)
    dropout.rate = 0.9
    return train(model, X, Y).history


def quantized_between(train):
    model = network(keras.layers.Dense(8))
    train(model, X, Y)
    model.quantize("int8")
    return train(model, X, Y, epochs=2).history


def frozen_and_renewed_by_a_callback(train):
    return train(network(keras.layers.Dense(3)), X, Y, epochs=3, callbacks=[At(freeze_and_renew)]).history


def compiled_by_a_callback(train):
    return train(network(), X, Y, epochs=3, callbacks=[At(recompile)]).history


def steps_per_execution_changed_by_a_callback(train):
    begun = Begun()
    change = At(lambda model: setattr(model, "steps_per_execution", 3), epoch=0)
    return train(network(), X, Y, batch_size=4, callbacks=[change, begun]).history, begun.steps


def a_number_reported_eagerly(train):
    return train(network(kind=ReportsRate, run_eagerly=True), X, Y).history


def a_variable_reported_eagerly(train):
    return train(
        network(kind=ReportsAVariable, run_eagerly=True), X, Y, validation_data=(X[:3], Y[:3])
    ).history


def stopped_within_an_epoch_and_trained_on(train):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    model = network(keras.layers.Dropout(0.2), optimizer="adam")
    train(model, X, Y, batch_size=4, epochs=3, callbacks=[Stop()])
    return train(model, X, Y, batch_size=4).history, [w.tolist() for w in model.get_weights()]


CASES = [
    validated_by_a_py_dataset,
    no_batches_at_all,
    no_batches_in_validation,
    graph_asked_for_anew_between,
    graph_kept_between,
    quantized_between,
    frozen_and_renewed_by_a_callback,
    compiled_by_a_callback,
    steps_per_execution_changed_by_a_callback,
    a_number_reported_eagerly,
    a_variable_reported_eagerly,
    stopped_within_an_epoch_and_trained_on,
]


def quietly(train):
    return lambda model, *data, **own: train(model, *data, **{"verbose": 0, **own})


@pytest.mark.filterwarnings("ignore:.*data:UserWarning")
@pytest.mark.parametrize("case", a_few(CASES, 6), ids=lambda case: case.__name__)
def test_by_hand_and_fit_give_the_same(case):
    results = []
    for train in (fit_by_hand, keras.Model.fit):
        keras.utils.set_random_seed(0)  # layers are made before the network that they are given to
        results.append(repr(case(quietly(train))))
    assert results[0] == results[1]


@pytest.mark.parametrize("kind", [ReportsNothing])
def test_a_report_of_nothing_is_refused_before_any_update(kind):
    for train in (fit_by_hand, keras.Model.fit):
        model = network(kind=kind)
        before = model.get_weights()
        with pytest.raises(ValueError, match=r"step returned {}: \.fit needs|Toutput_types"):
            train(model, X, Y, verbose=0)
        assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_a_model_compiled_while_it_is_trained_is_refused_as_by_fit():
    for train in (fit_by_hand, keras.Model.fit):
        with pytest.raises(TypeError, match=r"it was compiled while it was trained|not callable"):
            train(
                network(),
                X,
                Y,
                verbose=0,
                epochs=3,
                callbacks=[At(lambda model: model.compile("sgd", "mse"))],
            )


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_layer_frozen_after_fit_is_refused_until_the_model_is_compiled(optimizer):
    model = network(keras.layers.Dense(3), optimizer=optimizer)
    model.fit(X, Y, verbose=0)
    freeze(model)
    with pytest.raises(ValueError, match=r"were frozen or unfrozen since \.fit trained it"):
        fit_by_hand(model, X, Y)
    model.compile("sgd", "mse")
    fit_by_hand(model, X, Y, verbose=0)


def test_a_layer_frozen_before_fit_is_no_reason_to_refuse():
    model = network(keras.layers.Dense(3))
    freeze(model)
    model.fit(X, Y, verbose=0)
    fit_by_hand(model, X, Y, verbose=0)
    eager = network(keras.layers.Dense(3), run_eagerly=True)
    eager.fit(X, Y, verbose=0)
    freeze(eager)  # which .fit, having no graph, notices as well
    fit_by_hand(eager, X, Y, verbose=0)


@pytest.mark.parametrize("name", ["_compute_loss", "_should_eval"])
def test_an_override_of_what_fit_calls_inside_is_refused(name):
    kind = type("Own", (keras.Sequential,), {name: lambda self, *data, **own: 1 / 0})
    with pytest.raises(ValueError, match=f"has its own {name}, which"):
        fit_by_hand(network(kind=kind), X, Y)


def test_a_train_function_of_the_user_s_is_refused():
    model = network()
    model.train_function = lambda iterator: {"accuracy": tf.constant(3.0)}
    with pytest.raises(ValueError, match="has its own train_function, which"):
        fit_by_hand(model, X, Y)
