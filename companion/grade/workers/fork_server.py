"""The process that imports TensorFlow once and runs nothing with it: it makes all others by forking.

Started as ``python -m companion.grade.workers.fork_server FD``, it reads requests from that socket. Each
request comes with a connection for the new process: a runner, for one submission, or a judge, for as long
as the stream stays open. The server ends with the process that started it, and so do its children.
"""

import base64
import gc
import importlib
import inspect
import json
import os
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import keras
import tensorflow as tf

import companion
from companion import loop
from companion.check.learner.lines import is_copied_from
from companion.check.problems import first_row
from companion.datasets import keep_in_memory
from companion.grade.sandbox import inside, layers, runner
from companion.grade.sandbox.limits import Limits
from companion.grade.sandbox.probe import probe
from companion.grade.workers import judge_server
from companion.grade.workers.channel import receive, send
from companion.terminal.lesson_list import LESSONS, course_file

# What submissions import, and what TensorFlow and Keras import only when first used.
OFTEN_USED = ("pandas", "sklearn.model_selection", "matplotlib.pyplot", "tensorflow.python.ops.while_v2")


def main(control: int) -> None:
    """Serve until the other end of the socket is closed."""
    get_ready()
    folder = tempfile.mkdtemp(prefix="companion-grade-")
    os.chmod(folder, 0o711)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no process has to be waited for
    try:
        with socket.socket(fileno=control) as wishes:
            number = os.getpid()  # so that two graders on one machine do not share users
            wishes.send(b"ready")
            while True:
                wish, streams, _, _ = socket.recv_fds(wishes, 1 << 16, 1)
                if not wish:
                    return
                number += 1
                if os.fork() == 0:
                    wishes.close()
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    _serve(json.loads(wish)["what"], streams[0], number, folder)
                os.close(streams[0])
    finally:
        runner.remove(folder)


def get_ready() -> None:
    """Import all that is needed, so that what is forked need not; run nothing, since threads do not fork."""
    for name in OFTEN_USED:
        importlib.import_module(name)
    for name in companion.__all__:
        getattr(companion, name)  # imports it
    for number in range(1, len(LESSONS) + 1):
        first_row(number)
    keep_in_memory()
    is_copied_from(*ready_made_loops())
    layers.get_ready()
    tf.config.threading.set_inter_op_parallelism_threads(1)  # for networks as small as these
    tf.config.threading.set_intra_op_parallelism_threads(1)
    # Graphs are made once and run nine times here, which is no reason to optimize them.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    # A submission's traceback is cut to its own lines anyway; filtering costs at every call.
    tf.debugging.disable_traceback_filtering()
    keras.config.disable_traceback_filtering()
    gc.collect()
    gc.freeze()  # memory that gc never visits is never copied


def ready_made_loops() -> list[Path]:
    """Return the files with loops that are nobody's own: those of Keras and of the course."""
    modules = loop, *(importlib.import_module(f"companion.{name}") for name in LESSONS)
    of_keras = Path(inspect.getfile(keras.Model.train_step))
    return [of_keras, *(Path(str(module.__file__)) for module in modules), course_file("right_loop.py")]


def _serve(what: str, stream: int, number: int, folder: str) -> None:
    """Do what was wanted, in this process, and end it."""
    layers.die_with_parent()
    status = 1
    try:
        with Connection(stream) as connection:
            if what == "judge":
                judge_server.serve(connection)
            else:
                watch_one(connection, number, folder)
        status = 0
    except BrokenPipeError:  # the other side has been ended
        pass
    except BaseException:
        if os.path.isdir(folder):  # else the grader has ended, and removed it
            traceback.print_exc()
    finally:
        os._exit(status)


def watch_one(connection: Connection, number: int, folder: str) -> None:
    """Run one submission: read what to run, run it, tell how it ended."""
    message = receive(connection)
    if message is None:
        return
    content, _ = message
    files = {name: base64.b64decode(text) for name, text in content["files"].items()}
    limits = Limits(**content["limits"])
    ending = runner.run(files, limits, number, main_of(content), folder, content["layers"])
    told = {key: value for key, value in vars(ending).items() if key != "result"}
    send(connection, told, ending.result)


def main_of(content: dict) -> Callable[[], None]:
    """Return what is to be run in the sandbox: a submission, or the probe."""
    if content["file"] is None:
        return lambda: probe(content["outside"])
    task, seconds = inside.Task(**content["task"]), content["limits"]["seconds"]
    return lambda: inside.main(content["file"], task, seconds, content["calls"], content["how"])


if __name__ == "__main__":
    main(int(sys.argv[1]))
