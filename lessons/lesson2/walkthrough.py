# %% [markdown]
# # Lesson 2, step by step: four pixels, 31 parameters
#
# Run the cells from top to bottom; change things and run them again. The functions are those of
# `companion.lesson2`: their source is shown here, not copied, so what you read is what runs.

# %%
import inspect

from companion import check_loop, lesson2
from companion.plots import panels, plots
from companion.report import landscape
from companion.comparison import Comparison
from companion.report.curves import behavior, steps_up
from companion.report.runs import accuracy

import keras
import matplotlib.pyplot as plt
import numpy as np

keras.config.set_floatx("float64")  # as the lesson: then NumPy can be its witness
keras.config.set_dtype_policy("float64")  # the same for layers

# %% [markdown]
# ## What goes in
#
# One image of four pixels. The target is the image flipped along its diagonal: top right and bottom left
# change places, the other two stay. As a matrix it is the transpose.

# %%
x, y = lesson2.load_data()
print("image:", *x.reshape(2, 2), "flipped:", *y.reshape(2, 2), sep="\n")

# %%
print(inspect.getsource(lesson2.build_model))

# %% [markdown]
# ## The forward pass
#
# **Predict:** the hidden units get about 0, -0.1 and 0.5. What does ReLU leave of that?

# %%
model = lesson2.build_model()
weights = model.get_weights()
into_relu, after_relu, output = lesson2.forward(weights, x)
print("into ReLU: ", into_relu[0])
print("after ReLU:", after_relu[0])
print("output:    ", output[0], " target:", y[0])
print("loss:      ", np.mean((output - y) ** 2))

# %% [markdown]
# ## One entry of the gradient, by wiggling
#
# W1[0,2] is the weight from the first pixel to the third unit; the brackets count from 0. **Predict:** if it
# rises, does the loss rise too?

# %%
above, below = ([array.copy() for array in weights] for _ in range(2))
above[0][0, 2] += lesson2.WIGGLE
below[0][0, 2] -= lesson2.WIGGLE
losses = [lesson2.mean_squared_error(moved, x, y) for moved in (above, below)]
print("loss above and below:", *losses)
print("slope:", (losses[0] - losses[1]) / (2 * lesson2.WIGGLE))

# %% [markdown]
# ## All 31, by the chain rule
#
# One forward pass, one backward pass. Read the lines from the loss back to the inputs.

# %%
print(inspect.getsource(lesson2.by_chain_rule))

# %% [markdown]
# **Predict** the four entries of b2, the slopes along the outputs: twice the error, divided by 4. And how
# many of the 31 bars will be there to be seen?

# %%
ways = {
    "wiggling": lesson2.by_wiggling(weights, x, y),
    "chain rule": lesson2.by_chain_rule(weights, x, y),
    "tape": lesson2.by_tape(model, x, y)(),
}
slopes = {way: landscape.flat(arrays) for way, arrays in ways.items()}
for way, numbers in slopes.items():
    apart = np.abs(numbers - slopes["tape"]).max()
    print(f"{way:<10}  b2: {numbers[-4:].round(6)}  all 31 at most {apart:.1e} from the tape")

figure, axes = plt.subplots(figsize=(9, 4))
panels.draw_gradient(axes, landscape.names_of(weights), slopes["tape"])
plt.show()

# %% [markdown]
# ## One update
#
# Along a single weight the loss is a curve, and its slope at the dot is the weight's entry in the gradient.
# `look_along` takes the weight with the largest entry (no bias). The triangle is where an update at rate 0.1
# leads, if only this weight moves.

# %%
survey = landscape.Survey(model, keras.losses.MeanSquaredError(), x, y)
figure, axes = plt.subplots(figsize=(7, 4))
panels.draw_slice(axes, *landscape.look_along(survey, weights, 0.1))
plt.show()

# %% [markdown]
# On the left the curve is flat: there the third unit is silent, and the weight into it has no effect.
#
# **Predict:** now all 31 move, each by 0.1 times its entry. By how much will the loss fall? (To first
# order: by 0.1 times the squared length of the gradient. But the landscape is curved.)

# %%
place = survey.place(weights)
after = survey.loss(landscape.step_down(place, 0.1))
print(f"promised fall {0.1 * np.sum(place.gradient**2):.4f}, measured {place.loss - after:.4f}")

# %% [markdown]
# ## The loop
#
# The first function is the one that `python -m companion.lesson2` runs. Below it is its other
# half. Lines with the
# same tag do the same job.

# %%
print(inspect.getsource(lesson2.train_by_hand))
print(inspect.getsource(lesson2.train_with_fit))

# %%
settings = {"learning_rate": 0.1, "batch_size": 1, "epochs": 200}
by_hand, fitted = lesson2.build_model(), lesson2.build_model()
histories = {
    "by_hand": lesson2.train_by_hand(by_hand, x, y, **settings),
    "fit": lesson2.train_with_fit(fitted, x, y, **settings),
}
trained = by_hand.get_weights(), fitted.get_weights()
print(Comparison(histories["by_hand"], histories["fit"], *trained, dtype="float64").verdict())

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
plots.draw_histories(left, histories)
plots.draw_differences(right, histories)
plt.show()

# %% [markdown]
# ## The learning rate
#
# **Predict** for each of these rates what the loss does: on the one image, and on all 16 images at once.

# %%
all_x, all_y = lesson2.load_all_images()
figure, places = plt.subplots(1, 2, figsize=(11, 4))
data = {"one image": (x, y), "all 16 images": (all_x, all_y)}
for axes, (title, (inputs, targets)) in zip(places, data.items(), strict=True):
    curves = {}
    for rate in (0.1, 1.0, 4.1):
        changed = settings | {"learning_rate": rate, "batch_size": len(inputs)}
        losses = lesson2.train_by_hand(lesson2.build_model(), inputs, targets, **changed)
        word = behavior(losses[0], losses, updates=len(losses))  # one batch: an epoch is an update
        does = f"{word}, {steps_up(losses)} steps up, ends at {losses[-1]:.3g}"
        print(f"{title}, rate {rate}: {does}")
        curves[f"rate {rate}"] = losses
    plots.draw_curves(axes, curves, title.capitalize())
plt.show()

# %% [markdown]
# ## What has it learned?
#
# The network that was trained on one image has its four pixels right. **Predict:** what does it answer to an
# image on which none of its units is active? And what share of the pixels of all 16 images does it get right?

# %%
w1, b1, w2, b2 = by_hand.get_weights()
active = (lesson2.forward([w1, b1, w2, b2], x)[0] > 1e-6).any()
print("is any unit active on the image it was trained on?", bool(active))
print("b2:    ", b2.round(3))
print("target:", y[0])
print(f"right on {accuracy(by_hand, all_x, all_y):.1%} of the pixels of all 16 images")

# %% [markdown]
# Now you: train a new network on `all_x, all_y`, with more epochs or more hidden units
# (`lesson2.build_model(seed=1, hidden=8)`). How many pixels can it get right?

# %%
on_all = lesson2.build_model()
lesson2.train_by_hand(on_all, all_x, all_y, **settings | {"batch_size": 16})
print(f"right on {accuracy(on_all, all_x, all_y):.1%} of the pixels of all 16 images")

# %% [markdown]
# ## Write the loop
#
# Copy `lessons/lesson2/exercise.py`, fill in `train`, and let
# `python -m companion.check lesson2 exercise.py` compare it with `.fit`. In a notebook a call does the same;
# put your own `train` here:

# %%
print(check_loop(lesson2.train_by_hand, lesson=2, problem="lesson"))

# %%
keras.config.set_floatx("float32")  # as it was
keras.config.set_dtype_policy("float32")
