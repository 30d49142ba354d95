"""Scripts as people have them, and the parts that they are made of; `script_cases` says what is wrong."""


def edited(text, *edits):
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


DATA = """
import keras
import numpy as np
import tensorflow as tf

rng = np.random.default_rng(3)
x = rng.normal(size=(150, 6)).astype("float32")
y = (x[:, :1] + 0.3 * rng.normal(size=(150, 1)) > 0).astype("float32")


def make():
    keras.utils.set_random_seed(5)
    hidden = keras.layers.Dense(8, "relu", kernel_regularizer=keras.regularizers.L2(0.01))
    return keras.Sequential([keras.Input((6,)), hidden, keras.layers.Dense(1, "sigmoid")])


net = make()
"""
LOOP = """
optimizer = keras.optimizers.Adam(0.01)
bce = keras.losses.BinaryCrossentropy()
data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(150).batch(32)


@tf.function
def step(a, b):
    with tf.GradientTape() as tape:
        loss = bce(b, net(a, training=True))
        loss += sum(net.losses)
    slopes = tape.gradient(loss, net.trainable_variables)
    optimizer.apply_gradients(zip(slopes, net.trainable_variables))
    return loss


losses = []
for epoch in range(5):
    total = 0.0
    for a, b in data:
        total += float(step(a, b)) * len(a)
    losses.append(total / len(x))
"""
FIT = """
other = make()
other.compile(keras.optimizers.Adam(0.01), keras.losses.BinaryCrossentropy())
other.fit(x, y, batch_size=32, epochs=5, verbose=0)
"""
NUMPY = """
optimizer = keras.optimizers.Adam(0.01)
bce = keras.losses.BinaryCrossentropy()
for epoch in range(5):
    order = np.random.permutation(len(x))
    batch_losses = []
    for i in range(0, len(x), 32):
        rows = order[i : i + 32]
        with tf.GradientTape() as tape:
            loss = bce(y[rows], net(x[rows], training=True)) + sum(net.losses)
        slopes = tape.gradient(loss, net.trainable_variables)
        optimizer.apply_gradients(zip(slopes, net.trainable_variables))
        batch_losses.append(loss.numpy() * len(rows))
    print(f"epoch {epoch}: loss {sum(batch_losses) / len(x):.6f}")
"""
OWN_FORMULA = """
def own_loss(labels, p):
    p = tf.clip_by_value(p, 1e-7, 1 - 1e-7)
    return -tf.reduce_mean(labels * tf.math.log(p) + (1 - labels) * tf.math.log(1 - p))
"""
CLASS = """
class Own(keras.Model):
    def train_step(self, batch):
        a, b = batch
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=b, y_pred=self(a, training=True))
        slopes = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(slopes, self.trainable_variables))
        self.metrics[0].update_state(loss, sample_weight=tf.shape(a)[0])
        return {"loss": self.metrics[0].result()}


own = Own(net.inputs, net.outputs)
own.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
own.fit(x, y, batch_size=32, epochs=5, verbose=0)
"""
TWO_HEADS = """
inputs = keras.Input((6,))
h = keras.layers.Dense(8, "relu")(inputs)
both = keras.Model(inputs, [keras.layers.Dense(1)(h), keras.layers.Dense(1, "sigmoid")(h)])
optimizer = keras.optimizers.SGD(0.1)
mse, bce = keras.losses.MeanSquaredError(), keras.losses.BinaryCrossentropy()
mean = keras.metrics.Mean()
for epoch in range(4):
    mean.reset_state()
    for i in range(0, 150, 32):
        a, b, c = x[i : i + 32], x[i : i + 32, :1] ** 2, y[i : i + 32]
        with tf.GradientTape() as tape:
            first, second = both(a, training=True)
            loss = mse(b, first) + 0.3 * bce(c, second)
        slopes = tape.gradient(loss, both.trainable_variables)
        optimizer.apply_gradients(zip(slopes, both.trainable_variables))
        mean.update_state(loss, sample_weight=len(a))
    print(epoch, float(mean.result()))
"""
WEIGHTED = edited(
    NUMPY,
    ("for epoch", "w = np.where(y[:, 0] > 0, 3.0, 1.0).astype('float32')\nfor epoch"),
    (
        "bce(y[rows], net(x[rows], training=True))",
        "tf.reduce_mean(keras.losses.binary_crossentropy(y[rows], net(x[rows], training=True)) * w[rows])",
    ),
)
BY_A_GENERATOR = """

def batches():
    while True:
        for i in range(0, 150, 30):
            yield x[i : i + 30], y[i : i + 30]


start = net.get_weights()
net.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
of_fit = net.fit(batches(), steps_per_epoch=5, epochs=5, verbose=0).history["loss"]
net.set_weights(start)
optimizer = keras.optimizers.Adam(0.01)
bce = keras.losses.BinaryCrossentropy()
of_loop = []
for epoch in range(5):
    total = 0.0
    for i in range(0, 150, 30):
        a, b = x[i : i + 30], y[i : i + 30]
        with tf.GradientTape() as tape:
            loss = bce(b, net(a, training=True)) + sum(net.losses)
        slopes = tape.gradient(loss, net.trainable_variables)
        optimizer.apply_gradients(zip(slopes, net.trainable_variables))
        total += float(loss) * len(a)
    of_loop.append(total / 150)
"""
FIT_AFTERWARDS = """
net.set_weights(start)
net.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
net.fit(x, y, batch_size=32, epochs=5, verbose=0)
"""
SCHEDULED = """
start = net.get_weights()
net.compile(keras.optimizers.SGD(0.2), "binary_crossentropy")
halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
net.fit(x, y, batch_size=32, epochs=5, shuffle=False, callbacks=[halve], verbose=0)
net.set_weights(start)
optimizer = keras.optimizers.SGD(0.2)
bce = keras.losses.BinaryCrossentropy()
for epoch in range(5):
    if epoch:
        optimizer.learning_rate = optimizer.learning_rate / 2
    total = 0.0
    for i in range(0, 150, 32):
        a, b = x[i : i + 32], y[i : i + 32]
        with tf.GradientTape() as tape:
            loss = bce(b, net(a, training=True)) + sum(net.losses)
        slopes = tape.gradient(loss, net.trainable_variables)
        optimizer.apply_gradients(zip(slopes, net.trainable_variables))
        total += float(loss) * len(a)
    print("loss", total / 150)
"""
FIT_OF_TWO = """
first = keras.models.clone_model(both)
first.set_weights(both.get_weights())
first.compile(keras.optimizers.SGD(0.1), ["mse", keras.losses.BinaryCrossentropy()], loss_weights=[1, 0.3])
first.fit(x, [x[:, :1] ** 2, y], batch_size=32, epochs=4, shuffle=False, verbose=0)
optimizer = """
RECURRENT = """
text = rng.integers(0, 20, size=(90, 6))
kind = (text[:, :1] > 9).astype("float32")


def reader():
    recurrent = [keras.layers.Embedding(20, 4), keras.layers.GRU(5), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input((6,), dtype="int32"), *recurrent])


one, two = reader(), reader()
two.set_weights(one.get_weights())
two.compile(keras.optimizers.SGD(0.1), "mse")
two.fit(text, kind, batch_size=30, epochs=3, shuffle=False, verbose=0)
optimizer, mse = keras.optimizers.SGD(0.1), keras.losses.MeanSquaredError()
for epoch in range(3):
    losses = []
    for i in range(0, 90, 30):
        with tf.GradientTape() as tape:
            loss = mse(kind[i : i + 30], one(text[i : i + 30], training=True))
        slopes = tape.gradient(loss, one.trainable_variables)
        optimizer.apply_gradients(zip(slopes, one.trainable_variables))
        losses.append(float(loss))
    print("loss", np.mean(losses))
"""
BY_ASSIGNMENT = """
for epoch in range(4):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((y - net(x, training=True)) ** 2)
    for v, slope in zip(net.trainable_variables, tape.gradient(loss, net.trainable_variables)):
        v.assign_sub(0.1 * slope)
    print(f"epoch {epoch} loss {loss.numpy():.6f}")
"""
FINE_TUNED = """
base = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, "tanh")])
whole = keras.Sequential([base, keras.layers.Dense(1, "sigmoid")])
whole.build((None, 6))
bce = keras.losses.BinaryCrossentropy()


def run(rate):
    optimizer = keras.optimizers.SGD(rate)
    for epoch in range(3):
        losses = []
        for i in range(0, 150, 30):
            with tf.GradientTape() as tape:
                loss = bce(y[i : i + 30], whole(x[i : i + 30], training=True))
            slopes = tape.gradient(loss, whole.trainable_variables)
            optimizer.apply_gradients(zip(slopes, whole.trainable_variables))
            losses.append(float(loss))
        print("loss", np.mean(losses))


base.trainable = False
run(0.1)
base.trainable = True
run(0.01)
"""
OWN_SCHEDULE = """
class Down(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.2 / (1.0 + tf.cast(step, "float32"))


optimizer = keras.optimizers.SGD(Down())
"""
FOLDS_WITH_VALIDATION = """
for fold in range(3):
    rest, held = np.arange(len(x)) % 3 != fold, np.arange(len(x)) % 3 == fold
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)])
    optimizer, huber = keras.optimizers.Adam(0.01), keras.losses.Huber(delta=0.2)
    data = tf.data.Dataset.from_tensor_slices((x[rest], y[rest])).shuffle(100).batch(20)
    held_out = tf.data.Dataset.from_tensor_slices((x[held], y[held])).batch(25)
    history = []
    for epoch in range(5):
        losses = []
        for a, b in data:
            with tf.GradientTape() as tape:
                loss = huber(b, model(a, training=True))
            slopes = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(slopes, model.trainable_variables))
            losses.append(float(loss))
        history.append(np.mean(losses))
        print("held out", np.mean([float(huber(b, model(a, training=False))) for a, b in held_out]))
"""
DRAWN = """
optimizer, bce = keras.optimizers.Adam(0.01), keras.losses.BinaryCrossentropy()
for step in range(60):
    rows = np.random.choice(len(x), 32)
    with tf.GradientTape() as tape:
        loss = bce(y[rows], net(x[rows], training=True)) + sum(net.losses)
    slopes = tape.gradient(loss, net.trainable_variables)
    optimizer.apply_gradients(zip(slopes, net.trainable_variables))
"""
TWO_OPTIMIZERS = """
first, second = keras.optimizers.SGD(0.1), keras.optimizers.Adam(0.01)
bce = keras.losses.BinaryCrossentropy()
for epoch in range(4):
    for i in range(0, 150, 50):
        with tf.GradientTape() as tape:
            loss = bce(y[i : i + 50], net(x[i : i + 50], training=True))
        variables = net.trainable_variables
        slopes = tape.gradient(loss, variables)
        first.apply_gradients(zip(slopes[:2], variables[:2]))
        second.apply_gradients(zip(slopes[2:], variables[2:]))
"""
TRIPLETS = """
optimizer = keras.optimizers.SGD(0.1)
for epoch in range(4):
    for i in range(0, 150, 50):
        a, b, c = np.random.permutation(x)[:50], np.random.permutation(x)[:50], x[i : i + 50]
        with tf.GradientTape() as tape:
            near, far = tf.reduce_sum((net(a) - net(b)) ** 2, 1), tf.reduce_sum((net(a) - net(c)) ** 2, 1)
            loss = tf.reduce_mean(tf.maximum(near - far + 0.5, 0.0))
        slopes = tape.gradient(loss, net.trainable_variables)
        optimizer.apply_gradients(zip(slopes, net.trainable_variables))
"""
IN_INPUTS = """
optimizer = keras.optimizers.SGD(0.1)
for epoch in range(4):
    with tf.GradientTape() as tape:
        with tf.GradientTape() as inner:
            points = tf.constant(x)
            inner.watch(points)
            out = net(points)
        slope = inner.gradient(out, points)
        loss = tf.reduce_mean((slope - 1.0) ** 2) + tf.reduce_mean((out - y) ** 2)
    slopes = tape.gradient(loss, net.trainable_variables)
    optimizer.apply_gradients(zip(slopes, net.trainable_variables))
"""
FOLDS = """
for fold in range(2):
    train_rows = np.arange(len(x)) % 2 != fold
    layers = [keras.layers.Dense(4, "relu"), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input((6,)), *layers])
    optimizer, bce = keras.optimizers.SGD(0.1), keras.losses.BinaryCrossentropy()
    x_fold, y_fold = x[train_rows], y[train_rows]
    for epoch in range(4):
        shown = 0.0
        for i in range(0, len(x_fold), 25):
            with tf.GradientTape() as tape:
                loss = bce(y_fold[i : i + 25], model(x_fold[i : i + 25], training=True))
            slopes = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(slopes, model.trainable_variables))
            shown += float(loss) / 3
        print(f"fold {fold}, epoch {epoch}: loss {shown:.6f}")
"""
BUILT_BY_ITS_FIRST_CALL = """
import matplotlib.pyplot as plt


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.drop = keras.layers.Dense(8), keras.layers.Dropout(0.3)
        self.norm, self.out = keras.layers.BatchNormalization(), keras.layers.Dense(1)

    def call(self, rows, training=False):
        return self.out(self.drop(self.norm(self.hidden(rows), training=training), training=training))


def train(net):
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.01, 5, 0.9))
    history = []
    for epoch in range(4):
        losses = []
        for i in range(0, 150, 50):
            with tf.GradientTape() as tape:
                logits = net(x[i : i + 50], training=True)
                rows = tf.nn.sigmoid_cross_entropy_with_logits(labels=y[i : i + 50], logits=logits)
                loss = tf.reduce_mean(rows)
            slopes = tape.gradient(loss, net.trainable_variables)
            optimizer.apply_gradients(zip(slopes, net.trainable_variables))
            losses.append(float(loss))
        history.append(np.mean(losses))
    return history


history = train(Net())
plt.plot(history)
plt.show()
"""
ADDED_UP = """
optimizer, bce = keras.optimizers.SGD(0.1), keras.losses.BinaryCrossentropy()
for epoch in range(4):
    total = 0.0
    for i in range(0, 150, 50):
        sums = [tf.zeros_like(v) for v in net.trainable_variables]
        for j in (i, i + 25):
            with tf.GradientTape() as tape:
                loss = bce(y[j : j + 25], net(x[j : j + 25], training=True)) + sum(net.losses)
            sums = [a + b / 2 for a, b in zip(sums, tape.gradient(loss, net.trainable_variables))]
            total += float(loss) / 6
        optimizer.apply_gradients(zip(sums, net.trainable_variables))
    print(f"loss {total:.6f}")
"""
TWO_INPUTS = """
a, b = keras.Input((4,)), keras.Input((2,))
both = keras.Model([a, b], keras.layers.Dense(1, "sigmoid")(keras.layers.Concatenate()([a, b])))
optimizer, bce = keras.optimizers.SGD(0.1), keras.losses.BinaryCrossentropy()
for epoch in range(4):
    losses = []
    for i in range(0, 150, 50):
        with tf.GradientTape() as tape:
            loss = bce(y[i : i + 50], both([x[i : i + 50, :4], x[i : i + 50, 4:]], training=True))
        slopes = tape.gradient(loss, both.trainable_variables)
        optimizer.apply_gradients(zip(slopes, both.trainable_variables))
        losses.append(float(loss))
    print(f"loss {np.mean(losses):.6f}")
"""
# A second loop on the same network, which adds to the same list and goes on with the same moments.
GOES_ON = """
optimizer, bce = keras.optimizers.Adam(0.01), keras.losses.BinaryCrossentropy()
history = []
for epoch in range(2):
    total = 0.0
    for i in range(0, 150, 50):
        with tf.GradientTape() as tape:
            loss = bce(y[i : i + 50], net(x[i : i + 50], training=True)) + sum(net.losses)
        optimizer.apply_gradients(zip(tape.gradient(loss, net.trainable_variables), net.trainable_variables))
        total += float(loss) / 3
    history.append(total)
for epoch in range(4):
    total = 0.0
    for i in range(0, 150, 25):
        with tf.GradientTape() as tape:
            loss = bce(y[i : i + 25], net(x[i : i + 25], training=True)) + sum(net.losses)
        optimizer.apply_gradients(zip(tape.gradient(loss, net.trainable_variables), net.trainable_variables))
        total += float(loss) / 6
    history.append(total)
"""
# One function, called twice; the second time it trains fewer layers, and on three times the loss.
CALLED_TWICE = """
bce = keras.losses.BinaryCrossentropy()


@tf.function
def step(a, b, optimizer, times):
    with tf.GradientTape() as tape:
        loss = times * (bce(b, net(a, training=True)) + sum(net.losses))
    optimizer.apply_gradients(zip(tape.gradient(loss, net.trainable_variables), net.trainable_variables))
    return loss


def run(epochs, optimizer, times=1.0):
    losses = []
    for epoch in range(epochs):
        total = 0.0
        for i in range(0, 150, 50):
            total += float(step(x[i : i + 50], y[i : i + 50], optimizer, times)) / 3
        losses.append(total)
    return losses


first = run(5, keras.optimizers.SGD(0.1))
net.layers[0].trainable = False
second = run(5, keras.optimizers.SGD(0.05), 3.0)
"""
