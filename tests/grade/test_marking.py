"""From runs to criteria: right loops get all points, each mistake costs some, forged results are refused."""

import random

import pytest
from marks import a_few, one_of_each
from mistake_cases import ENDS_IN_AN_EXCEPTION, SINGLES, SPECIAL
from mistaken_loops import from_text, loop
from right_loops import RIGHT_LOOPS

from companion.check.learner.lines import line_of_report
from companion.check.run import LoopRun, run_as_written, run_watched
from companion.grade.marking.grade import CRITERIA, NOT_JUDGED, RIGHT, WRONG
from companion.grade.sandbox.inside import Task
from companion.grade.sandbox.wire import decode, encode
from companion.grade.sandbox.wire_values import WireError
from companion.grade.workers.judge_server import judge_one, prepare, reference_of
from companion.mistakes.broken_loops import right_loop

SEED = 77_000_000
RESULT_ONLY = ("dataset_reduce", "stateless_tape")


@pytest.fixture(scope="module")
def judges():
    """Give the judge of a lesson: the first of one is handed the reference that another has made."""
    made = {}

    def judge(lesson):
        if lesson not in made:
            task = Task(lesson, SEED, 3, 8)
            made[lesson] = prepare(task, reference_of(prepare(task)))
            made[lesson].replay.trace_after = 20  # so that graphs are tried too
        return made[lesson]

    return judge


def run_of(train, problem):
    recording = run_watched(train, problem)
    run = LoopRun(recording.history, recording.end, recording)
    if recording.compiled:
        run = run_as_written(train, problem, first=False)
        run.recording = recording
    run.report = line_of_report(train)
    return run


def judged(judge, train):
    answer = judge_one(judge, encode(run_of(train, judge.problem)), "loop.py", "")
    return {one.name: one.state for one in answer.criteria}, answer


# One of a lesson, and one of which only the result can be compared, every time.
LOOPS = one_of_each(sorted(RIGHT_LOOPS), lambda name: (RIGHT_LOOPS[name][0], name in RESULT_ONLY))


@pytest.mark.parametrize("name", LOOPS)
def test_a_right_loop_gets_all_points_in_whatever_style(judges, name):
    lesson, train = RIGHT_LOOPS[name]
    states, answer = judged(judges(lesson), train)
    assert states == dict.fromkeys(CRITERIA, RIGHT), (answer.mistakes, answer.unknown)
    assert answer.look == (("(only its result could be compared)",) if name in RESULT_ONLY else ())


# Of another problem's mistakes there is no trace here.
CASES = [case for case in SINGLES if case[1] not in {*SPECIAL, *ENDS_IN_AN_EXCEPTION}][::3]


@pytest.mark.parametrize(("style", "name"), a_few(CASES, 2))
def test_a_mistake_costs_points_and_is_named_and_what_follows_from_it_is_not_called_wrong(
    judges, style, name
):
    states, answer = judged(judges(3), loop(style, name))
    assert [mistake.name for mistake in answer.mistakes] == [name]
    assert list(states.values()).count(WRONG) == 1
    if states["first_loss"] == WRONG:
        assert states["gradients"] == NOT_JUDGED
    if states["runs"] == WRONG:
        assert set(states.values()) == {WRONG, NOT_JUDGED}


def expected(criterion, *names):
    return [(name, criterion) for name in names]


@pytest.mark.parametrize(
    ("name", "criterion"),
    one_of_each(
        [
            *expected("runs", "fit-called-inside"),
            *expected(
                "first_loss",
                "sum-instead-of-mean",
                "training-left-out",
                "penalty-left-out",
                "already-trained",
            ),
            *expected("gradients", "vector-of-losses"),
            *expected(
                "updates",
                "no-update",
                "wrong-learning-rate",
                "some-variables-only",
            ),
            *expected("rows", "other-batch-size", "drawn-with-replacement"),
            *expected("short_batch", "last-batch-dropped", "divided-by-batch-size"),
            *expected("reports", "loss-after-update", "plain-mean-over-batches", "metric-never-reset"),
        ],
        lambda case: case[1],
    ),
)
def test_a_mistake_is_held_against_its_criterion(judges, name, criterion):
    style = next(style for style, single in SINGLES if single == name)
    states, _ = judged(judges(3), loop(style, name))
    assert [one for one, state in states.items() if state == WRONG] == [criterion]


def changed(*pairs):
    """Make a train of the right loop with some text in the place of other text."""
    text = right_loop()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return from_text(text, "changed.py")


APPLIED = "        optimizer.apply(gradients, model.trainable_variables)\n"
REPORTED = "        history.append("
AT_END_OF_EPOCH = (REPORTED, f"        optimizer.apply(kept, model.trainable_variables)\n{REPORTED}")
KEPT = "        kept[:] = gradients if len(losses) == 0 else [a + b for a, b in zip(kept, gradients)]\n"
START = "    history = []\n"
TRAINING_CALL = "model(x[:batch_size], training=True)\n"


@pytest.mark.parametrize(
    ("name", "pairs"),
    [
        ("extra-training-pass", [(START, START + "    " + TRAINING_CALL)]),
        (
            "extra-training-pass",
            [("        losses, counts", "        " + TRAINING_CALL + "        losses, counts")],
        ),
        (
            "gradients-not-applied",  # those of an epoch together
            [(APPLIED, KEPT), (START, START + "    kept, losses = [], []\n"), AT_END_OF_EPOCH],
        ),
        (
            "gradients-not-applied",  # only the last of an epoch
            [(APPLIED, "        kept[:] = gradients\n"), (START, START + "    kept = []\n"), AT_END_OF_EPOCH],
        ),
        (
            "gradients-not-applied",  # none in the first epoch
            [(APPLIED, "        if history:\n    " + APPLIED)],
        ),
        (
            "gradients-not-applied",  # none for a short batch
            [(APPLIED, "        if len(xb) == batch_size:\n    " + APPLIED)],
        ),
    ],
)
def test_a_call_too_many_or_an_update_too_few_costs_the_updates_and_nothing_else(judges, name, pairs):
    states, judgment = judged(judges(3), changed(*pairs))
    assert [mistake.name for mistake in judgment.mistakes] == [name]
    assert judgment.unknown == ()
    assert [one for one, state in states.items() if state == WRONG] == ["updates"]
    assert [one for one, state in states.items() if state == NOT_JUDGED] == ["final_weights"]


def test_a_new_optimizer_that_remembers_nothing_costs_no_points(judges):
    text = right_loop().replace(
        "        optimizer.apply(", "        keras.optimizers.SGD(learning_rate).apply("
    )
    states, judgment = judged(judges(3), from_text(text, "new.py"))
    assert set(states.values()) == {RIGHT}
    assert any("9 optimizers make 9 updates" in note for note in judgment.notes)


def test_an_optimizer_of_tensorflow_1_that_is_given_the_loss_is_a_loop_by_hand(judges):
    text = """
import numpy as np
import tensorflow as tf

def train(model, x, y, *, learning_rate, batch_size, epochs):
    optimizer = tf.compat.v1.train.GradientDescentOptimizer(learning_rate)
    loss_of, history = tf.keras.losses.BinaryCrossentropy(), []
    for epoch in range(epochs):
        losses = []
        for at in range(0, len(x), batch_size):
            rows = slice(at, at + batch_size)

            def loss():
                value = loss_of(y[rows], model(x[rows], training=True)) + sum(model.losses)
                losses.append(float(value))
                return value

            optimizer.minimize(loss, var_list=[v.value for v in model.trainable_variables])
        sizes = [len(x[at : at + batch_size]) for at in range(0, len(x), batch_size)]
        history.append(float(np.average(losses, weights=sizes)))
    return history
"""
    states, judgment = judged(judges(3), from_text(text, "old.py"))
    # It knows no constraint: that is all that is wrong.
    wrong = {name for name, state in states.items() if state == WRONG}
    assert (wrong, states["final_weights"]) == ({"updates"}, NOT_JUDGED)
    (mistake,) = judgment.mistakes
    assert mistake.name == "updates-by-assign"
    assert "minimize(loss" in text.splitlines()[mistake.line - 1]


@pytest.fixture(scope="module")
def message(judges):
    return encode(run_of(RIGHT_LOOPS["eager"][1], judges(3).problem))


def test_a_run_is_read_as_it_was_written(judges, message):
    judge = judges(3)
    run = decode(message, judge.reference.recording, len(judge.problem.x))
    assert encode(run) == message
    assert len(run.recording.events) == 27


def test_whatever_else_comes_out_of_the_sandbox_is_refused_or_judged(judges, message):
    """Bytes are changed, cut out and put in, most of them in the part that is JSON."""
    judge, draw = judges(3), random.Random(0)
    refused = 0
    for _ in range(400):
        changed = bytearray(message)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(changed) // draw.choice((1, 2, 8)))
            kind = draw.randrange(4)
            if kind == 0:
                changed[at] = draw.randrange(256)
            elif kind == 1:
                changed[at : at + 1] = draw.choice((b"1", b"-1", b"1e999", b"null", b"[", b"}", b"NaN", b'"'))
            elif kind == 2:
                del changed[at : at + draw.randint(1, 50)]
            else:
                changed[at:at] = changed[at : at + draw.randint(1, 50)]
        try:
            decode(bytes(changed), judge.reference.recording, len(judge.problem.x))
        except WireError:
            refused += 1
        answer = judge_one(judge, bytes(changed), "loop.py", "")
        assert set(CRITERIA) == {one.name for one in answer.criteria}
    assert refused > 200


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"rows": [0', b'"rows": [99'),
        (b'"rows": [0', b'"rows": [-1'),
        (b'"tape": 0', b'"tape": "0"'),
        (b'"kind": "Forward"', b'"kind": "Evil"'),
        (b'"optimizer": 0', b'"optimizer": 1e9'),
        (b'"training": true', b'"training": 1'),
        (b'["<f4", [', b'["|O", ['),
        (b'["<f4", [', b'["<f4", [-'),
        (b'"own_tapes": [', b'"own_tapes": [[], '),
        (b'"learning_rate": ', b'"learning_rate": "x", "a": '),
    ],
)
def test_a_message_with_a_wrong_part_is_refused(judges, message, old, new):
    judge = judges(3)
    assert old in message
    head = len(b"companion run 1\n") + 8
    length = int.from_bytes(message[head - 8 : head], "big")
    text = message[head : head + length].replace(old, new, 1)
    changed = message[: head - 8] + len(text).to_bytes(8, "big") + text + message[head + length :]
    with pytest.raises(WireError):
        decode(changed, judge.reference.recording, len(judge.problem.x))
