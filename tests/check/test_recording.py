"""Watching a loop changes nothing, during the run and after it."""

import pickle
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from mistaken_loops import loop, source

from companion import check_loop
from companion.check.problems import lesson_problem, revealing_problem
from companion.check.recording.events import Forward, Gradient, Update
from companion.check.recording.loop_watcher import watch

STYLES = ["compiled", "eager", "arithmetic", "one_tape"]


@pytest.fixture
def eagerly():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def classes():
    kinds = [
        keras.layers.Layer,
        keras.Model,
        keras.optimizers.Optimizer,
        tf.GradientTape,
        type(tf.function(len)),
    ]
    variable = type(keras.Variable(0.0).value)
    return {kind: dict(vars(kind)) for kind in (*kinds, *variable.__mro__)}


def surroundings():
    return (
        random.getstate(),
        [np.asarray(part).tolist() for part in np.random.get_state()],
        keras.config.floatx(),
        keras.config.dtype_policy().name,
        tf.config.functions_run_eagerly(),
        keras.utils.get_custom_objects().copy(),
    )


@pytest.mark.parametrize("style", STYLES)
def test_a_loop_gives_the_same_losses_and_weights_with_and_without_being_watched(style, eagerly):
    problem, train = revealing_problem(3), loop(style)
    alone, watched = problem.start(), problem.start()
    history = problem.train(train, alone)
    watched = problem.start()
    with watch(watched, problem.x):
        assert problem.train(train, watched) == history
    for one, other in zip(alone.variables, watched.variables, strict=True):
        assert (one.numpy() == other.numpy()).all()


def test_each_step_is_recorded_with_rows_gradient_weights_and_lines():
    problem = revealing_problem(3)
    model = problem.start()
    start = [variable.numpy() for variable in model.variables]
    with watch(model, problem.x) as recording:
        problem.train(loop("compiled"), model)
    kinds = [type(event) for event in recording.events]
    assert kinds == [Forward, Gradient, Update] * 9
    forward, gradient, update = recording.events[:3]
    assert forward.rows.tolist() == list(range(8))
    assert forward.training is True
    assert all((a == b).all() for a, b in zip(forward.state, start, strict=True))
    lines = source("compiled", []).splitlines()
    for event, code in ((forward, "model(xb"), (gradient, "tape.gradient("), (update, "apply_gradients(")):
        assert code in lines[event.place.line - 1]
    assert update.settings["class_name"] == "SGD"
    for before, slope, given, after in zip(
        update.before, gradient.values, update.gradients, update.after, strict=True
    ):
        assert (slope == given).all()
        assert before.shape == after.shape == slope.shape
    assert len(recording.own_tapes) == 9


def test_a_recording_holds_plain_arrays_and_numbers_only():
    problem = revealing_problem(3)
    model = problem.start()
    with watch(model, problem.x) as recording:
        problem.train(loop("one_tape"), model)
    packed = pickle.dumps(recording)
    assert b"tensorflow" not in packed
    assert b"keras" not in packed


def test_afterwards_all_is_as_before():
    before = classes(), surroundings()
    check_loop(loop("eager"))
    assert (classes(), surroundings()) == before


def test_after_an_exception_too():
    def train(model, x, y, *, learning_rate, batch_size, epochs):
        keras.config.set_floatx("float64")
        tf.random.set_seed(9)
        with tf.GradientTape():
            model(x[:3])
            raise ValueError("too bad")

    before = classes(), surroundings()
    check = check_loop(train)
    assert (check.verdict, str(check.error)[-19:]) == ("error", "ValueError: too bad")
    assert (classes(), surroundings()) == before


def test_random_numbers_go_on_as_if_nothing_had_been():
    def draw():
        return random.random(), np.random.rand(), float(tf.random.uniform(()))

    keras.utils.set_random_seed(5)
    draw()
    expected = draw()
    keras.utils.set_random_seed(5)
    draw()
    check_loop(loop("eager"), problem="lesson", lesson=2)
    assert draw() == expected


def test_names_of_new_layers_do_not_depend_on_the_check():
    keras.backend.clear_session()
    check_loop(loop("eager"), problem="lesson")
    assert keras.layers.Dense(1).name == "dense"


def test_names_in_the_evidence_do_not_depend_on_what_was_made_before():
    keras.layers.Dense(1)
    assert revealing_problem(3).start().variables[0].path == "sequential/dense/kernel"


def test_only_the_learners_own_model_is_trained_and_it_alone():
    mine = lesson_problem(3).start()
    weights = mine.get_weights()
    check_loop(loop("eager"), problem="lesson")
    assert all((a == b).all() for a, b in zip(weights, mine.get_weights(), strict=True))
