"""The mistakes of the catalogue, written into right loops: what is replaced by what in which loop of ``loops/``."""

import linecache
from pathlib import Path

FOLDER = Path(__file__).parent / "loops"
Edit = tuple[str, str]

PRE_TRAIN = "\n    model.compile('sgd', 'binary_crossentropy')\n    model.fit(x, y, epochs=2, verbose=0)\n"
COMPILED_START = "    mean = keras.metrics.Mean()\n"
EAGER_START = "    n = len(x)\n"
CLASS_START = "    indices = np.arange(len(x))\n"
TAPE_START = "    losses_per_epoch = []\n"
A_CLONE = "    weights = model.get_weights()\n    model = keras.models.clone_model(model)\n    model.set_weights(weights)\n"
NEW_WEIGHTS = "    model.set_weights([w + 0.01 for w in model.get_weights()])\n"

MISTAKES: dict[str, dict[str, list[Edit]]] = {
    "labels-broadcast": {
        "arithmetic": [("-(yb * tf", "-(yb[:, 0] * tf"), ("(1 - yb) *", "(1 - yb[:, 0]) *")],
        "eager": [
            (
                "rows = keras.losses.binary_crossentropy(yb, y_pred)",
                "flat = yb.ravel()\n        rows = -flat * tf.math.log(y_pred) - (1 - flat) * tf.math.log(1 - y_pred)",
            )
        ],
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
        "eager": [
            ("loss = tf.reduce_mean(rows)", "loss = rows"),
            ("return loss.numpy()", "return loss.numpy().mean()"),
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
        "eager": [("tf.reduce_mean(rows)", "tf.reduce_sum(rows)")],
        "arithmetic": [("tf.reduce_mean(entropy)", "tf.reduce_sum(entropy)")],
        "one_tape": [("tf.math.reduce_mean(per_row)", "tf.math.reduce_sum(per_row)")],
    },
    "divided-by-all-rows": {
        "compiled": [
            ("BinaryCrossentropy()", 'BinaryCrossentropy(reduction="sum")'),
            ("loss_function(yb, y_pred)", "loss_function(yb, y_pred) / len(x)"),
        ],
        "eager": [("tf.reduce_mean(rows)", "tf.reduce_sum(rows) / n")],
        "one_tape": [("tf.math.reduce_mean(per_row)", "tf.math.reduce_sum(per_row) / len(x)")],
    },
    "divided-by-batch-size": {
        "compiled": [
            ("BinaryCrossentropy()", 'BinaryCrossentropy(reduction="sum")'),
            ("loss_function(yb, y_pred)", "loss_function(yb, y_pred) / batch_size"),
        ],
        "eager": [("tf.reduce_mean(rows)", "tf.reduce_sum(rows) / batch_size")],
        "one_tape": [("tf.math.reduce_mean(per_row)", "tf.math.reduce_sum(per_row) / batch_size")],
        "arithmetic": [
            ("tf.reduce_mean(entropy)", "tf.reduce_sum(entropy) / self.size"),
            ("Trainer(model, learning_rate)", "Trainer(model, learning_rate)\n    trainer.size = batch_size"),
        ],
    },
    "training-left-out": {
        "compiled": [("model(xb, training=True)", "model(xb)")],
        "eager": [("model(xb, training=True)", "model(xb, training=False)")],
        "arithmetic": [("model(xb, training=True)", "model(xb)")],
        "one_tape": [("model(features, training=True)", "model(features)")],
    },
    "penalty-left-out": {
        "compiled": [("loss + sum(model.losses)", "loss")],
        "eager": [("loss + tf.add_n([tf.zeros(()), *model.losses])", "loss")],
        "arithmetic": [("loss + self.penalty()", "loss")],
        "one_tape": [("tf.math.add_n([data_loss, *model.losses])", "data_loss")],
    },
    "penalty-twice": {
        "compiled": [("+ sum(model.losses)", "+ sum(model.losses) + sum(model.losses)")],
        "eager": [("tf.add_n([tf.zeros(()), *model.losses])", "2 * tf.add_n([tf.zeros(()), *model.losses])")],
        "arithmetic": [("+ self.penalty()", "+ 2 * self.penalty()")],
    },
    "penalty-in-gradient-only": {
        "compiled": [("update_state(total,", "update_state(loss,")],
        "eager": [
            (
                "return loss + tf.add_n([tf.zeros(()), *model.losses])",
                "return loss, loss + tf.add_n([tf.zeros(()), *model.losses])",
            ),
            ("            loss = loss_of(xb, yb)", "            loss, whole = loss_of(xb, yb)"),
            ("tape.gradient(loss,", "tape.gradient(whole,"),
        ],
        "one_tape": [("+= objective.numpy()", "+= data_loss.numpy()")],
    },
    "penalty-in-report-only": {
        "compiled": [("tape.gradient(total,", "tape.gradient(loss,")],
        "eager": [
            (
                "return loss + tf.add_n([tf.zeros(()), *model.losses])",
                "return loss, loss + tf.add_n([tf.zeros(()), *model.losses])",
            ),
            ("            loss = loss_of(xb, yb)", "            plain, loss = loss_of(xb, yb)"),
            ("tape.gradient(loss,", "tape.gradient(plain,"),
        ],
        "one_tape": [("tape.gradient(objective,", "tape.gradient(data_loss,")],
    },
    "metric-never-reset": {
        "compiled": [("        mean.reset_state()\n", "")],
        "eager": [
            ("        losses, counts = [], []\n", ""),
            ("    history = []\n", "    history = []\n    losses, counts = [], []\n"),
        ],
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
        "eager": [("np.average(losses, weights=counts)", "np.mean(losses)")],
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
        "eager": [("float(np.average(losses, weights=counts))", "float(losses[-1])")],
        "arithmetic": [("total / count", "loss")],
        "one_tape": [("sum_of_losses / n_rows", "objective.numpy().item()")],
    },
    "batch-losses-added-up": {
        "compiled": [
            ("keras.metrics.Mean()", "keras.metrics.Sum()"),
            ("total, sample_weight=tf.shape(xb)[0])", "total)"),
        ],
        "eager": [("float(np.average(losses, weights=counts))", "float(np.sum(losses))")],
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
        "eager": [
            (
                "return loss.numpy()",
                "y_now = model(xb, training=False)\n        return tf.reduce_mean(keras.losses.binary_crossentropy(yb, y_now)).numpy() + sum(float(p) for p in model.losses)",
            )
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
        "eager": [
            (
                "float(np.average(losses, weights=counts))",
                "float(keras.losses.BinaryCrossentropy()(y, model(x, training=False)) + sum(model.losses))",
            ),
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
        "eager": [("range(0, n, batch_size)", "range(0, n - batch_size + 1, batch_size)")],
        "arithmetic": [("for batch in batches:", "for batch in batches[:-1]:")],
        "one_tape": [("range(-(-len(x) // size))", "range(len(x) // size)")],
    },
    "shuffled-otherwise": {
        "compiled": [("data = data.batch(batch_size)", "data = data.shuffle(100, seed=3).batch(batch_size)")],
        "eager": [
            (
                "        losses, counts = [], []",
                "        order = np.random.permutation(n)\n        x, y = x[order], y[order]\n        losses, counts = [], []",
            )
        ],
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
        "eager": [
            (
                "xb, yb = x[start : start + batch_size], y[start : start + batch_size]",
                "drawn = np.random.randint(0, n, min(batch_size, n - start))\n            xb, yb = x[drawn], y[drawn]",
            )
        ],
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
        "eager": [("    n = len(x)\n", "    n = len(x)\n    batch_size = n\n")],
        "arithmetic": [("range(batch_size, len(indices), batch_size)", "range(4, len(indices), 4)")],
        "one_tape": [("batches_of(x, y, batch_size)", "batches_of(x, y, 2 * batch_size)")],
    },
    "new-optimizer-every-step": {
        "compiled": [
            (
                "        optimizer.apply_gradients",
                "        optimizer = keras.optimizers.SGD(learning_rate)\n        optimizer.apply_gradients",
            ),
            ("    @tf.function(reduce_retracing=True)\n", ""),
        ],
        "eager": [("        optimizer.apply(", "        keras.optimizers.SGD(learning_rate).apply(")],
        "one_tape": [("sgd.apply_gradients", "keras.optimizers.SGD(learning_rate).apply_gradients")],
    },
    "new-optimizer-every-epoch": {
        "compiled": [
            (
                "        mean.reset_state()",
                "        optimizer = keras.optimizers.SGD(learning_rate)\n        mean.reset_state()",
            ),
            ("    @tf.function(reduce_retracing=True)\n", ""),
            ("    def step(xb, yb):", "    def step(xb, yb, optimizer):"),
            ("step(xb, yb)\n        history", "step(xb, yb, optimizer)\n        history"),
        ],
        "eager": [
            (
                "        losses, counts = [], []",
                "        optimizer = keras.optimizers.SGD(learning_rate)\n        losses, counts = [], []",
            ),
            ("def update(xb, yb):", "def update(xb, yb):\n        nonlocal optimizer"),
        ],
        "one_tape": [
            (
                "        sum_of_losses = 0.0",
                "        sgd = keras.optimizers.SGD(learning_rate)\n        sum_of_losses = 0.0",
            )
        ],
    },
    "other-initial-weights": {
        "compiled": [(COMPILED_START, COMPILED_START + NEW_WEIGHTS)],
        "eager": [
            (
                EAGER_START,
                EAGER_START
                + "    for v in model.trainable_variables:\n        v.assign(tf.random.normal(v.shape, seed=1) * 0.1)\n",
            )
        ],
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
        "eager": [(EAGER_START, EAGER_START + PRE_TRAIN)],
        "arithmetic": [
            ("for epoch in range(epochs):", "for epoch in range(epochs + 2):"),
            ("    return history", "    return history[2:]"),
        ],
    },
    "no-update": {
        "compiled": [("        optimizer.apply_gradients(zip(gradients, variables))\n", "")],
        "eager": [("        optimizer.apply(gradients, model.trainable_variables)\n", "")],
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
        "eager": [
            (
                "        gradients = tape.gradient(loss,",
                "            uphill = -loss\n        gradients = tape.gradient(uphill,",
            )
        ],
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
        "eager": [("            counts.append", "            update(xb, yb)\n            counts.append")],
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
        "eager": [
            (
                "loss, model.trainable_variables)\n        optimizer.apply(gradients, model.trainable_variables)",
                "loss, model.layers[-2].trainable_variables)\n        optimizer.apply(gradients, model.layers[-2].trainable_variables)",
            )
        ],
        "arithmetic": [("zip(variables, slopes):", "list(zip(variables, slopes))[:2]:")],
    },
    "from-logits-mismatch": {
        "compiled": [("BinaryCrossentropy()", "BinaryCrossentropy(from_logits=True)")],
        "eager": [("binary_crossentropy(yb, y_pred)", "binary_crossentropy(yb, y_pred, from_logits=True)")],
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
        "eager": [("binary_crossentropy(yb, y_pred)", "binary_crossentropy(y_pred, yb)")],
        "one_tape": [("criterion(labels, outputs)", "criterion(outputs, labels)")],
    },
    "gradients-clipped": {
        "compiled": [("SGD(learning_rate)", "SGD(learning_rate, clipnorm=0.1)")],
        "eager": [
            (
                "        optimizer.apply(gradients",
                "        gradients, _ = tf.clip_by_global_norm(gradients, 0.2)\n        optimizer.apply(gradients",
            )
        ],
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
        "eager": [
            (
                "        optimizer.apply(gradients, model.trainable_variables)",
                "        for g, v in zip(gradients, model.trainable_variables):\n            v.assign(v - learning_rate * g)",
            )
        ],
    },
    "wrong-learning-rate": {
        "compiled": [("SGD(learning_rate)", "SGD(0.01)")],
        "eager": [("SGD(learning_rate)", "SGD()")],
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
        "eager": [
            ("losses.append(update(xb, yb))", "losses.append(float(model.train_on_batch(xb, yb)))"),
            ("    n = len(x)\n", "    n = len(x)\n    model.compile(optimizer, 'binary_crossentropy')\n"),
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
        "eager": [(EAGER_START, EAGER_START + A_CLONE)],
        "one_tape": [(TAPE_START, TAPE_START + A_CLONE)],
    },
    "extra-training-pass": {
        "compiled": [
            (
                "        mean.update",
                "        right = tf.round(model(xb, training=True)) == tf.cast(yb, tf.float32)\n        tf.reduce_mean(tf.cast(right, tf.float32))\n        mean.update",
            ),
        ],
        "eager": [("return loss.numpy()", "model(xb, training=True)\n        return loss.numpy()")],
        "arithmetic": [("return float(loss)", "self.model(xb, training=True)\n        return float(loss)")],
    },
    "rows-left-out": {
        "compiled": [("from_tensor_slices((x, y))", "from_tensor_slices((x[3:], y[3:]))")],
        "eager": [(EAGER_START, "    x, y = x[:17], y[:17]\n" + EAGER_START)],
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
        "eager": [
            (
                "for start in range(0, n, batch_size):",
                "for start in range(24 * _epoch, 24 * _epoch + 24, batch_size):",
            ),
            (
                "xb, yb = x[start : start + batch_size], y[start : start + batch_size]",
                "rows = np.arange(start, start + batch_size) % n\n            xb, yb = x[rows], y[rows]",
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
        "eager": [
            ("keras.losses.binary_crossentropy(yb, y_pred)", "keras.losses.mean_absolute_error(yb, y_pred)")
        ],
        "one_tape": [("keras.losses.BinaryCrossentropy(", "keras.losses.MeanSquaredError(")],
    },
    "another-optimizer": {
        "compiled": [("SGD(learning_rate)", "Adam(learning_rate)")],
        "eager": [("SGD(learning_rate)", "SGD(learning_rate, momentum=0.9)")],
        "one_tape": [("SGD(learning_rate=learning_rate)", "RMSprop(learning_rate)")],
    },
    "gradient-scaled": {
        "compiled": [("loss + sum(model.losses)", "3 * (loss + sum(model.losses))")],
        "eager": [
            ("return loss + tf.add_n", "return 0.5 * (loss + tf.add_n"),
            ("*model.losses])", "*model.losses]))"),
        ],
        "one_tape": [("= tf.math.add_n(", "= 0.1 * tf.math.add_n(")],
    },
    # In these the loops are right, but for another problem: see PROBLEMS in mistake_cases.py.
    "not-shuffled": {"compiled": [], "eager": [], "arithmetic": [], "one_tape": []},
    "class-weights-left-out": {"compiled": [], "eager": [], "arithmetic": [], "one_tape": []},
    "clipping-left-out": {"compiled": [], "eager": [], "arithmetic": [], "one_tape": []},
    "schedule-missing": {"compiled": [], "eager": [], "one_tape": []},
    "class-weights-normalized": {
        "compiled": [
            ("BinaryCrossentropy()", 'BinaryCrossentropy(reduction="mean_with_sample_weight")'),
            ("loss_function(yb, y_pred)", "loss_function(yb, y_pred, sample_weight=1 + 2 * yb[:, 0])"),
        ],
        "eager": [
            ("tf.reduce_mean(rows)", "tf.reduce_sum(rows * (1 + 2 * yb[:, 0])) / tf.reduce_sum(1 + 2 * yb)")
        ],
        "arithmetic": [
            ("tf.reduce_mean(entropy)", "tf.reduce_sum(entropy * (1 + 2 * yb)) / tf.reduce_sum(1 + 2 * yb)")
        ],
    },
    # These end in an exception.
    "no-gradient": {
        "compiled": [("loss + sum(model.losses)", "tf.constant((loss + sum(model.losses)).numpy())")],
        "eager": [
            ("tf.reduce_mean(rows)", "tf.constant(rows.numpy().mean())"),
            ("loss + tf.add_n([tf.zeros(()), *model.losses])", "loss"),
        ],
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
        "eager": [
            ("return loss.numpy()", "return loss"),
            (
                "    def update(xb, yb):",
                "    @tf.function\n    def update(xb, yb):\n        counter = tf.Variable(0)",
            ),
        ],
        "arithmetic": [
            ("    def train_step", "    @tf.function\n    def train_step"),
            (
                "        model = self.model\n",
                "        model = self.model\n        mean = keras.metrics.Mean()\n",
            ),
        ],
    },
}


def source(style: str, edits: list[Edit]) -> str:
    """Give the text of a loop with some of its text replaced; each must be there exactly once."""
    text = (FOLDER / f"{style}.py").read_text(encoding="utf-8")
    for old, new in edits:
        if text.count(old) != 1:
            raise ValueError(f"{style}.py has {old!r} {text.count(old)} times")
        text = text.replace(old, new)
    return text


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
