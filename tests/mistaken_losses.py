"""Mistakes in the loss: how it is computed, differentiated and reported.

What is replaced by what in which loop of ``loops/``. Where nothing is, the loop is right, but not for the
problem that `mistake_cases.PROBLEMS` has for it.
"""

Edit = tuple[str, str]

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
    "another-loss": {
        "compiled": [("keras.losses.BinaryCrossentropy()", "keras.losses.MeanSquaredError()")],
        "eager": [
            ("keras.losses.binary_crossentropy(yb, y_pred)", "keras.losses.mean_absolute_error(yb, y_pred)")
        ],
        "one_tape": [("keras.losses.BinaryCrossentropy(", "keras.losses.MeanSquaredError(")],
    },
    "gradient-scaled": {
        "compiled": [("loss + sum(model.losses)", "3 * (loss + sum(model.losses))")],
        "eager": [
            ("return loss + tf.add_n", "return 0.5 * (loss + tf.add_n"),
            ("*model.losses])", "*model.losses]))"),
        ],
        "one_tape": [("= tf.math.add_n(", "= 0.1 * tf.math.add_n(")],
    },
    "class-weights-left-out": {"compiled": [], "eager": [], "arithmetic": [], "one_tape": []},
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
    "no-gradient": {
        "compiled": [("loss + sum(model.losses)", "tf.constant((loss + sum(model.losses)).numpy())")],
        "eager": [
            ("tf.reduce_mean(rows)", "tf.constant(rows.numpy().mean())"),
            ("loss + tf.add_n([tf.zeros(()), *model.losses])", "loss"),
        ],
        "arithmetic": [("model(xb, training=True)", "model(xb, training=True).numpy()")],
        "one_tape": [("tape.gradient(objective,", "tape.gradient(objective.numpy(),")],
    },
}
