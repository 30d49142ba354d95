"""`compare_with_fit`: it finds every kind of difference, and refuses what it could not compare."""

import itertools
import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from marks import a_few

import companion
from companion import compare_with_fit
from companion.comparison import with_fit

X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def build_model(**compiled):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.3), keras.layers.Dense(1)])
    model.compile(**{"optimizer": "adam", "loss": "mse", "metrics": ["mae"], **compiled})
    return model


def test_identical_says_what_was_compared():
    compared = compare_with_fit(build_model, X, Y, batch_size=5, epochs=2, validation_split=0.25)
    assert compared.identical
    assert compared.differences == []
    assert repr(compared) == compared.verdict()
    assert compared.verdict().startswith("identical: 2 epochs of loss, mae, val_loss, val_mae, ")
    assert list(compared.frame().columns.get_level_values(0).unique()) == [
        "loss",
        "mae",
        "val_loss",
        "val_mae",
    ]
    paths = list(compared.variables)
    assert "sequential/dense/kernel" in [re.sub(r"_\d+", "", path) for path in paths]
    assert "seed_generator_state" in [path.rpartition("/")[2] for path in paths]
    assert "iteration" in [path.rpartition("/")[2] for path in paths]
    methods = [call[0] for call in compared.fit.calls]
    assert methods[:5] == [
        "set_params",
        "on_train_begin",
        "on_epoch_begin",
        "on_train_batch_begin",
        "on_train_batch_end",
    ]
    assert {"on_test_begin", "on_test_batch_end", "on_epoch_end", "on_train_end"} <= set(methods)


def disturbed(change):
    """Give a `fit_by_hand` that goes wrong in one way."""

    def fit(model, *data, **own):
        history = companion.fit_by_hand(model, *data, **own)
        change(model, history, own["callbacks"][-1])
        return history

    return fit


def forget_a_key(model, history, calls):
    del history.history["mae"]


def add_one_ulp_to_a_loss(model, history, calls):
    history.history["loss"][1] = float(np.nextafter(np.float32(history.history["loss"][1]), np.float32(9)))


def move_a_weight(model, history, calls):
    model.layers[-1].kernel.assign_add([[0.0], [1e-7], [0.0]])


def move_the_seed(model, history, calls):
    model.layers[0].seed_generator.state.assign_add([0, 1])


def move_a_velocity(model, history, calls):
    model.optimizer.variables[-1].assign_add([1e-9])


def forget_a_call(model, history, calls):
    del calls.calls[3]


def report_another_batch(model, history, calls):
    calls.calls[4] = ("on_train_batch_end", 0, {"loss": -0.0, "mae": 0.0})


@pytest.mark.parametrize(
    ("change", "said"),
    a_few(
        [
            (forget_a_key, "the history has the key 'mae' by .fit only"),
            (add_one_ulp_to_a_loss, "history loss: .*first difference at epoch 1: .* or 1 ulp apart"),
            (move_a_weight, r"variable .*/kernel at \(1, 0\): by hand .*, .fit "),
            (move_the_seed, r"variable .*/seed_generator_state at \(1,\): .* 1 or 1 ulp apart"),
            (move_a_velocity, r"variable adam.*_bias_velocity at \(0,\)"),
            (
                forget_a_call,
                r"callback call 3: by hand on_train_batch_end\(0, .*, .fit on_train_batch_begin\(0\)",
            ),
            (report_another_batch, r"callback call 4: by hand on_train_batch_end\(0, {'loss': -0.0, "),
        ],
        3,
    ),
)
def test_every_kind_of_difference_is_found(monkeypatch, change, said):
    monkeypatch.setattr(with_fit, "fit_by_hand", disturbed(change))
    compared = compare_with_fit(build_model, X, Y, epochs=2)
    assert not compared.identical
    assert len(compared.differences) == 1
    assert re.search(said, compared.verdict())
    assert compared.verdict().startswith("not identical: ")


def test_a_long_list_of_differences_is_cut_where_it_is_printed(monkeypatch):
    def move_all(model, history, calls):
        for variable in [
            *model.trainable_variables,
            *model.optimizer.variables[1:],
            *model.metrics_variables,
        ]:
            variable.assign_add(variable + 1)

    monkeypatch.setattr(with_fit, "fit_by_hand", disturbed(move_all))
    compared = compare_with_fit(build_model, X, Y, epochs=1)
    more = len(compared.differences) - 10
    assert more > 0
    assert repr(compared).splitlines()[0] == "not identical:"
    assert repr(compared).splitlines()[-1] == f"- ... and {more} more: .differences has all"


def test_a_metric_that_is_an_array_is_compared_number_by_number():
    def build():
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        model.compile("sgd", "mse", metrics=[keras.metrics.F1Score(threshold=0.5)])
        return model

    compared = compare_with_fit(build, X, np.hstack([Y > 0, Y <= 0]).astype("float32"), epochs=2)
    assert compared.identical
    assert {"f1_score[0]", "f1_score[1]"} <= set(compared.histories)


def test_without_an_epoch_there_is_still_something_to_compare():
    compared = compare_with_fit(build_model, X, Y, epochs=0)
    assert compared.identical
    assert compared.verdict().startswith("identical: 0 epochs of nothing, ")
    assert compared.frame().empty


def test_names_are_the_same_whatever_was_built_before_and_are_as_before_afterwards():
    keras.layers.Dense(1)  # so that the next has a number
    first = int(keras.layers.Dense(1).name.removeprefix("dense_"))
    compared = compare_with_fit(build_model, X, Y, epochs=1)
    assert list(compared.by_hand.variables) == list(compared.fit.variables)
    assert keras.layers.Dense(1).name == f"dense_{first + 1}"


def test_what_is_used_up_or_has_a_state_is_given_as_a_function():
    def batches():
        for start in range(0, 12, 4):
            yield X[start : start + 4], Y[start : start + 4]

    def shuffled():
        return tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(12).batch(4)

    with pytest.raises(ValueError, match="x is a generator, used up by one training: give the function"):
        compare_with_fit(build_model, batches())
    with pytest.raises(
        ValueError, match="validation_data is a Dataset that begins with a different batch in each pass"
    ):
        compare_with_fit(build_model, X, Y, validation_data=shuffled())
    assert compare_with_fit(build_model, batches, shuffle=False, steps_per_epoch=2).identical
    assert compare_with_fit(build_model, shuffled, shuffle=False, validation_data=shuffled).identical
    plain = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
    assert compare_with_fit(build_model, plain, shuffle=False).identical


def test_a_function_that_builds_another_model_each_time_is_refused():
    generator = np.random.default_rng(0)

    def other_weights():
        model = build_model()
        model.layers[-1].kernel.assign(generator.normal(size=(3, 1)))
        return model

    model = build_model()
    with pytest.raises(
        ValueError, match=r"other initial weights the second time, after set_random_seed\(7\)"
    ):
        compare_with_fit(other_weights, X, Y, seed=7)
    with pytest.raises(ValueError, match="build_model gave the same model twice"):
        compare_with_fit(lambda: model, X, Y)
    with pytest.raises(TypeError, match="model is of type NoneType: it must be"):
        compare_with_fit(lambda: None, X, Y)
    with pytest.raises(
        TypeError, match="build_model is of type Sequential: it must be a function that makes"
    ):
        compare_with_fit(model, X, Y)


class Reordering(keras.utils.PyDataset):
    """Begins each epoch elsewhere, and a training where the last one ended."""

    start = 0

    def __len__(self):
        return 3

    def __getitem__(self, number):
        at = 4 * ((number + self.start) % 3)
        return X[at : at + 4], Y[at : at + 4]

    def on_epoch_end(self):
        self.start += 1


def test_a_py_dataset_that_changes_between_epochs_is_refused_unless_a_function_makes_it():
    with pytest.raises(ValueError, match="x is a Reordering that changes between epochs"):
        compare_with_fit(build_model, Reordering(), epochs=3)
    assert compare_with_fit(build_model, Reordering, epochs=3).identical


def own_loop(model, x, y, *, epochs, batch_size, scale=1.0):
    """A loop with an optimizer of its own, without metrics."""
    optimizer, mean_loss = keras.optimizers.Adam(), keras.metrics.Mean()
    loss_function, history = keras.losses.MeanSquaredError(), []
    whole = len(x) % batch_size == 0
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size, drop_remainder=whole)

    @tf.function(input_signature=batches.element_spec, autograph=False)
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = scale * loss_function(y, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        mean_loss.update_state(loss, sample_weight=tf.shape(x)[0])
        return loss

    for _ in range(epochs):
        mean_loss.reset_state()
        for batch in batches:
            step(*batch)
        history.append(float(mean_loss.result()))
    return history


def a_dict(losses, model):
    return {"loss": np.array(losses)}


def nothing(losses, model):
    return None


def a_history(losses, model):
    history = keras.callbacks.History()
    history.history = {"loss": losses}
    return history


@pytest.mark.parametrize("give", [lambda losses, model: losses, a_dict, nothing, a_history])
def test_a_loop_of_ones_own_is_compared_in_all_that_it_leaves(give):
    def train(model, x, y, *, shuffle, **own):
        return give(own_loop(model, x, y, **own), model)

    compared = compare_with_fit(build_model, X, Y, train=train, epochs=3, batch_size=5, shuffle=False)
    assert compared.identical, compared
    assert any(path.startswith("optimizer 0/") for path in compared.variables)
    assert any(path.endswith("seed_generator_state") for path in compared.variables)
    reported = "mae" if give is not nothing else "loss, mae"
    assert repr(compared).endswith(f"\nNot compared, since the loop does not report it: {reported}.")
    assert compared.by_hand.seconds > 0


def test_a_loop_of_ones_own_that_is_not_fit_differs_first_in_its_loss():
    def train(model, x, y, **own):
        return own_loop(model, x, y, epochs=own["epochs"], batch_size=5, scale=2.0)

    compared = compare_with_fit(build_model, X, Y, train=train, epochs=2, batch_size=5, shuffle=False)
    assert not compared.identical
    assert compared.repeatable
    assert compared.verdict().startswith("not identical: history loss: ")


def test_a_loop_without_an_optimizer_is_told_so():
    compared = compare_with_fit(build_model, X, Y, train=lambda model, x, y, epochs: [], epochs=1)
    assert "Not compared: the optimizer, since the loop has built none." in compared.notes
    assert "history loss" in compared.verdict()


def test_what_a_loop_may_not_return_is_told():
    with pytest.raises(TypeError, match="train returned a str: it must be a dict of lists of numbers"):
        compare_with_fit(build_model, X, Y, train=lambda model, x, y: "losses")


def test_a_misspelt_argument_is_told_with_the_nearest_before_anything_is_built():
    with pytest.raises(TypeError, match=r"takes no argument 'epoch': did you mean epochs\?"):
        compare_with_fit(lambda: 1 / 0, X, Y, epoch=3)


def test_the_arguments_are_those_of_fit():
    import inspect

    known = set(inspect.signature(keras.Model.fit).parameters) - {"self", "x", "y"}
    assert set(with_fit.FitArguments.__annotations__) == known


def test_progress_tells_each_training_and_epoch():
    told = []
    compare_with_fit(build_model, X, Y, epochs=2, progress=told.append)
    by_hand = ["by hand", "by hand, epoch 0", "by hand, epoch 1"]
    assert told == [*by_hand, "by .fit", "by .fit, epoch 0", "by .fit, epoch 1"]


def test_where_fit_does_not_equal_itself_the_loop_is_not_blamed(monkeypatch):
    drawn = itertools.count()
    compared = compare_with_fit(build_model, lambda: X + next(drawn), Y, epochs=3)
    assert not compared.identical
    assert not compared.repeatable
    assert "But .fit does not equal itself either when it trains again" in repr(compared)
    monkeypatch.setattr(with_fit, "fit_by_hand", disturbed(move_a_weight))
    assert compare_with_fit(build_model, X, Y, epochs=1).repeatable


def test_each_key_stands_at_the_epochs_in_which_it_was_reported():
    call = {"initial_epoch": 3, "epochs": 7, "validation_split": 0.25, "validation_freq": 2}
    compared = compare_with_fit(build_model, X, Y, **call)
    frame = compared.frame()
    assert frame.index.tolist() == [3, 4, 5, 6]
    assert frame["val_loss", ".fit"].notna().tolist() == [True, False, True, False]
    assert compared.epochs("loss") == [3, 4, 5, 6]
    assert compared.epochs("val_loss") == [3, 5]


def test_the_example_in_the_documentation_prints_what_it_says():
    import doctest

    examples = {"np": np, "keras": keras, "compare_with_fit": compare_with_fit}
    (test,) = doctest.DocTestFinder().find(compare_with_fit, "compare_with_fit", globs=examples)
    assert doctest.DocTestRunner().run(test).failed == 0


def test_callbacks_may_be_given_as_a_function_too():
    made = []

    def callbacks():
        made.append(keras.callbacks.EarlyStopping(monitor="loss", patience=1, min_delta=100))
        return made[-1:]

    (one,) = callbacks()
    assert compare_with_fit(build_model, X, Y, epochs=9, callbacks=one).identical
    made.clear()
    compared = compare_with_fit(build_model, X, Y, epochs=9, callbacks=callbacks)
    assert compared.identical
    assert len(made) == 2
    assert len(compared.fit.history["loss"]) == 2


def test_what_a_checkpoint_and_a_log_hold_is_the_same_in_bytes(tmp_path):
    written = []
    for train in (companion.fit_by_hand, keras.Model.fit):
        keras.utils.set_random_seed(0)
        log, weights = tmp_path / f"{len(written)}.csv", tmp_path / f"{len(written)}.weights.h5"
        own = [
            keras.callbacks.CSVLogger(log),
            keras.callbacks.ModelCheckpoint(weights, save_weights_only=True, save_freq=2),
        ]
        model = build_model()
        train(model, X, Y, batch_size=4, epochs=3, verbose=0, callbacks=own)
        model.load_weights(weights)
        written.append((log.read_text(), json.dumps([w.tolist() for w in model.get_weights()])))
    assert written[0] == written[1]
