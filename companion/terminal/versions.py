"""The versions that decide the bits."""

import platform

import keras
import numpy as np
import tensorflow as tf

import companion


def versions() -> dict[str, str]:
    """Return the versions of all that decides the bits, as every JSON has them."""
    return {
        "companion": companion.__version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }
