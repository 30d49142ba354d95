"""Mistakes in what is fed, in the weights, and in what becomes of the gradient.

What is replaced by what in which loop of ``loops/``. Where nothing is, the loop is right, but not for the
problem that `mistake_cases.PROBLEMS` has for it.
"""

Edit = tuple[str, str]

PRE_TRAIN = "\n    model.compile('sgd', 'binary_crossentropy')\n    model.fit(x, y, epochs=2, verbose=0)\n"
COMPILED_START = "    mean = keras.metrics.Mean()\n"
EAGER_START = "    n = len(x)\n"
CLASS_START = "    indices = np.arange(len(x))\n"
TAPE_START = "    losses_per_epoch = []\n"
A_CLONE = "    weights = model.get_weights()\n    model = keras.models.clone_model(model)\n    model.set_weights(weights)\n"
NEW_WEIGHTS = "    model.set_weights([w + 0.01 for w in model.get_weights()])\n"

MISTAKES: dict[str, dict[str, list[Edit]]] = {
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
    "another-optimizer": {
        "compiled": [("SGD(learning_rate)", "Adam(learning_rate)")],
        "eager": [("SGD(learning_rate)", "SGD(learning_rate, momentum=0.9)")],
        "one_tape": [("SGD(learning_rate=learning_rate)", "RMSprop(learning_rate)")],
    },
    "not-shuffled": {"compiled": [], "eager": [], "arithmetic": [], "one_tape": []},
    "clipping-left-out": {"compiled": [], "eager": [], "arithmetic": [], "one_tape": []},
    "schedule-missing": {"compiled": [], "eager": [], "one_tape": []},
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
