"""The mistakes of the catalogue, written into right loops: what is replaced by what in which loop of ``loops/``."""

import linecache
from pathlib import Path

from companion.mistakes.broken_loops import EDITS, PLAIN_TO_MOMENTUM, Edit, edited, right_loop

FOLDER = Path(__file__).parent / "loops"
SOLUTIONS = Path(__file__).parent / "solutions"  # of the lessons' exercises

PRE_TRAIN = "\n    model.compile('sgd', 'binary_crossentropy')\n    model.fit(x, y, epochs=2, verbose=0)\n"
COMPILED_START = "    mean = keras.metrics.Mean()\n"
CLASS_START = "    indices = np.arange(len(x))\n"
TAPE_START = "    losses_per_epoch = []\n"
A_CLONE = "    weights = model.get_weights()\n    model = keras.models.clone_model(model)\n    model.set_weights(weights)\n"
NEW_WEIGHTS = "    model.set_weights([w + 0.01 for w in model.get_weights()])\n"

MISTAKES: dict[str, dict[str, list[Edit]]] = {
    "labels-broadcast": {
        "arithmetic": [("-(yb * tf", "-(yb[:, 0] * tf"), ("(1 - yb) *", "(1 - yb[:, 0]) *")],
        "one_tape": [
            (
                "per_row = criterion(labels, outputs)",
                "t = tf.reshape(labels, [-1])\n                per_row = -(t * tf.math.log(outputs) + (1 - t) * tf.math.log(1 - outputs))",
            )
        ],
        "compiled": [
            (
                "loss = loss_function(yb, y_pred)",
                "yb = tf.cast(tf.squeeze(yb), tf.float32)\n            loss = -tf.reduce_mean(yb * tf.math.log(y_pred) + (1 - yb) * tf.math.log(1 - y_pred))",
            )
        ],
    },
    "vector-of-losses": {
        "compiled": [
            ("BinaryCrossentropy()", "BinaryCrossentropy(reduction=None)"),
            ("mean.update_state(total, sample_weight=tf.shape(xb)[0])", "mean.update_state(total)"),
        ],
        "arithmetic": [
            ("loss = tf.reduce_mean(entropy)", "loss = entropy"),
            ("return float(loss)", "return float(tf.reduce_mean(loss))"),
        ],
        "one_tape": [
            ("tf.math.reduce_mean(per_row)", "per_row"),
            ("tf.math.add_n([data_loss, *model.losses])", "data_loss + sum(model.losses)"),
            ("objective.numpy().item()", "objective.numpy().mean()"),
        ],
    },
    "sum-instead-of-mean": {
        "compiled": [("BinaryCrossentropy()", 'BinaryCrossentropy(reduction="sum")')],
        "arithmetic": [("tf.reduce_mean(entropy)", "tf.reduce_sum(entropy)")],
        "one_tape": [("tf.math.reduce_mean(per_row)", "tf.math.reduce_sum(per_row)")],
    },
    "divided-by-all-rows": {
        "compiled": [
            ("BinaryCrossentropy()", 'BinaryCrossentropy(reduction="sum")'),
            ("loss_function(yb, y_pred)", "loss_function(yb, y_pred) / len(x)"),
        ],
        "one_tape": [("tf.math.reduce_mean(per_row)", "tf.math.reduce_sum(per_row) / len(x)")],
    },
    "divided-by-batch-size": {
        "compiled": [
            ("BinaryCrossentropy()", 'BinaryCrossentropy(reduction="sum")'),
            ("loss_function(yb, y_pred)", "loss_function(yb, y_pred) / batch_size"),
        ],
        "one_tape": [("tf.math.reduce_mean(per_row)", "tf.math.reduce_sum(per_row) / batch_size")],
        "arithmetic": [
            ("tf.reduce_mean(entropy)", "tf.reduce_sum(entropy) / self.size"),
            ("Trainer(model, learning_rate)", "Trainer(model, learning_rate)\n    trainer.size = batch_size"),
        ],
    },
    "training-left-out": {
        "compiled": [("model(xb, training=True)", "model(xb)")],
        "arithmetic": [("model(xb, training=True)", "model(xb)")],
        "one_tape": [("model(features, training=True)", "model(features)")],
    },
    "penalty-left-out": {
        "compiled": [("loss + sum(model.losses)", "loss")],
        "arithmetic": [("loss + self.penalty()", "loss")],
        "one_tape": [("tf.math.add_n([data_loss, *model.losses])", "data_loss")],
    },
    "penalty-twice": {
        "compiled": [("+ sum(model.losses)", "+ sum(model.losses) + sum(model.losses)")],
        "arithmetic": [("+ self.penalty()", "+ 2 * self.penalty()")],
    },
    "penalty-in-gradient-only": {
        "compiled": [("update_state(total,", "update_state(loss,")],
        "one_tape": [("+= objective.numpy()", "+= data_loss.numpy()")],
    },
    "penalty-in-report-only": {
        "compiled": [("tape.gradient(total,", "tape.gradient(loss,")],
        "one_tape": [("tape.gradient(objective,", "tape.gradient(data_loss,")],
    },
    "metric-never-reset": {
        "compiled": [("        mean.reset_state()\n", "")],
        "arithmetic": [
            ("        total = count = 0\n", ""),
            ("    history = []\n", "    history = []\n    total = count = 0\n"),
        ],
        "one_tape": [
            ("        sum_of_losses = 0.0\n        n_rows = 0\n", ""),
            (
                "    losses_per_epoch = []\n",
                "    losses_per_epoch = []\n    sum_of_losses = 0.0\n    n_rows = 0\n",
            ),
        ],
    },
    "plain-mean-over-batches": {
        "compiled": [("mean.update_state(total, sample_weight=tf.shape(xb)[0])", "mean.update_state(total)")],
        "arithmetic": [
            ("total += loss * len(batch)", "total += loss"),
            ("count += len(batch)", "count += 1"),
        ],
        "one_tape": [
            (".item() * features.shape[0]", ".item()"),
            ("n_rows += features.shape[0]", "n_rows += 1"),
        ],
    },
    "last-batch-reported": {
        "compiled": [
            ("mean.update_state(total, sample_weight=tf.shape(xb)[0])", "return total"),
            ("            step(xb, yb)", "            last = step(xb, yb)"),
            ("float(mean.result())", "float(last)"),
        ],
        "arithmetic": [("total / count", "loss")],
        "one_tape": [("sum_of_losses / n_rows", "objective.numpy().item()")],
    },
    "batch-losses-added-up": {
        "compiled": [
            ("keras.metrics.Mean()", "keras.metrics.Sum()"),
            ("total, sample_weight=tf.shape(xb)[0])", "total)"),
        ],
        "arithmetic": [("total += loss * len(batch)", "total += loss"), ("total / count", "total")],
        "one_tape": [(".item() * features.shape[0]", ".item()"), ("sum_of_losses / n_rows", "sum_of_losses")],
    },
    "loss-after-update": {
        "compiled": [
            (
                "mean.update_state(total,",
                "again = loss_function(yb, model(xb)) + sum(model.losses)\n        mean.update_state(again,",
            ),
        ],
        "arithmetic": [
            (
                "        return float(loss)",
                "        p = model(xb)\n        return float(keras.losses.BinaryCrossentropy()(yb, p) + self.penalty())",
            ),
        ],
    },
    "evaluate-reported": {
        "compiled": [
            ("    history = []", "    model.compile(loss='binary_crossentropy')\n    history = []"),
            ("float(mean.result())", "model.evaluate(x, y, verbose=0)"),
        ],
        "arithmetic": [
            (
                "history.append(total / count)",
                "p = model(x)\n        history.append(float(keras.losses.BinaryCrossentropy()(y, p)) + float(trainer.penalty()))",
            ),
        ],
        "one_tape": [
            (
                "losses_per_epoch.append(sum_of_losses / n_rows)",
                "y_all = model(tf.constant(x, tf.float32))\n        losses_per_epoch.append(float(tf.reduce_mean(criterion(y, y_all))) + float(sum(model.losses)))",
            ),
        ],
    },
    "last-batch-dropped": {
        "compiled": [("data.batch(batch_size)", "data.batch(batch_size, drop_remainder=True)")],
        "arithmetic": [("for batch in batches:", "for batch in batches[:-1]:")],
        "one_tape": [("range(-(-len(x) // size))", "range(len(x) // size)")],
    },
    "shuffled-otherwise": {
        "compiled": [("data = data.batch(batch_size)", "data = data.shuffle(100, seed=3).batch(batch_size)")],
        "arithmetic": [
            (
                "        batches = np",
                "        indices = np.random.default_rng(epoch).permutation(len(x))\n        batches = np",
            )
        ],
        "one_tape": [
            (
                "    losses_per_epoch = []",
                "    order = np.random.default_rng(1).permutation(len(x))\n    x, y = x[order], y[order]\n    losses_per_epoch = []",
            )
        ],
    },
    "drawn-with-replacement": {
        "arithmetic": [
            (
                "        batches = np",
                "        indices = np.random.choice(len(x), len(x))\n        batches = np",
            )
        ],
        "one_tape": [
            (
                "rows = slice(number * size, (number + 1) * size)",
                "rows = np.random.default_rng(number).integers(0, len(x), min(size, len(x) - number * size))",
            )
        ],
    },
    "other-batch-size": {
        "compiled": [("data.batch(batch_size)", "data.batch(5)")],
        "arithmetic": [("range(batch_size, len(indices), batch_size)", "range(4, len(indices), 4)")],
        "one_tape": [("batches_of(x, y, batch_size)", "batches_of(x, y, 2 * batch_size)")],
    },
    "new-optimizer-every-step": {
        "compiled": [
            PLAIN_TO_MOMENTUM,
            (
                "        optimizer.apply_gradients",
                "        optimizer = keras.optimizers.SGD(learning_rate, momentum=0.9)\n        optimizer.apply_gradients",
            ),
            ("    @tf.function(reduce_retracing=True)\n", ""),
        ],
        "one_tape": [
            ("SGD(learning_rate=learning_rate)", "SGD(learning_rate, momentum=0.9)"),
            ("sgd.apply_gradients", "keras.optimizers.SGD(learning_rate, momentum=0.9).apply_gradients"),
        ],
    },
    "new-optimizer-every-epoch": {
        "compiled": [
            PLAIN_TO_MOMENTUM,
            (
                "        mean.reset_state()",
                "        optimizer = keras.optimizers.SGD(learning_rate, momentum=0.9)\n        mean.reset_state()",
            ),
            ("    @tf.function(reduce_retracing=True)\n", ""),
            ("    def step(xb, yb):", "    def step(xb, yb, optimizer):"),
            ("step(xb, yb)\n        history", "step(xb, yb, optimizer)\n        history"),
        ],
        "one_tape": [
            ("SGD(learning_rate=learning_rate)", "SGD(learning_rate, momentum=0.9)"),
            (
                "        sum_of_losses = 0.0",
                "        sgd = keras.optimizers.SGD(learning_rate, momentum=0.9)\n        sum_of_losses = 0.0",
            ),
        ],
    },
    "other-initial-weights": {
        "compiled": [(COMPILED_START, COMPILED_START + NEW_WEIGHTS)],
        "arithmetic": [
            (
                CLASS_START,
                CLASS_START
                + "    k = model.layers[0].kernel\n    k.assign(keras.initializers.GlorotUniform(7)(k.shape))\n",
            )
        ],
    },
    "already-trained": {
        "compiled": [(COMPILED_START, COMPILED_START + PRE_TRAIN)],
        "arithmetic": [
            ("for epoch in range(epochs):", "for epoch in range(epochs + 2):"),
            ("    return history", "    return history[2:]"),
        ],
    },
    "no-update": {
        "compiled": [("        optimizer.apply_gradients(zip(gradients, variables))\n", "")],
        "arithmetic": [
            (
                "            variable.assign_sub(self.rate * slope)",
                "            variable - self.rate * slope",
            ),
            (
                "            if variable.constraint is not None:\n                variable.assign(variable.constraint(variable))\n",
                "            pass\n",
            ),
        ],
        "one_tape": [
            ("                    sgd.apply_gradients(list(zip(grads, model.trainable_weights)))\n", "")
        ],
    },
    "update-uphill": {
        "compiled": [("zip(gradients, variables)", "zip([-g for g in gradients], variables)")],
        "arithmetic": [("variable.assign_sub(", "variable.assign_add(")],
        "one_tape": [
            (
                "SGD(learning_rate=learning_rate)",
                "SGD(learning_rate=learning_rate)\n    sgd.learning_rate.assign(-learning_rate)",
            )
        ],
    },
    "two-updates-a-step": {
        "compiled": [
            (
                "        mean.update",
                "        optimizer.apply_gradients(zip(gradients, variables))\n        mean.update",
            )
        ],
        "arithmetic": [
            (
                "            variable.assign_sub(self.rate * slope)",
                "            variable.assign_sub(self.rate * slope)\n            variable.assign_sub(self.rate * slope)",
            )
        ],
        "one_tape": [
            (
                "                    sum_of",
                "                    sgd.apply_gradients(list(zip(grads, model.trainable_weights)))\n                    sum_of",
            )
        ],
    },
    "some-variables-only": {
        "compiled": [
            (
                "variables = model.trainable_variables",
                "variables = [v for v in model.trainable_variables if 'kernel' in v.path]",
            )
        ],
        "arithmetic": [("zip(variables, slopes):", "list(zip(variables, slopes))[:2]:")],
    },
    "from-logits-mismatch": {
        "compiled": [("BinaryCrossentropy()", "BinaryCrossentropy(from_logits=True)")],
        "one_tape": [('(reduction="none")', '(from_logits=True, reduction="none")')],
        "arithmetic": [
            (
                "entropy = -(yb * tf.math.log(p) + (1 - yb) * tf.math.log(1 - p))",
                "entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=yb, logits=p)",
            )
        ],
    },
    "loss-arguments-swapped": {
        "compiled": [("loss_function(yb, y_pred)", "loss_function(y_pred, yb)")],
        "one_tape": [("criterion(labels, outputs)", "criterion(outputs, labels)")],
    },
    "gradients-clipped": {
        "compiled": [("SGD(learning_rate)", "SGD(learning_rate, clipnorm=0.1)")],
        "arithmetic": [("self.rate * slope", "self.rate * tf.clip_by_value(slope, -0.05, 0.05)")],
        "one_tape": [
            ("sgd.apply", "grads = [tf.clip_by_norm(g, 0.1) for g in grads]\n                    sgd.apply")
        ],
    },
    "updates-by-assign": {
        "arithmetic": [
            (
                "            if variable.constraint is not None:\n                variable.assign(variable.constraint(variable))\n",
                "            pass\n",
            )
        ],
        "compiled": [
            (
                "        optimizer.apply_gradients(zip(gradients, variables))",
                "        for g, v in zip(gradients, variables):\n            v.assign_sub(learning_rate * g)",
            )
        ],
    },
    "wrong-learning-rate": {
        "compiled": [("SGD(learning_rate)", "SGD(0.01)")],
        "arithmetic": [("Trainer(model, learning_rate)", "Trainer(model, learning_rate / 10)")],
        "one_tape": [("learning_rate=learning_rate", "learning_rate=0.5")],
    },
    "fit-called-inside": {
        "compiled": [
            (
                "    history = []\n",
                "    model.compile(optimizer, loss_function)\n    return model.fit(x, y, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0).history['loss']\n    history = []\n",
            )
        ],
        "one_tape": [
            (
                "    losses_per_epoch = []\n",
                "    from companion import fit_by_hand\n    model.compile(sgd, 'binary_crossentropy')\n    return fit_by_hand(model, x, y, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0).history['loss']\n    losses_per_epoch = []\n",
            )
        ],
    },
    "another-model-trained": {
        "compiled": [(COMPILED_START, COMPILED_START + A_CLONE)],
        "one_tape": [(TAPE_START, TAPE_START + A_CLONE)],
    },
    "extra-training-pass": {
        "compiled": [
            (
                "        mean.update",
                "        right = tf.round(model(xb, training=True)) == tf.cast(yb, tf.float32)\n        tf.reduce_mean(tf.cast(right, tf.float32))\n        mean.update",
            ),
        ],
        "arithmetic": [("return float(loss)", "self.model(xb, training=True)\n        return float(loss)")],
    },
    "rows-left-out": {
        "compiled": [("from_tensor_slices((x, y))", "from_tensor_slices((x[3:], y[3:]))")],
        "one_tape": [("batches_of(x, y, batch_size)", "batches_of(x[:-1], y[:-1], batch_size)")],
    },
    "batches-over-the-epoch": {
        "compiled": [
            (
                "    history = []\n",
                "    rows = tf.data.Dataset.from_tensor_slices((x, y))\n    feed = iter(rows.repeat().batch(batch_size))\n    history = []\n",
            ),
            ("for xb, yb in data:", "for xb, yb in (next(feed) for _ in range(3)):"),
            (
                "    data = tf.data.Dataset.from_tensor_slices((x, y))\n    data = data.batch(batch_size)\n",
                "",
            ),
        ],
        "arithmetic": [
            (
                "np.split(indices, range(batch_size, len(indices), batch_size))",
                "[np.arange(k, k + batch_size) % len(x) for k in range(24 * epoch, 24 * epoch + 24, batch_size)]",
            ),
        ],
    },
    "another-loss": {
        "compiled": [("keras.losses.BinaryCrossentropy()", "keras.losses.MeanSquaredError()")],
        "one_tape": [("keras.losses.BinaryCrossentropy(", "keras.losses.MeanSquaredError(")],
    },
    "another-optimizer": {
        "compiled": [("SGD(learning_rate)", "Adam(learning_rate)")],
        "one_tape": [("SGD(learning_rate=learning_rate)", "RMSprop(learning_rate)")],
    },
    "gradient-scaled": {
        "compiled": [("loss + sum(model.losses)", "3 * (loss + sum(model.losses))")],
        "one_tape": [("= tf.math.add_n(", "= 0.1 * tf.math.add_n(")],
    },
    "class-weights-normalized": {
        "compiled": [
            ("BinaryCrossentropy()", 'BinaryCrossentropy(reduction="mean_with_sample_weight")'),
            ("loss_function(yb, y_pred)", "loss_function(yb, y_pred, sample_weight=1 + 2 * yb[:, 0])"),
        ],
        "arithmetic": [
            ("tf.reduce_mean(entropy)", "tf.reduce_sum(entropy * (1 + 2 * yb)) / tf.reduce_sum(1 + 2 * yb)")
        ],
    },
    # These end in an exception.
    "no-gradient": {
        "compiled": [("loss + sum(model.losses)", "tf.constant((loss + sum(model.losses)).numpy())")],
        "arithmetic": [("model(xb, training=True)", "model(xb, training=True).numpy()")],
        "one_tape": [("tape.gradient(objective,", "tape.gradient(objective.numpy(),")],
    },
    "variables-in-tf-function": {
        "compiled": [
            (
                "        variables = model",
                "        optimizer = keras.optimizers.SGD(learning_rate)\n        variables = model",
            )
        ],
        "arithmetic": [
            ("    def train_step", "    @tf.function\n    def train_step"),
            (
                "        model = self.model\n",
                "        model = self.model\n        mean = keras.metrics.Mean()\n",
            ),
        ],
    },
    # On the problems where these show, a loop like the others is mistaken as it stands.
    "not-shuffled": {"compiled": [], "arithmetic": [], "one_tape": []},
    "class-weights-left-out": {"compiled": [], "arithmetic": [], "one_tape": []},
    "clipping-left-out": {"compiled": [], "arithmetic": [], "one_tape": []},
    "schedule-missing": {"compiled": [], "one_tape": []},
}

for _name, _edits in EDITS.items():  # those that `python -m companion.mistakes` shows
    MISTAKES[_name]["eager"] = _edits


def source(style: str, edits: list[Edit]) -> str:
    """Give the text of a loop with some of its text replaced; each must be there exactly once."""
    text = right_loop() if style == "eager" else (FOLDER / f"{style}.py").read_text(encoding="utf-8")
    return edited(text, edits)


def loop(style: str, *mistakes: str):
    """Give the ``train`` of a loop with some mistakes written into it."""
    edits = [edit for name in mistakes for edit in MISTAKES[name][style]]
    return from_text(source(style, edits), f"{style}-{'-'.join(mistakes)}.py")


def from_text(text: str, name: str):
    """Give the ``train`` that `text` defines."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)  # for tf.function
    space: dict = {"__name__": name}
    exec(compile(text, name, "exec"), space)
    return space["train"]


SMOOTHED = source("compiled", [("BinaryCrossentropy()", "BinaryCrossentropy(label_smoothing=0.1)")])
