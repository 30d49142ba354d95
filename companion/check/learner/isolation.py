"""What a learner's run could change around it, and how it is put back."""

import contextlib
import os
import random
import sys
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context  # the only way to the state of the eager generator

from companion.fit.keras_private import global_seed, same_names


@contextlib.contextmanager
def unchanged() -> Iterator[None]:
    """Put back, after the ``with`` block and after an exception in it, what a training changes for all.

    These are the seeds and generators of Python, NumPy, TensorFlow and Keras, Keras' float type,
    epsilon, image format and counters of names, NumPy's error handling, the current folder, whether
    functions run eagerly, and the folders that modules are looked for in.
    """
    eager = context.context()
    of_tensorflow = eager._seed, getattr(eager, "_rng", None)
    of_python, of_numpy = random.getstate(), np.random.get_state()
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    epsilon, image_format = keras.config.epsilon(), keras.config.image_data_format()
    errors, folder = np.geterr(), os.getcwd()
    eagerly, folders = tf.config.functions_run_eagerly(), list(sys.path)
    with same_names(), global_seed():
        try:
            yield
        finally:
            sys.path[:] = folders
            tf.config.run_functions_eagerly(eagerly)
            keras.config.set_floatx(floatx)
            keras.config.set_dtype_policy(policy)
            keras.config.set_epsilon(epsilon)
            keras.config.set_image_data_format(image_format)
            np.seterr(**errors)
            os.chdir(folder)
            np.random.set_state(of_numpy)
            random.setstate(of_python)
            eager._seed, eager._rng = of_tensorflow
