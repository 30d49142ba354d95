# %% [markdown]
# # Lesson 5, step by step: handwritten digits
#
# Run the cells from top to bottom; change things and run them again. The functions are those of
# `companion.lesson5`: their source is shown here, not copied, so what you read is what runs. To be quick, the
# network is trained on the first 3000 of the 60,000 images; change `ROWS` if you have the time.

# %%
import inspect

from companion import check_loop, lesson5
from companion.plots import panels, plots
from companion.comparison import Comparison
from companion.report.landscape import Survey, look_along, mean_batch_length, step_down
from companion.batches import batches_of_fit
from companion.report.runs import accuracy

import keras
import matplotlib.pyplot as plt
import numpy as np

ROWS = 3000

# %% [markdown]
# ## What goes in
#
# An image is a row of 784 numbers, from 0 (the paper) to 1 (the ink). The network is not trained
# on 2000 of the images; they are kept apart to test it.

# %%
all_x, all_y = lesson5.load_data()
x, y = all_x[:ROWS], all_y[:ROWS]
x_test, y_test = all_x[-2000:], all_y[-2000:]
print("x:", x.shape, x.dtype, " y:", y.shape, y.dtype, y[:10], "...")
figure, axes = plt.subplots(figsize=(7, 2.4))
panels.draw_digits(axes, x[:20].reshape(-1, 28, 28), y[:20], y[:20])
axes.set_title("The first twenty, with their labels")
plt.show()

# %% [markdown]
# **Predict:** two hidden layers of 16, ten answers. How many numbers has the network, and where are most of
# them?

# %%
print(inspect.getsource(lesson5.build_model).split('"""')[-1])
model = lesson5.build_model()
for layer in model.layers:
    print(f"{layer.count_params():>6} =", " + ".join(str(array.shape) for array in layer.get_weights()))
print(f"{model.count_params():>6}")

# %% [markdown]
# ## What the loss says
#
# The network gives ten probabilities. The loss of an image is -ln of the probability of the right
# digit. The other nine do not count.
# **Predict:** what does an untrained network cost? (Which probability would you give each
# digit?)

# %%
loss_function = keras.losses.SparseCategoricalCrossentropy()
probabilities = model(x).numpy()
print("the first image:", probabilities[0].round(2), "it is a", y[0])
print(f"-ln of its {probabilities[0, y[0]]:.4f} is {-np.log(probabilities[0, y[0]]):.4f}")
print(f"mean over all {ROWS}: {float(loss_function(y, probabilities)):.4f}  ln 10: {np.log(10):.4f}")

# %% [markdown]
# ## One parameter
#
# Turn one weight, leave the other 13,001 numbers as they are, and measure the loss. The weight is the one
# along which the loss is steepest. **Predict:** the slope at the start is positive. Which way does the step
# go? How far down does the lowest point of this curve get you?

# %%
survey, start = Survey(model, loss_function, x, y), model.get_weights()
name, line, step = look_along(survey, start, rate=0.1)
print(f"{name}: slope {step['slope']:.4f} by tape, {step['wiggled']:.4f} by wiggling")
print(f"one step: from {step['loss']:.6f} to {step['new_loss']:.6f}")
print(f"lowest on the line: {line['loss'].min():.4f}")
figure, axes = plt.subplots(figsize=(6, 4))
panels.draw_slice(axes, name, line, step)
plt.show()

# %% [markdown]
# ## All of them at once
#
# The gradient has such a slope for each of the 13,002. A first-layer unit has a weight for each pixel, so its
# slopes make an image: where it is purple, raising the weight raises the loss; where it is orange, raising it
# lowers the loss. **Predict:** what is the slope of a weight whose pixel is blank in every image?

# %%
here = survey.place(start)
of_pixels = here.gradient[: 784 * 16].reshape(784, 16)
blank = x.max(axis=0) == 0
print(f"{blank.sum()} of 784 pixels are blank in all {ROWS} images,")
print(f"{(all_x.max(axis=0) == 0).sum()} of them in all {len(all_x)}")
print("largest slope of a weight at a blank pixel:", np.abs(of_pixels[blank]).max())
steepest = np.argsort(-np.abs(of_pixels).max(axis=0))[:4]
figure, places = plt.subplots(1, 4, figsize=(14, 3.6))
for unit, axes in zip(steepest, places, strict=True):
    widest = np.abs(of_pixels).max()
    axes.imshow(of_pixels[:, unit].reshape(28, 28), cmap="PuOr", vmin=-widest, vmax=widest)
    axes.set(title=f"slopes of unit {unit}'s weights", xticks=[], yticks=[])
plt.show()

# %% [markdown]
# A step against the gradient moves each number by rate times slope. To first order, the step
# lowers the loss by the
# rate times the squared length of the gradient. **Predict:** at which of these rates does that promise fail?

# %%
length = np.linalg.norm(here.gradient)
print(f"the gradient is {length:.4f} long, {np.sum(here.gradient == 0)} of its entries are exactly 0")
for rate in (0.01, 0.1, 1.0, 10.0):
    after = survey.loss(step_down(here, rate))
    print(f"rate {rate:<5} promises {-rate * length**2:+.4f}, does {after - here.loss:+.4f}")

# %% [markdown]
# ## The loop
#
# This is the function that `python -m companion.lesson5` runs. The accuracy is new in it. It is
# counted from the same probabilities as the loss. Would the network learn anything different
# without the accuracy?

# %%
print(inspect.getsource(lesson5.train_by_hand))

# %% [markdown]
# And this is its other half. Lines with the same tag do the same job.

# %%
print(inspect.getsource(lesson5.train_with_fit))

# %%
settings = {"learning_rate": 0.1, "batch_size": 32, "epochs": 8}
by_hand, fitted = lesson5.build_model(), lesson5.build_model()
histories = {"by_hand": [], "fit": lesson5.train_with_fit(fitted, x, y, **settings)}
accuracies, kept = {"by_hand": [], "fit": fitted.history.history["accuracy"]}, []
# SGD remembers nothing from step to step: one training can be cut into epochs, to keep the weights of each.
for _ in range(settings["epochs"]):
    histories["by_hand"] += lesson5.train_by_hand(by_hand, x, y, **settings | {"epochs": 1})
    accuracies["by_hand"] += by_hand.accuracies
    kept.append(by_hand.get_weights())
weights = by_hand.get_weights(), fitted.get_weights()
print("loss:    ", Comparison(histories["by_hand"], histories["fit"], *weights, dtype="float32").verdict())
print("accuracy:", Comparison(accuracies["by_hand"], accuracies["fit"], dtype="float32").verdict())
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
plots.draw_histories(left, histories)
panels.draw_accuracies(right, accuracies)
plt.show()

# %% [markdown]
# ## Where has it got to?
#
# **Predict:** the loss of an epoch is measured while the weights move. Do the weights at the end
# of the epoch have a higher loss or a lower one? And is the gradient small at the end of the
# training?

# %%
print("after    reported   loss now   gradient's length")
print(f"start               {here.loss:8.4f}   {length:8.4f}")
for epoch, then in enumerate(kept):
    place, reported = survey.place(then), histories["by_hand"][epoch]
    print(f"epoch {epoch}    {reported:.4f}   {place.loss:8.4f}   {np.linalg.norm(place.gradient):8.4f}")
single = mean_batch_length(by_hand, loss_function, batches_of_fit(x, y, 32, shuffle=False))
print(f"gradients of single batches at the end: {single:.2f} long on average")

# %% [markdown]
# ## What it gets wrong
#
# **Predict:** which digits does it take for which?

# %%
answers = by_hand(x_test).numpy().argmax(axis=1)
known, unknown = accuracy(by_hand, x, y), accuracy(by_hand, x_test, y_test)
print(f"right on {known:.1%} of the images it was trained on, on {unknown:.1%} of the others")
wrong = np.flatnonzero(answers != y_test)[:30]
figure, axes = plt.subplots(figsize=(8, 4))
panels.draw_digits(axes, x_test[wrong].reshape(-1, 28, 28), answers[wrong], y_test[wrong])
axes.set_title("Thirty that it gets wrong")
plt.show()

# %% [markdown]
# ## Break it: ten times the rate
#
# **Predict:** is the training faster at rate 1.0? If the input of a ReLU unit is below 0 for
# every image, the unit answers 0 to all images, and its slope is 0 too. How many such silent
# units does each rate leave? (Rate 0 is the start.)


# %%
def silent_units(model):
    first = model.layers[0](x).numpy()
    second = model.layers[1](first).numpy()
    return [int((units.max(axis=0) == 0).sum()) for units in (first, second)]


for rate in (0.0, 0.01, 0.1, 1.0):
    model = lesson5.build_model()
    losses = lesson5.train_by_hand(model, x, y, **settings | {"learning_rate": rate})
    print(f"rate {rate:<4}: loss {losses[-1]:.4f}, silent: {silent_units(model)} of 16 and 16 units")

# %% [markdown]
# A silent unit has no slope, so it gets no update: it cannot find its way back by itself. A
# silent unit in the second layer can become active again, when the units before it change.
#
# ## Now you
#
# Copy `lessons/lesson5/exercise.py`, fill in `train`, and let
# `python -m companion.check lesson5 exercise.py` compare it with `.fit`. In a notebook a call does the same;
# put your own `train` here:

# %%
print(check_loop(lesson5.train_by_hand, lesson=5, problem="lesson"))
