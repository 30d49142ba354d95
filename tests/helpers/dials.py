"""Small dials of lesson 4 for the tests, and waiting for the second process of one."""

import time

from companion import lesson4
from companion.live.dial import Dial

X, Y = lesson4.load_data()


def make_dial(**changes):
    settings = {"seed": 0, "hidden": 8, "batch_size": 32, "epochs": 30, "rate": 0.1} | changes
    return Dial(lesson4.build_model, X, Y, **settings)


def wait_for_fit(dial, seconds=60):
    end = time.monotonic() + seconds
    while dial.fit is None and time.monotonic() < end:
        dial.ask_worker()
        time.sleep(0.02)
    return dial.fit
