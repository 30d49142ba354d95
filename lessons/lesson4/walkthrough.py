# %% [markdown]
# # Lesson 4, step by step: the learning-rate dial
#
# Run the cells from top to bottom; change things and run them again. The functions are those of
# `companion.lesson4`: their source is shown here, not copied, so what you read is what runs.

# %%
import inspect

from companion import check_loop, lesson4
from companion.plots import panels, plots
from companion.batches import batches_of_fit, order_of_fit
from companion.comparison import Comparison
from companion.report.curves import behavior, steps_up
from companion.datasets import moons
from companion.report.landscape import flat
from companion.report.lesson4 import SCANNED_RATES
from companion.report.runs import accuracy

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

# %% [markdown]
# ## What goes in
#
# 200 points of two half moons to train on, and 200 others for later. The network has 33 numbers.

# %%
(x, y), (x_test, y_test) = moons()
model = lesson4.build_model()  # sets the seed
print("x:", x.shape, " y:", y.shape, f" {y.mean():.0%} are of class 1")
print("parameters:", model.count_params())
print(inspect.getsource(lesson4.build_model).split('"""')[-1])

# %% [markdown]
# ## The order
#
# `.fit` shuffles, and it starts every epoch's shuffling anew. **Predict:** under a seed, do two epochs have
# the same order? And under another seed?

# %%
for seed in (0, 1):
    keras.utils.set_random_seed(seed)
    first, second = order_of_fit(len(x)), order_of_fit(len(x))
    same = "the same again" if (first == second).all() else "another one"
    print(f"seed {seed}: rows {first[:8]} ..., in the next epoch {same}")

# %% [markdown]
# ## The batches
#
# **Predict:** how many batches does an epoch have, and how many rows has the last?

# %%
model = lesson4.build_model()
batches = list(batches_of_fit(x, y, lesson4.BATCH_SIZE, shuffle=True))
print([len(xb) for xb, yb in batches])

# %% [markdown]
# Each batch gives a gradient of its own. All 200 rows together give another gradient.
# **Predict:** how well do the seven gradients agree with the gradient of all rows, at the start
# and after 200 epochs? (The cosine of the angle between two gradients is 1 if they have the same
# direction. It is 0 if one says nothing about the other, and below 0 if they oppose each other.)

# %%
loss_function = keras.losses.BinaryCrossentropy()


def gradient_of(model, xb, yb):
    with tf.GradientTape() as tape:
        loss = loss_function(yb, model(xb, training=True))
    return flat(tape.gradient(loss, model.trainable_variables))


def cosines(model):
    of_all = gradient_of(model, x, y)
    for xb, yb in batches:
        one = gradient_of(model, xb, yb)
        yield one @ of_all / np.linalg.norm(one) / np.linalg.norm(of_all)


print("at the start:    ", *(f"{cosine:5.2f}" for cosine in cosines(model)))
lesson4.train_by_hand(model, x, y, learning_rate=0.1, batch_size=32, epochs=200)
print("after 200 epochs:", *(f"{cosine:5.2f}" for cosine in cosines(model)))

# %% [markdown]
# At the start nearly every row asks for the same. Later the batches pull in different directions, and each
# update follows one of them. The last batch stands for only 8 rows.
#
# ## The loop
#
# This is the function that `python -m companion.lesson4` runs. Which line keeps the order, and
# which line lets the short batch count for its 8 rows?

# %%
print(inspect.getsource(lesson4.train_by_hand))

# %% [markdown]
# And this is its other half. Lines with the same tag do the same job.

# %%
print(inspect.getsource(lesson4.train_with_fit))

# %%
settings = {"learning_rate": 0.1, "batch_size": 32, "epochs": 200}
by_hand = lesson4.build_model()
histories = {"by_hand": lesson4.train_by_hand(by_hand, x, y, **settings)}
fitted = lesson4.build_model()
histories["fit"] = lesson4.train_with_fit(fitted, x, y, **settings)
weights = by_hand.get_weights(), fitted.get_weights()
print(Comparison(histories["by_hand"], histories["fit"], *weights, dtype="float32").verdict())
print("updates that .fit has made:", int(fitted.optimizer.iterations))
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
plots.draw_histories(left, histories)
plots.draw_differences(right, histories)
plt.show()

# %% [markdown]
# ## A straight line first
#
# The curve falls, stands nearly still, and falls again. **Predict:** what does the boundary look like after
# 10, 60, 120 and 200 epochs? SGD remembers nothing from step to step, so one training can be cut into four.


# %%
def draw_answers(axes, model, title):
    panels.draw_boundary(axes, lambda points: model(points).numpy(), x, y)
    axes.set_title(title)


model, before = lesson4.build_model(), 0
figure, places = plt.subplots(1, 4, figsize=(20, 4.5))
for epoch, axes in zip((10, 60, 120, 200), places, strict=True):
    losses = lesson4.train_by_hand(model, x, y, learning_rate=0.1, batch_size=32, epochs=epoch - before)
    draw_answers(axes, model, f"after {epoch} epochs, loss {losses[-1]:.3f}")
    before = epoch
plt.show()
print("cut into four, the same weights at the end:", np.array_equal(model.get_weights()[0], weights[0][0]))

# %% [markdown]
# What can a straight line do at best? A network without hidden units has no other boundary, and it is quickly
# trained to its end.

# %%
keras.utils.set_random_seed(0)
line = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])
losses = lesson4.train_by_hand(line, x, y, learning_rate=10.0, batch_size=len(x), epochs=1000)
print(
    f"the best straight line costs {losses[-1]:.4f}; with hidden units, epoch 80: {histories['fit'][80]:.4f}"
)

# %% [markdown]
# ## Break it: another order
#
# Now `.fit` trains on the same rows, from the same weights, but with the rows as they stand, not
# shuffled. **Predict:** does the loss of the first epoch change? By how much does the loss of the
# last epoch change?

# %%
model = lesson4.build_model()
model.compile(keras.optimizers.SGD(0.1), keras.losses.BinaryCrossentropy())
unshuffled = batches_of_fit(x, y, 32, shuffle=False)
how = {"steps_per_epoch": len(unshuffled), "epochs": 200, "shuffle": False, "verbose": 0}
as_they_stand = model.fit(unshuffled.repeat(), **how).history["loss"]
names = ("shuffled", "as they stand")
print(Comparison(histories["fit"], as_they_stand, names=names, dtype="float32").verdict())
print(f"it ends at {as_they_stand[-1]:.4f}, shuffled at {histories['fit'][-1]:.4f}")

# %% [markdown]
# The difference in the first epoch is too small to see in a picture. A loop that feeds another
# order is close to `.fit`, but it is another training.
#
# ## The dial
#
# **Predict** for each rate what the loss does, and which network is best on the points it has not seen. (The
# words have a rule each: it stands below the table of `python -m companion.lesson4`.)

# %%
curves, trained = {}, {}
print("rate     final loss  steps up  what it does   loss and accuracy on test points")
for rate in SCANNED_RATES:
    model = trained[rate] = lesson4.build_model()
    changed = settings | {"learning_rate": rate}
    start_loss = float(loss_function(y, model(x)))  # before any update
    history = curves[f"rate {rate}"] = lesson4.train_by_hand(model, x, y, **changed)
    word = behavior(start_loss, history, updates=7 * len(history))
    test_loss = float(loss_function(y_test, model(x_test)))
    print(
        f"{rate:<7} {history[-1]:>11.4f} {steps_up(history):>9}  {word:<12}"
        f"{test_loss:>10.4f} {accuracy(model, x_test, y_test):.3f}"
    )

# %%
figure, places = plt.subplots(1, 4, figsize=(22, 4.5))
plots.draw_curves(places[0], curves, "The same network at six learning rates")
for rate, axes in zip((1.0, 10.0, 100.0), places[1:], strict=True):
    draw_answers(axes, trained[rate], f"rate {rate}")
plt.show()

# %% [markdown]
# At rate 10 the network is surer than it should be: there are hardly any colors between the two
# extremes. This lowers the loss of the points that it knows, and raises the loss of the others.
#
# ## Break it, then mend it
#
# We train for 60 epochs at rate 0.1, for ten at rate 100, and then for 200 at rate 0.1.
# **Predict:** does the loss come back to where it was?
# What has happened to the hidden units?

# %%
model = lesson4.build_model()
for rate, epochs in ((0.1, 60), (100.0, 10), (0.1, 200)):
    losses = lesson4.train_by_hand(model, x, y, learning_rate=rate, batch_size=32, epochs=epochs)
    outputs = np.abs(model.layers[0](x))
    print(
        f"{epochs:>3} epochs at rate {rate:<5}: loss {losses[-1]:8.4f}, "
        f"{np.mean(outputs > 0.999):.0%} of the hidden outputs within 0.001 of -1 or 1"
    )

# %% [markdown]
# There tanh is flat. Its slope is nearly 0, so the gradient of the weights before it is nearly 0
# too.
#
# ## Fewer updates, longer steps
#
# **Predict:** all 200 rows in one batch make one update instead of seven. Can a rate that is
# seven times as large make up for this? And a rate that is seventy times as large?

# %%
for batch_size, rate in ((32, 0.1), (200, 0.1), (200, 0.7), (200, 7.0)):
    changed = {"learning_rate": rate, "batch_size": batch_size, "epochs": 200}
    losses = lesson4.train_by_hand(lesson4.build_model(), x, y, **changed)
    print(f"batches of {batch_size:>3}, rate {rate}: {losses[-1]:.4f}, {steps_up(losses)} steps up")

# %% [markdown]
# ## Now you
#
# Copy `lessons/lesson4/exercise.py`, fill in `train`, and let
# `python -m companion.check lesson4 exercise.py` compare it with `.fit`. In a notebook a call does the same;
# put your own `train` here:

# %%
print(check_loop(lesson4.train_by_hand, lesson=4, problem="lesson"))
