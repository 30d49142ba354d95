"""A few rows of data for each kind of network: what the conformance table trains on."""

from typing import Any

import numpy as np

ROWS = 37  # a prime: no batch size divides it but 1 and 37
WEIGHTS = np.linspace(0.2, 2, ROWS).astype("float32")  # of the rows
XAndY = tuple[Any, Any]


def _draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(ROWS, *shape)).astype("float32")


def rows() -> XAndY:
    """Return 6 numbers a row and a target of 0 or 1, that of a noisy rule."""
    x = _draw(6)
    return x, (x.sum(axis=1, keepdims=True) + 0.5 * _draw(1, seed=1) > 0).astype("float32")


def images() -> XAndY:
    """Return images of 8 by 8 pixels in three colors, from 0 to 1."""
    return 1 / (1 + np.exp(-_draw(8, 8, 3))), rows()[1]


def sequences() -> XAndY:
    """Return 5 steps of 3 numbers, the last steps of some rows all 0."""
    x = _draw(5, 3)
    x[::3, 3:] = 0
    return x, rows()[1]


def films() -> XAndY:
    """Return 3 images of 5 by 5 pixels in one channel, one after the other."""
    return _draw(3, 5, 5, 1), rows()[1]


def tokens() -> XAndY:
    """Return 7 whole numbers from 0 to 10."""
    return np.random.default_rng(0).integers(0, 11, size=(ROWS, 7)), rows()[1]


def choices() -> XAndY:
    """Return the rows of `rows` and one of three answers, one-hot."""
    x = rows()[0]
    return x, np.eye(3, dtype="float32")[x[:, :3].argmax(axis=1)]


def numbered_choices() -> XAndY:
    """Return the same, the answers as numbers."""
    x, y = choices()
    return x, y.argmax(axis=1)


def pairs() -> XAndY:
    """Return two inputs and two targets, each in a list."""
    x, y = rows()
    return [x[:, :4], x[:, 4:]], [y, x[:, :2]]


def named_pairs() -> XAndY:
    """Return the same in dicts."""
    (left, right), (y, more) = pairs()
    return {"left": left, "right": right}, {"answer": y, "more": more}


# Keras' layers that change images at random, each with settings that show on so few pixels.
RANDOM_CHANGES: dict[str, dict[str, Any]] = {
    "RandomFlip": {},
    "RandomRotation": {"factor": 0.2},
    "RandomZoom": {"height_factor": 0.2},
    "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.2},
    "RandomContrast": {"factor": 0.3},
    "RandomBrightness": {"factor": 0.3, "value_range": (0, 1)},
    "RandomColorDegeneration": {"factor": 0.5, "value_range": (0, 1)},
    "RandomColorJitter": {"value_range": (0, 1), "brightness_factor": 0.2},
    "RandomElasticTransform": {"factor": 0.5, "value_range": (0, 1)},
    "RandomErasing": {"value_range": (0, 1)},
    "RandomGaussianBlur": {"factor": 1.0, "value_range": (0, 1)},
    "RandomGrayscale": {"factor": 0.5},
    "RandomHue": {"factor": 0.2, "value_range": (0, 1)},
    "RandomInvert": {"factor": 0.5, "value_range": (0, 1)},
    "RandomPerspective": {"factor": 0.5},
    "RandomPosterization": {"factor": 4, "value_range": (0, 1)},
    "RandomSaturation": {"factor": 0.3, "value_range": (0, 1)},
    "RandomSharpness": {"factor": 0.3, "value_range": (0, 1)},
    "RandomShear": {"x_factor": 0.2, "y_factor": 0.2},
    "AugMix": {"value_range": (0, 1)},
    "RandAugment": {"value_range": (0, 1)},
}
