"""``check_loop`` in Python: its report, problems of one's own, wrong arguments."""

import importlib
import json
import re
import shutil

import numpy as np
import pytest
from marks import one_of_each
from mistaken_loops import FOLDER, SMOOTHED, loop, source
from right_loops import RIGHT_LOOPS

from companion import LoopCheck, Problem, check_loop
from companion.precision import precision


def test_in_python_it_prints_as_a_report_and_in_a_notebook_as_html(tmp_path):
    shutil.copy(FOLDER / "compiled.py", tmp_path / "compiled.py")
    space = {}
    exec(compile(SMOOTHED, "smoothed.py", "exec"), space)
    check = check_loop(space["train"], lesson=3, problem="revealing")
    assert isinstance(check, LoopCheck)
    assert "train: your loop beside .fit" in repr(check)
    assert "\x1b" not in repr(check)
    html = check._repr_html_()
    assert html.startswith("<pre")
    assert "differs, and the reason is not known" in html
    json.dumps(check.as_dict(), allow_nan=False)


def test_an_assertion_passes_for_a_right_loop_and_tells_the_mistakes_of_another():
    check_loop(RIGHT_LOOPS["eager"][1], 3, problem="lesson", epochs=1).assert_identical()
    wrong = check_loop(loop("arithmetic", "no-update"), 3, problem="revealing")
    with pytest.raises(AssertionError, match=r"differs: 1 mistake\nline \d+: .* \(no-update\)\. .* Seen: "):
        wrong.assert_identical()
    stub = check_loop(lambda *args, **kwargs: 1 / 0, 3, problem="revealing")
    with pytest.raises(AssertionError, match=r"could not run: .*ZeroDivisionError"):
        stub.assert_identical()


def test_a_problem_of_one_s_own_can_be_checked(tmp_path):
    import keras

    def build_model():
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])

    x = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
    y = np.eye(2, dtype="float32")[(x.sum(axis=1) > 0).astype(int)]
    own = Problem("mine", build_model, x, y, keras.losses.CategoricalCrossentropy, 0.01, 6, 2,
                  optimizer=keras.optimizers.Adam)  # fmt: skip
    edits = [("BinaryCrossentropy", "CategoricalCrossentropy"), ("SGD", "Adam")]
    space = {}
    exec(compile(source("compiled", edits), "own.py", "exec"), space)
    assert check_loop(space["train"], problem=own).verdict == "identical"
    anew = (
        "        optimizer.apply",
        "        optimizer = keras.optimizers.Adam(learning_rate)\n        optimizer.apply",
    )
    graph = ("    @tf.function(reduce_retracing=True)\n", "")
    exec(
        compile(
            source("compiled", [edits[0], ("optimizers.SGD", "optimizers.Adam"), anew, graph]),
            "own.py",
            "exec",
        ),
        space,
    )
    check = check_loop(space["train"], problem=own)
    assert [mistake.name for mistake in check.mistakes] == ["new-optimizer-every-step"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"lesson": 9}, "lesson is 9: it must be a number from 1 to 5"),
        ({"problem": "both"}, "problem is 'both': it must be 'lesson', 'revealing', a Problem, or left out"),
        ({"epochs": 0}, "epochs is 0: it must be a whole number of 1 or more"),
    ],
)
def test_wrong_arguments_are_refused(arguments, said):
    from companion.errors import UserError

    space = {}
    exec(source("eager", []), space)
    with pytest.raises(UserError, match=re.escape(said)):
        check_loop(space["train"], **arguments)


def test_an_empty_tape_beside_fit_is_no_loop_by_hand():
    lines = [
        "    with tf.GradientTape():",
        "        model.compile(optimizer, 'binary_crossentropy')",
        "    how = dict(batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0)",
        "    return model.fit(x, y, **how).history['loss']",
        "    history = []\n",
    ]
    edits = [("    history = []\n", "\n".join(lines))]
    space = {}
    exec(source("eager", edits), space)
    check = check_loop(space["train"], problem="lesson")
    assert [mistake.name for mistake in check.mistakes] == ["fit-called-inside"]


@pytest.mark.parametrize(("off", "verdict"), [(0.0, "identical"), (2e-9, "differs")])
def test_what_is_rounding_depends_on_the_type(off, verdict):
    """2e-9 is rounding in float32, and none in float64."""

    def train(model, x, y, *, learning_rate, batch_size, epochs):
        losses = trained(model, x, y, learning_rate=learning_rate, batch_size=batch_size, epochs=epochs)
        return [loss + off for loss in losses]

    space = {}
    exec(source("compiled", []), space)
    trained = space["train"]
    with precision("float64"):
        assert check_loop(train, 3, problem="lesson").verdict == verdict
    assert check_loop(train, 3, problem="lesson").verdict in ("identical", "close")


@pytest.mark.parametrize("lesson", one_of_each([3, 4], kind=lambda _: "a lesson"))
def test_the_loop_of_a_lesson_can_be_watched(lesson):
    """Its networks have no penalties, so it leaves them out: that shows where its step can be seen."""
    check = check_loop(importlib.import_module(f"companion.lesson{lesson}").train_by_hand, lesson)
    assert [mistake.name for mistake in check.mistakes] == ["penalty-left-out"]
    assert [one.unwatched for one in check.problems] == [[], []]
