# %% [markdown]
# # Lesson 3, step by step: gradient descent on diabetes
#
# Run the cells from top to bottom; change things and run them again. The functions are those of
# `companion.lesson3`: their source is shown here, not copied, so what you read is what runs.

# %%
import inspect

from companion import check_loop, lesson3
from companion.plots import plots
from companion.comparison import Comparison
from companion.precision import precision

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

keras.config.set_floatx("float64")  # as the lesson: then NumPy can be its witness
keras.config.set_dtype_policy("float64")  # the same for layers

# %% [markdown]
# ## What goes in
#
# 576 people, eight measurements of each, scaled so that every column has mean 0 and standard deviation 1.

# %%
x, y = lesson3.load_data()
print("x:", x.shape, " mean of each column:", x.mean(axis=0).round(12) + 0.0)
print("y:", y.shape, f" {y.mean():.1%} with diabetes")

# %%
print(inspect.getsource(lesson3.build_model))

# %% [markdown]
# ## One step, taken apart
#
# First the forward pass: what does the untrained network say, and what does that cost?

# %%
model = lesson3.build_model()
loss_function = keras.losses.BinaryCrossentropy()
with tf.GradientTape() as tape:
    probability = model(x, training=True)
    loss = loss_function(y, probability)
print("answers:", probability.numpy()[:5].ravel().round(3), "...")
print("loss:   ", float(loss), "  ln 2:", np.log(2))

# %% [markdown]
# Then the gradient: one entry a weight, in arrays of the weights' own shapes.

# %%
gradients = tape.gradient(loss, model.trainable_variables)
for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
    print(f"{variable.path:<26} largest of {gradient.numpy().size:>3} entries {np.abs(gradient).max():.4f}")

# %% [markdown]
# **Predict:** the update subtracts 0.1 times the gradient. By how much will the loss fall? (To first order:
# by 0.1 times the squared length of the gradient.)

# %%
squared_length = sum(float(tf.reduce_sum(gradient**2)) for gradient in gradients)
keras.optimizers.SGD(0.1).apply_gradients(zip(gradients, model.trainable_variables, strict=True))
after = float(loss_function(y, model(x)))
print(f"expected fall {0.1 * squared_length:.6f}, measured {float(loss) - after:.6f}")

# %% [markdown]
# ## The loop
#
# The same four lines, 2000 times. This is the function that `python -m companion.lesson3` runs:

# %%
print(inspect.getsource(lesson3.train_by_hand))

# %% [markdown]
# And this is its other half. Lines with the same tag do the same job.

# %%
print(inspect.getsource(lesson3.train_with_fit))

# %%
settings = {"learning_rate": 0.1, "batch_size": len(x), "epochs": 300}
by_hand, fitted = lesson3.build_model(), lesson3.build_model()
histories = {
    "by_hand": lesson3.train_by_hand(by_hand, x, y, **settings),
    "fit": lesson3.train_with_fit(fitted, x, y, **settings),
}
weights = by_hand.get_weights(), fitted.get_weights()
print(Comparison(histories["by_hand"], histories["fit"], *weights, dtype="float64").verdict())

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
plots.draw_histories(left, histories)
plots.draw_differences(right, histories)
plt.show()

# %% [markdown]
# ## Break it
#
# **Predict:** what changes if the loop measures the loss *after* the update? Nothing about the training: the
# weights are the same. But the curve is shifted by an epoch, and it is no longer `.fit`'s.

# %%
shifted = {"by_hand": histories["by_hand"][1:], "fit": histories["fit"][:-1]}
print(Comparison(shifted["by_hand"], shifted["fit"], dtype="float64").verdict())

# %% [markdown]
# ## The learning rate
#
# **Predict** which of these ends lowest, and which one's loss goes up on the way. Then change the rates.

# %%
curves = {}
for rate in (0.01, 0.1, 1.0):
    changed = settings | {"learning_rate": rate}
    curves[f"rate {rate}"] = lesson3.train_by_hand(lesson3.build_model(), x, y, **changed)
figure, axes = plt.subplots(figsize=(7, 4))
plots.draw_curves(axes, curves, "The same network at three learning rates")
plt.show()

# %% [markdown]
# ## What rounding does
#
# Now the same training runs in float32 instead of float64. By hand and `.fit` stay identical.
# **Predict:** how far is the float32 run from the float64 run at rate 0.1? And at rate 1.0, where
# the loss bounces?

# %%
for rate in (0.1, 1.0):
    ends = []
    for dtype in ("float64", "float32"):
        with precision(dtype):
            changed = settings | {"learning_rate": rate, "epochs": 1000}
            ends.append(lesson3.train_by_hand(lesson3.build_model(), x, y, **changed)[-1])
    print(
        f"rate {rate}: {ends[0]:.6f} in float64, {ends[1]:.6f} in float32, {abs(ends[0] - ends[1]):.1e} apart"
    )

# %% [markdown]
# ## Now you
#
# Copy `lessons/lesson3/exercise.py`, fill in `train`, and let
# `python -m companion.check lesson3 exercise.py` compare it with `.fit`. In a notebook a call does the same;
# put your own `train` here:

# %%
print(check_loop(lesson3.train_by_hand, lesson=3, problem="lesson"))

# %%
keras.config.set_floatx("float32")  # as it was
keras.config.set_dtype_policy("float32")
