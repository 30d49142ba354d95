"""Files of a user with a network and data, as `companion.compare` takes them."""

MODEL = """
import keras
import numpy as np

x = np.random.default_rng(0).normal(size=(40, 3))
y = x.sum(axis=1) > 0

def load_data():
    return {data}

def build_model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.2), keras.layers.Dense(1, "sigmoid")])
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return model
"""
FOUR = "x[:30], y[:30], x[30:], y[30:]"
ANEW = MODEL.format(data="x, y") + "fit_arguments = {'epochs': 4}\n"
