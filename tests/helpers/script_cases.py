"""Scripts by what `check` must say: the loop is right, it has mistakes, or there is nothing to compare."""

from scripts import (
    ADDED_UP,
    BUILT_BY_ITS_FIRST_CALL,
    BY_A_GENERATOR,
    BY_ASSIGNMENT,
    CLASS,
    DATA,
    FINE_TUNED,
    FIT,
    FIT_AFTERWARDS,
    FIT_OF_TWO,
    FOLDS,
    FOLDS_WITH_VALIDATION,
    GOES_ON,
    IN_INPUTS,
    LOOP,
    NUMPY,
    OWN_FORMULA,
    OWN_SCHEDULE,
    RECURRENT,
    SCHEDULED,
    TRIPLETS,
    TWO_HEADS,
    TWO_INPUTS,
    TWO_OPTIMIZERS,
    WEIGHTED,
    edited,
)

RIGHT = {
    "datasets": DATA + LOOP,
    "numpy, printed": DATA + NUMPY,
    "beside fit": DATA + LOOP + FIT,
    "own formula": DATA + OWN_FORMULA + LOOP.replace("bce(b, net(a, training=True))", "own_loss(b, net(a))"),
    "own train_step": DATA + CLASS,
    "two heads": DATA + TWO_HEADS,
    "folds": DATA + FOLDS,
    "built by its first call": DATA + BUILT_BY_ITS_FIRST_CALL,
    "gradients added up": DATA + ADDED_UP,
    "two inputs in a list": DATA + TWO_INPUTS,
    "weights of rows by arithmetic": DATA + WEIGHTED,
    "beside fit by a generator": DATA + BY_A_GENERATOR,
    "set back for fit": DATA + "start = net.get_weights()\n" + LOOP + FIT_AFTERWARDS,
    "a schedule by a callback": DATA + SCHEDULED,
    "two heads beside fit": DATA + TWO_HEADS.replace("optimizer = ", FIT_OF_TWO),
    "recurrent beside fit": DATA + RECURRENT,
    "updates by assignment": DATA.replace(", kernel_regularizer=keras.regularizers.L2(0.01)", "")
    + BY_ASSIGNMENT,
    "frozen, then fine-tuned": DATA + FINE_TUNED,
    "a schedule of its own": edited(DATA + LOOP, ("optimizer = keras.optimizers.Adam(0.01)\n", OWN_SCHEDULE)),
    "folds with validation": DATA + FOLDS_WITH_VALIDATION,
    "a second loop goes on": DATA + GOES_ON,
    "rows change": DATA
    + LOOP.replace(".batch(", ".map(lambda a, b: (a + tf.random.normal((6,)), b)).batch("),
}


# The script, the mistakes in it, and for each what stands in its line.
WRONG = {
    "labels-broadcast": (
        edited(
            DATA + OWN_FORMULA + NUMPY,
            ("y[rows], net(", "y[rows].ravel(), net("),
            ("loss = bce(", "loss = own_loss("),
        ),
        {"labels-broadcast": "own_loss(y[rows].ravel()"},
    ),
    "wrong-learning-rate of a network that .fit builds": (
        """
import keras, numpy as np, tensorflow as tf

x = np.random.default_rng(0).normal(size=(60, 4))
y = x.sum(axis=1, keepdims=True)

class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.drop = keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.1)
        self.last = keras.layers.Dense(1)

    def call(self, x, training=False):
        return self.last(self.drop(self.hidden(x), training=training))

keras.utils.set_random_seed(0)
first = Net()
first.compile(keras.optimizers.SGD(0.1), "mse")
first.fit(x, y, batch_size=20, epochs=2, shuffle=False, verbose=0)
keras.utils.set_random_seed(0)
second = Net()
optimizer = keras.optimizers.SGD(0.01)
losses = []
for epoch in range(2):
    total = 0.0
    for i in range(0, 60, 20):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((second(x[i : i + 20], training=True) - y[i : i + 20]) ** 2)
        gradients = tape.gradient(loss, second.trainable_variables)
        optimizer.apply_gradients(zip(gradients, second.trainable_variables))
        total += float(loss) / 3
    losses.append(total)
""",
        {"wrong-learning-rate": "optimizer = keras.optimizers.SGD(0.01)"},
    ),
    "labels-broadcast beside fit": (
        edited(
            DATA + LOOP + FIT,
            (
                "loss = bce(b, net(a, training=True))",
                "loss = tf.reduce_mean((b[:, 0] - net(a, training=True)) ** 2)",
            ),
            ("keras.losses.BinaryCrossentropy())", '"mse")'),
        ),
        {"labels-broadcast": "tf.reduce_mean((b[:, 0]"},
    ),
    "already-trained": (
        DATA
        + 'net.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")\n'
        + "net.fit(x, y, batch_size=32, epochs=2, verbose=0)\n"
        + LOOP,
        {"already-trained": "net.fit(x, y"},
    ),
    "last-batch-dropped": (
        edited(
            DATA + LOOP + FIT,
            (".batch(32)", ".batch(32, drop_remainder=True)"),
            ("total / len(x)", "total / 128"),
        ),
        {"last-batch-dropped": "drop_remainder=True"},
    ),
    "last-batch-dropped without fit": (
        edited(
            DATA + NUMPY,
            ("np.random.permutation(len(x))", "np.arange(len(x))"),
            ("range(0, len(x), 32)", "range(0, 32 * (len(x) // 32), 32)"),
            ("sum(batch_losses) / len(x)", "sum(batch_losses) / 128"),
        ),
        {"last-batch-dropped": "32 * (len(x) // 32)"},
    ),
    "new-optimizer-every-step": (
        edited(
            DATA + NUMPY,
            (
                "        with tf.GradientTape()",
                "        optimizer = keras.optimizers.Adam(0.02)\n        with tf.GradientTape()",
            ),
        ),
        {"new-optimizer-every-step": "keras.optimizers.Adam(0.02)"},
    ),
    "sum-instead-of-mean": (
        edited(
            DATA + LOOP + FIT,
            (
                "bce = keras.losses.BinaryCrossentropy()",
                'bce = keras.losses.BinaryCrossentropy(reduction="sum")',
            ),
        ),
        {"sum-instead-of-mean": 'reduction="sum"'},
    ),
    "plain-mean-over-batches": (
        edited(
            DATA + NUMPY,
            (".numpy() * len(rows)", ".numpy()"),
            ("sum(batch_losses) / len(x)", "np.mean(batch_losses)"),
        ),
        {"plain-mean-over-batches": "np.mean(batch_losses)"},
    ),
    "penalty-left-out": (
        edited(DATA + LOOP, ("        loss += sum(net.losses)\n", "")),
        {"penalty-left-out": "loss = bce(b"},
    ),
    "class-weights-left-out": (
        edited(
            DATA + LOOP + FIT, ("epochs=5, verbose=0", "epochs=5, verbose=0, class_weight={0: 1.0, 1: 4.0}")
        ),
        {"class-weights-left-out": "loss = bce(b"},
    ),
    "gradients-clipped": (
        edited(
            DATA + LOOP + FIT,
            (
                "    optimizer.apply",
                "    slopes, _ = tf.clip_by_global_norm(slopes, 0.01)\n    optimizer.apply",
            ),
        ),
        {"gradients-clipped": "clip_by_global_norm"},
    ),
    "labels-of-other-rows": (
        edited(DATA + NUMPY, ("bce(y[rows], ", "bce(y[i : i + 32], ")),
        {"labels-of-other-rows": "bce(y[i : i + 32]"},
    ),
    "class-weights-normalized in the report": (
        edited(
            DATA + WEIGHTED.replace(" + sum(net.losses)", ""),
            ("/ len(x):.6f", "/ w.sum():.6f"),
            (", kernel_regularizer=keras.regularizers.L2(0.01)", ""),
        ),
        {"class-weights-normalized": "/ w.sum()"},
    ),
    "a sum, halved": (
        edited(
            DATA + LOOP,
            ("loss = bce(b,", "loss = 0.5 * bce(b,"),
            ("BinaryCrossentropy()", 'BinaryCrossentropy(reduction="sum")'),
            ("        loss += sum(net.losses)\n", ""),
            (", kernel_regularizer=keras.regularizers.L2(0.01)", ""),
        ),
        {"sum-instead-of-mean": 'reduction="sum"', "gradient-scaled": "0.5 * bce"},
    ),
    "other-batch-size": (
        DATA
        + BY_A_GENERATOR.replace("of_loop", "losses")
        .replace("range(0, 150, 30):\n        a", "range(0, 150, 15):\n        a")
        .replace("a, b = x[i : i + 30], y[i : i + 30]", "a, b = x[i : i + 15], y[i : i + 15]"),
        {"other-batch-size": "net(a, training=True)"},
    ),
    "wrong-learning-rate": (
        edited(
            DATA + SCHEDULED,
            ("    if epoch:\n        optimizer.learning_rate = optimizer.learning_rate / 2\n", ""),
            (
                "        total += float(loss)",
                "        optimizer.learning_rate = 0.1\n        total += float(loss)",
            ),
        ),
        {"wrong-learning-rate": "optimizer.learning_rate = 0.1"},
    ),
    "gradients-not-applied": (
        edited(
            DATA
            + NUMPY.replace("        optimizer.apply_gradients(zip(slopes, net.trainable_variables))\n", ""),
            (
                "    print(f",
                "    optimizer.apply_gradients(zip(slopes, net.trainable_variables))\n    print(f",
            ),
        ),
        {"gradients-not-applied": "optimizer.apply_gradients"},
    ),
    "gradients-added-up": (
        edited(DATA + ADDED_UP, ("a + b / 2", "a + b")),
        {"gradients-added-up": "tape.gradient"},
    ),
    "loss-arguments-swapped without fit": (
        edited(
            DATA + NUMPY,
            ("bce(y[rows], net(x[rows], training=True))", "bce(net(x[rows], training=True), y[rows])"),
        ),
        {"loss-arguments-swapped": "bce(net("},
    ),
    "gradients-misaligned": (
        edited(
            DATA + NUMPY,
            ("zip(slopes, net.trainable_variables)", "zip(slopes[:2] + slopes[:2], net.trainable_variables)"),
        )
        .replace(
            "keras.layers.Dense(1, ", "keras.layers.Dense(8), keras.layers.Dense(8), keras.layers.Dense(1, "
        )
        .replace("slopes[:2] + slopes[:2]", "slopes[:2] + slopes[4:6] + slopes[2:4] + slopes[6:]"),
        {"gradients-misaligned": "slopes[4:6]"},
    ),
    "frozen-updated": (
        edited(
            DATA + LOOP,
            (
                "optimizer = ",
                "weights = net.trainable_variables\nnet.layers[0].trainable = False\noptimizer = ",
            ),
            ("tape.gradient(loss, net.trainable_variables)", "tape.gradient(loss, weights)"),
            ("zip(slopes, net.trainable_variables)", "zip(slopes, weights)"),
        ),
        {"frozen-updated": "weights = net.trainable_variables"},
    ),
    "metric-never-reset": (
        edited(DATA + TWO_HEADS, ("    mean.reset_state()\n", "")),
        {"metric-never-reset": "for i in range(0, 150, 32):"},
    ),
    "last-batch-reported by an own train_step": (
        edited(
            DATA + CLASS,
            ("        self.metrics[0].update_state(loss, sample_weight=tf.shape(a)[0])\n", ""),
            ('return {"loss": self.metrics[0].result()}', 'return {"loss": loss, "rows": tf.shape(a)[0]}'),
        ),
        {"last-batch-reported": 'return {"loss": loss, "rows"'},
    ),
}
NOTHING = {
    "two optimizers": (DATA + TWO_OPTIMIZERS, "two optimizers with different settings"),
    "triplets": (DATA + TRIPLETS, "called several times for each update"),
    "derivatives in the inputs": (
        DATA + IN_INPUTS,
        "contains derivatives of a network in its inputs",
    ),
    "two networks in turn": (
        DATA
        + """
critic = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
one, other = keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1)
for epoch in range(3):
    for i in range(0, 150, 50):
        with tf.GradientTape(persistent=True) as tape:
            made = net(x[i : i + 50], training=True)
            mine, its = tf.reduce_mean(critic(made)), -tf.reduce_mean(critic(made) - critic(y[i : i + 50]))
        one.apply_gradients(zip(tape.gradient(mine, net.trainable_variables), net.trainable_variables))
        other.apply_gradients(zip(tape.gradient(its, critic.trainable_variables), critic.trainable_variables))
""",
        "critic and net are trained in turn",
    ),
    "no loop": (DATA + FIT, None),
}
