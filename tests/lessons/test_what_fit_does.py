"""Each claim of ``lessons/what-fit-does.md`` is run as it stands there, and again with it made false."""

import re
import subprocess
import sys

import pytest
import tensorflow as tf
from marks import a_few

# What makes the claim of each section false: parts of its proof, and what to put there. Each must fail.
FALSE = {
    "The loss is a running mean of losses before their updates": [
        ("by_hand.train_on_batch(x[:5], y[:5])", ""),
        ("losses(trained,", "losses(network(rate=0.0),"),
    ],
    "The short last batch is kept, and counts by its rows": [
        ("[4, 4, 2]", "[4, 4, 4]"),
        ("losses(model, x, y,", "losses(model, x[:8], y[:8],"),
    ],
    "The gradient is that of the batch's mean loss": [
        ("tf.reduce_mean((", "tf.reduce_sum(("),
        ("tf.reduce_mean((model(x) - y) ** 2)", "(model(x) - y) ** 2"),
    ],
    "The loss takes labels first, and probabilities": [
        ("def loss(y_true, y_pred)", "def loss(y_pred, y_true)"),
        ("BinaryCrossentropy()", "BinaryCrossentropy(from_logits=True)"),
    ],
    "One optimizer makes one update a batch, of all trainable weights": [
        ("batch_size=4", "batch_size=3"),
        ("Dense(2)", "Dense(2, trainable=False)"),
    ],
    "The optimizer does more than subtract": [
        ("MaxNorm(0.1)", "MaxNorm(9.0)"),
        ("global_clipnorm=0.01", "global_clipnorm=None"),
    ],
    "Training goes on from the weights that are there": [
        ("network(), network()", "network(), network(rate=0.2)"),
        ("epochs=4", "epochs=3"),
    ],
    "Under a seed the order repeats": [
        (
            "losses(network(Spy(), run_eagerly=True), x",
            "losses(unseeded(network(Spy(), run_eagerly=True)), x",
        ),
        ("epochs=2", "epochs=2, shuffle=False"),
    ],
    "Penalties are in the loss, in validation too": [
        ("losses(model, x, y)[0], squares + penalty", "losses(model, x, y)[0], squares"),
        ("verbose=0), squares + penalty", "verbose=0), squares"),
    ],
    "The network is called with `training=True`": [
        ("losses(network(normalization), x + 10, y)", "network(normalization)(x + 10)"),
        ("Dropout(0.5)", "Dropout(0.0)"),
    ],
    "Labels take the rank of the predictions": [
        ("x, flat", "x, flat[::-1]"),
        ("(10, 10)", "(10, 1)"),
    ],
    "Floats are cast to float32": [("+ 1e-9", "+ 1e-3"), ("np.float32", "np.float64")],
    "Weighted losses are divided by the count": [("len(x)", "np.sum(np.where(labels == 1, 3, 1))")],
    "Metrics see the predictions before the update": [
        ("batch_size=10", "batch_size=5"),
        ("network(", "network(rate=0.0, "),
    ],
    "With `use_ema` the trained weights are thrown away at the end": [
        ("use_ema=True", "use_ema=False"),
        ("SGD(0.1,", "SGD(0.2,"),
    ],
    "`validation_split` takes the last rows": [("x[7:]", "x[:3]")],
    "With `steps_per_epoch` an epoch goes on where the last one stopped": [
        ("steps_per_epoch=1, epochs=2", "steps_per_epoch=2, epochs=2"),
        ("steps_per_epoch=1, epochs=2)", "steps_per_epoch=1, epochs=1); seen.append(x[:5])"),
    ],
    "`.fit` keeps its graph until `compile`": [
        ('compiled.compile(optimizer="sgd", loss="mse")', ""),
        ("    losses(model, x, y)\n    model.layers[0]", "    model.layers[0]"),
    ],
    "A Dataset that reshuffles shows every second order": [("orders[::2]", "orders[:3]")],
    "A `PyDataset` ends an epoch before the first": [("rows.ended == 4", "rows.ended == 3")],
    "Under a strategy a loss is divided by the replicas": [
        ("errors(alone, part) / 2 for part", "errors(alone, part) for part"),
        (
            "sum(errors(alone, part) / 2 for part in parts)",
            "errors(alone, slice(parts[0].start, parts[1].stop))",
        ),
        ("np.average(by_row, weights=4 * [earlier] + 3 * [1])", "np.mean(by_row) / 2"),
        ("whole / 2", "whole"),
        ("2 * 0.1", "0.1"),
    ],
    "A `train_step` reports what the metrics hold": [("[0, 7]", "[7, 7]"), ('"rows"', '"loss"')],
    "`train_on_batch` reports another loss from Keras 3.15 on": [
        ("own if newer", "(first + own) / 2 if newer"),
        ("np.mean((model(x[5:])", "np.mean((model(x[:5])"),
    ],
    "A compiled step that returns nothing may round otherwise": [
        ("return loss if returns else None", "return loss"),
        (
            "silent = trained(True), trained(True), trained(False)",
            "silent = trained(True), trained(False), trained(False)",
        ),
    ],
}
CASES = [(claim, *pair) for claim, pairs in FALSE.items() for pair in pairs]


@pytest.fixture(scope="module")
def page(pytestconfig):
    return (pytestconfig.rootpath / "lessons" / "what-fit-does.md").read_text(encoding="utf-8")


def proofs(page):
    """Give the block that all need, and the block of each section, by its heading."""
    begin, *sections = page.split("\n## ")
    blocks = {
        section.partition("\n")[0]: re.findall(r"```python\n(.*?)```", section, re.S) for section in sections
    }
    return re.search(r"```python\n(.*?)```", begin, re.S).group(1), blocks


def test_each_section_has_one_proof_and_a_cure(page):
    _, blocks = proofs(page)
    assert list(blocks) == list(FALSE)
    assert {len(found) for found in blocks.values()} == {1}
    assert page.count("\nIn a loop: ") == len(blocks)


def run(code, names):
    """Run a proof; one that makes devices needs a process in which TensorFlow has not started."""
    if "set_logical_device_configuration" not in code:
        exec(code, names)
        return
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        raise (AssertionError if "\nAssertionError" in done.stderr else RuntimeError)(done.stderr)


@pytest.mark.parametrize("claim", a_few(FALSE, 8))
def test_the_claim_holds(page, claim):
    setup, blocks = proofs(page)
    run(setup + blocks[claim][0], {})


def unseeded(model):
    tf.random.set_seed(None)
    return model


@pytest.mark.parametrize(("claim", "true", "false"), a_few(CASES, 6))
def test_the_proof_fails_once_its_claim_is_made_false(page, claim, true, false):
    setup, blocks = proofs(page)
    assert true in blocks[claim][0]
    with pytest.raises(AssertionError):
        run(setup + blocks[claim][0].replace(true, false), {"unseeded": unseeded})
