"""The mistakes of the catalogue, each written into a loop that is right."""

from companion.terminal.lesson_list import course_file

Edit = tuple[str, str]

AT_THE_TOP = "import tensorflow as tf\n"
EPOCH_BEGINS = "        losses, counts = [], []"
ROWS = "    n = len(x)\n"
PLAIN_TO_MOMENTUM = ("SGD(learning_rate)", "SGD(learning_rate, momentum=0.9)")
# What makes the loop right where .fit does more than on the other problems.
ALSO_NEEDED: dict[str, list[Edit]] = {
    "not-shuffled": [
        (AT_THE_TOP, AT_THE_TOP + "\nfrom companion.batches import order_of_fit\n"),
        (ROWS, ROWS + "    order = order_of_fit(n)\n    x, y = x[order], y[order]\n"),
    ],
    "class-weights-left-out": [("tf.reduce_mean(rows)", "tf.reduce_mean(rows * (1 + 2 * yb[:, 0]))")],
    "class-weights-normalized": [("tf.reduce_mean(rows)", "tf.reduce_mean(rows * (1 + 2 * yb[:, 0]))")],
    "clipping-left-out": [("SGD(learning_rate)", "SGD(learning_rate, clipnorm=0.1)")],
    "new-optimizer-every-step": [PLAIN_TO_MOMENTUM],
    "new-optimizer-every-epoch": [PLAIN_TO_MOMENTUM],
    "schedule-missing": [
        (
            EPOCH_BEGINS,
            "        if _epoch:\n            optimizer.learning_rate = optimizer.learning_rate / 2\n"
            + EPOCH_BEGINS,
        )
    ],
}

EDITS: dict[str, list[Edit]] = {
    "fit-called-inside": [
        ("losses.append(update(xb, yb))", "losses.append(float(model.train_on_batch(xb, yb)))"),
        ("    n = len(x)\n", "    n = len(x)\n    model.compile(optimizer, 'binary_crossentropy')\n"),
    ],
    "another-model-trained": [
        (
            "    n = len(x)\n",
            "    n = len(x)\n    weights = model.get_weights()\n    model = keras.models.clone_model(model)\n    model.set_weights(weights)\n",
        )
    ],
    "already-trained": [
        (
            "    n = len(x)\n",
            "    n = len(x)\n\n    model.compile('sgd', 'binary_crossentropy')\n    model.fit(x, y, epochs=2, verbose=0)\n",
        )
    ],
    "other-initial-weights": [
        (
            "    n = len(x)\n",
            "    n = len(x)\n    for v in model.trainable_variables:\n        v.assign(tf.random.normal(v.shape, seed=1) * 0.1)\n",
        )
    ],
    "last-batch-dropped": [("range(0, n, batch_size)", "range(0, n - batch_size + 1, batch_size)")],
    "batches-over-the-epoch": [
        (
            "for start in range(0, n, batch_size):",
            "for start in range(24 * _epoch, 24 * _epoch + 24, batch_size):",
        ),
        (
            "xb, yb = x[start : start + batch_size], y[start : start + batch_size]",
            "rows = np.arange(start, start + batch_size) % n\n            xb, yb = x[rows], y[rows]",
        ),
    ],
    "rows-left-out": [("    n = len(x)\n", "    x, y = x[:17], y[:17]\n    n = len(x)\n")],
    "other-batch-size": [("    n = len(x)\n", "    n = len(x)\n    batch_size = n\n")],
    "drawn-with-replacement": [
        (
            "xb, yb = x[start : start + batch_size], y[start : start + batch_size]",
            "drawn = np.random.randint(0, n, min(batch_size, n - start))\n            xb, yb = x[drawn], y[drawn]",
        )
    ],
    "not-shuffled": [],
    "shuffled-otherwise": [
        (
            "        losses, counts = [], []",
            "        order = np.random.permutation(n)\n        x, y = x[order], y[order]\n        losses, counts = [], []",
        )
    ],
    "training-left-out": [("model(xb, training=True)", "model(xb, training=False)")],
    "extra-training-pass": [("return loss.numpy()", "model(xb, training=True)\n        return loss.numpy()")],
    "labels-broadcast": [
        (
            "rows = keras.losses.binary_crossentropy(yb, y_pred)",
            "flat = yb.ravel()\n        rows = -flat * tf.math.log(y_pred) - (1 - flat) * tf.math.log(1 - y_pred)",
        )
    ],
    "loss-arguments-swapped": [("binary_crossentropy(yb, y_pred)", "binary_crossentropy(y_pred, yb)")],
    "from-logits-mismatch": [
        ("binary_crossentropy(yb, y_pred)", "binary_crossentropy(yb, y_pred, from_logits=True)")
    ],
    "another-loss": [
        ("keras.losses.binary_crossentropy(yb, y_pred)", "keras.losses.mean_absolute_error(yb, y_pred)")
    ],
    "vector-of-losses": [
        ("loss = tf.reduce_mean(rows)", "loss = rows"),
        ("return loss.numpy()", "return loss.numpy().mean()"),
    ],
    "sum-instead-of-mean": [("tf.reduce_mean(rows)", "tf.reduce_sum(rows)")],
    "divided-by-all-rows": [("tf.reduce_mean(rows)", "tf.reduce_sum(rows) / n")],
    "divided-by-batch-size": [("tf.reduce_mean(rows)", "tf.reduce_sum(rows) / batch_size")],
    "gradient-scaled": [
        ("return loss + tf.add_n", "return 0.5 * (loss + tf.add_n"),
        ("*model.losses])", "*model.losses]))"),
    ],
    "penalty-left-out": [("loss + tf.add_n([tf.zeros(()), *model.losses])", "loss")],
    "penalty-twice": [
        ("tf.add_n([tf.zeros(()), *model.losses])", "2 * tf.add_n([tf.zeros(()), *model.losses])")
    ],
    "penalty-in-gradient-only": [
        (
            "return loss + tf.add_n([tf.zeros(()), *model.losses])",
            "return loss, loss + tf.add_n([tf.zeros(()), *model.losses])",
        ),
        ("            loss = loss_of(xb, yb)", "            loss, whole = loss_of(xb, yb)"),
        ("tape.gradient(loss,", "tape.gradient(whole,"),
    ],
    "penalty-in-report-only": [
        (
            "return loss + tf.add_n([tf.zeros(()), *model.losses])",
            "return loss, loss + tf.add_n([tf.zeros(()), *model.losses])",
        ),
        ("            loss = loss_of(xb, yb)", "            plain, loss = loss_of(xb, yb)"),
        ("tape.gradient(loss,", "tape.gradient(plain,"),
    ],
    "class-weights-left-out": [],
    "class-weights-normalized": [
        ("tf.reduce_mean(rows)", "tf.reduce_sum(rows * (1 + 2 * yb[:, 0])) / tf.reduce_sum(1 + 2 * yb)")
    ],
    "no-update": [("        optimizer.apply(gradients, model.trainable_variables)\n", "")],
    "update-uphill": [
        (
            "        gradients = tape.gradient(loss,",
            "            uphill = -loss\n        gradients = tape.gradient(uphill,",
        )
    ],
    "two-updates-a-step": [
        ("            counts.append", "            update(xb, yb)\n            counts.append")
    ],
    "some-variables-only": [
        (
            "loss, model.trainable_variables)\n        optimizer.apply(gradients, model.trainable_variables)",
            "loss, model.layers[-2].trainable_variables)\n        optimizer.apply(gradients, model.layers[-2].trainable_variables)",
        )
    ],
    "new-optimizer-every-step": [
        PLAIN_TO_MOMENTUM,
        ("        optimizer.apply(", "        keras.optimizers.SGD(learning_rate, momentum=0.9).apply("),
    ],
    "new-optimizer-every-epoch": [
        PLAIN_TO_MOMENTUM,
        (
            EPOCH_BEGINS,
            f"        optimizer = keras.optimizers.SGD(learning_rate, momentum=0.9)\n{EPOCH_BEGINS}",
        ),
        ("def update(xb, yb):", "def update(xb, yb):\n        nonlocal optimizer"),
    ],
    "another-optimizer": [("SGD(learning_rate)", "SGD(learning_rate, momentum=0.9)")],
    "wrong-learning-rate": [("SGD(learning_rate)", "SGD()")],
    "schedule-missing": [],
    "gradients-clipped": [
        (
            "        optimizer.apply(gradients",
            "        gradients, _ = tf.clip_by_global_norm(gradients, 0.2)\n        optimizer.apply(gradients",
        )
    ],
    "clipping-left-out": [],
    "updates-by-assign": [
        (
            "        optimizer.apply(gradients, model.trainable_variables)",
            "        for g, v in zip(gradients, model.trainable_variables):\n            v.assign(v - learning_rate * g)",
        )
    ],
    "metric-never-reset": [
        ("        losses, counts = [], []\n", ""),
        ("    history = []\n", "    history = []\n    losses, counts = [], []\n"),
    ],
    "plain-mean-over-batches": [("np.average(losses, weights=counts)", "np.mean(losses)")],
    "last-batch-reported": [("float(np.average(losses, weights=counts))", "float(losses[-1])")],
    "batch-losses-added-up": [("float(np.average(losses, weights=counts))", "float(np.sum(losses))")],
    "loss-after-update": [
        (
            "return loss.numpy()",
            "y_now = model(xb, training=False)\n        return tf.reduce_mean(keras.losses.binary_crossentropy(yb, y_now)).numpy() + sum(float(p) for p in model.losses)",
        )
    ],
    "evaluate-reported": [
        (
            "float(np.average(losses, weights=counts))",
            "float(keras.losses.BinaryCrossentropy()(y, model(x, training=False)) + sum(model.losses))",
        )
    ],
    "no-gradient": [
        ("tf.reduce_mean(rows)", "tf.constant(rows.numpy().mean())"),
        ("loss + tf.add_n([tf.zeros(()), *model.losses])", "loss"),
    ],
    "variables-in-tf-function": [
        ("return loss.numpy()", "return loss"),
        (
            "    def update(xb, yb):",
            "    @tf.function\n    def update(xb, yb):\n        counter = tf.Variable(0)",
        ),
    ],
}


def edited(text: str, edits: list[Edit]) -> str:
    """Replace some of a text; each piece must be there exactly once."""
    for old, new in edits:
        if text.count(old) != 1:
            raise ValueError(f"the loop has {old!r} {text.count(old)} times")
        text = text.replace(old, new)
    return text


def right_loop(mistake: str = "") -> str:
    """Return the text of the loop that is right, on the problem where a mistake shows."""
    text = course_file("right_loop.py").read_text(encoding="utf-8")
    return edited(text, ALSO_NEEDED.get(mistake, []))


def broken_loop(mistake: str) -> str:
    """Return the text of a loop with one mistake."""
    return edited(right_loop(), EDITS[mistake])
