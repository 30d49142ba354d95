# %% [markdown]
# # Lesson 1, step by step: one neuron, pass or fail
#
# Run the cells from top to bottom; change things and run them again. The functions are those of
# `companion.lesson1`: their source is shown here, not copied, so what you read is what runs.

# %%
import inspect

from companion import check_loop, lesson1
from companion.plots import panels, plots
from companion.report import gap, landscape, lesson1 as report
from companion.comparison import Comparison

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

keras.config.set_floatx("float64")  # as the lesson: then NumPy can be its witness
keras.config.set_dtype_policy("float64")  # the same for layers

# %% [markdown]
# ## What goes in
#
# Four students: hours of study, hours of sleep, and whether they passed.

# %%
x, y = lesson1.load_data()
for (study, sleep), passed in zip(x, y[:, 0], strict=True):
    print(f"{study:.0f} h of study, {sleep:.0f} h of sleep: {'passed' if passed else 'failed'}")

# %%
print(inspect.getsource(lesson1.build_model))

# %% [markdown]
# ## One step, taken apart
#
# First the forward pass. **Predict:** the bias is 0, and study has the larger weight, the only positive one.
# Whom will the neuron let pass?

# %%
model = lesson1.build_model()
weights, bias = model.get_weights()
z = x @ weights + bias
p = 1 / (1 + np.exp(-z))
costs = -np.where(y == 1, np.log(p), np.log(1 - p))
print("weights:", weights[:, 0].round(4), " bias:", bias[0])
print("z:      ", z[:, 0].round(4))
print("p:      ", p[:, 0].round(4), " one half or more: pass")
print("costs:  ", costs[:, 0].round(4), " their mean, the loss:", costs.mean().round(4))

# %% [markdown]
# Then comes the gradient. Along *z* the slope is `p - y`. Multiply it by the hours, and you get
# the slope along a weight.
#
# **Predict** its sign for each student: would a larger *z* make the loss larger or smaller?

# %%
error = p - y
by_hand = (x.T @ error / len(x)).ravel(), error.mean(axis=0)
loss_function = keras.losses.BinaryCrossentropy()
with tf.GradientTape() as tape:
    loss = loss_function(y, model(x, training=True))
by_tape = tape.gradient(loss, model.trainable_variables)
print("p - y:             ", error[:, 0].round(4))
print("slopes by hand:    ", *by_hand)
print("slopes by the tape:", *(slope.numpy().ravel() for slope in by_tape))

# %% [markdown]
# This picture shows the loss as a landscape, along the steepest of the weights: W1[1,0], the
# weight of sleep. The dashed line has the
# slope computed above. The triangle is where an update at rate 0.1 leads, if only this weight moves.

# %%
survey = landscape.Survey(model, loss_function, x, y)
figure, axes = plt.subplots(figsize=(7, 4))
panels.draw_slice(axes, *landscape.look_along(survey, model.get_weights(), 0.1))
plt.show()

# %% [markdown]
# **Predict:** now all three numbers move, each by 0.1 times its slope. By how much will the loss fall? (To
# first order: by 0.1 times the squared length of the gradient. But the landscape is curved.)

# %%
squared_length = sum(float(tf.reduce_sum(slope**2)) for slope in by_tape)
keras.optimizers.SGD(0.1).apply_gradients(zip(by_tape, model.trainable_variables, strict=True))
after = float(loss_function(y, model(x)))
print(f"promised fall {0.1 * squared_length:.4f}, measured {float(loss) - after:.4f}")

# %% [markdown]
# ## The loop
#
# The loop does the same 2000 times. The first function is the one that
# `python -m companion.lesson1` runs. Below it is its other half.
# Lines with the same tag do the same job.

# %%
print(inspect.getsource(lesson1.train_by_hand))
print(inspect.getsource(lesson1.train_with_fit))

# %%
settings = {"learning_rate": 0.1, "batch_size": len(x), "epochs": 2000}
looped, fitted = lesson1.build_model(), lesson1.build_model()
histories = {
    "by_hand": lesson1.train_by_hand(looped, x, y, **settings),
    "fit": lesson1.train_with_fit(fitted, x, y, **settings),
}
trained = looped.get_weights(), fitted.get_weights()
print(Comparison(histories["by_hand"], histories["fit"], *trained, dtype="float64").verdict())

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
plots.draw_histories(left, histories)
plots.draw_differences(right, histories)
plt.show()

# %% [markdown]
# What has it learned? On the black line the neuron answers one half: *z* is 0 there. **Predict:**
# where is this line before the training, when all four pass? And where is it after the training?
# (Class 1 means passed.)

# %%
figure, places = plt.subplots(1, 2, figsize=(11, 4))
for axes, network, when in zip(places, (lesson1.build_model(), looped), ("before", "after"), strict=True):
    panels.draw_boundary(axes, lambda points, network=network: network(points).numpy(), x, y)
    axes.set(title=f"{when.capitalize()} the training", xlabel="hours of study", ylabel="hours of sleep")
plt.show()

# %% [markdown]
# ## A `.fit` call that leaves things unsaid
#
# The page's call gives the optimizer's name, the loss, the epochs and a batch size of 2. Keras decides
# the rest. This is what the loop trains with, and what the call does:

# %%
loop_call = {
    "initial weights": "the page's",
    "learning rate": 0.1,
    "order": "as given",
    "batch size": 4,
    "precision": "float64",
    "clipping": "1e-9 in log",
}
for name, value in loop_call.items():
    print(f"{name:<16} loop: {value!s:<12} .fit: {report.FIT_CALL[name]}")

# %% [markdown]
# Now the call is changed into the loop, one thing after the other. **Predict:** will every change bring the
# losses nearer to the loop's? Then change the order of `loop_call` above, and run both cells again.

# %%
loop_losses = histories["by_hand"][:100]
call = dict(report.FIT_CALL)
for name in (None, *loop_call):
    if name is not None:
        call[name] = loop_call[name]
    run = gap.train_as(call, report.BY_HAND, lesson1.build_model, (x, y), seed=0, epochs=100)
    apart = Comparison(loop_losses, run.history).max_abs_diff
    print(f"{f'and {name}' if name else 'as it stands':<20} {apart:.2g} apart")

# %% [markdown]
# ## How many rows per update
#
# **Predict:** which batch size has the lowest loss after 100 epochs, and which has made the most updates?

# %%
curves = {}
for size in report.BATCH_SIZES:
    changed = settings | {"batch_size": size, "epochs": 100}
    curves[f"batch size {size}"] = lesson1.train_by_hand(lesson1.build_model(), x, y, **changed)
figure, axes = plt.subplots(figsize=(7, 4))
plots.draw_curves(axes, curves, "Batch, mini-batch, one example")
plt.show()

# %% [markdown]
# ## Now you
#
# Copy `lessons/lesson1/exercise.py`, fill in `train`, and let
# `python -m companion.check lesson1 exercise.py` compare it with `.fit`. In a notebook a call does the same.
# Put your own `train` in the place of the lesson's loop. The lesson's loop is close, but not
# identical: it reports the page's loss, with the 1e-9, and this `.fit` reports the loss of Keras.

# %%
print(check_loop(lesson1.train_by_hand, lesson=1, problem="lesson"))

# %%
keras.config.set_floatx("float32")  # as it was
keras.config.set_dtype_policy("float32")
