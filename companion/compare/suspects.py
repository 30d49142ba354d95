"""What can make two equal trainings differ, and how each of these suspects is turned off.

This is done before the user's file runs, so that whatever it imports or calls is already replaced.
"""

import copy
import functools
import inspect
import random
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Suspect:
    """Something that can change from one training to the next.

    Attributes
    ----------
    name : str
        A word for it.
    what : str
        What it is.
    cure : str
        What to do about it.
    everywhere : bool
        Whether it is always there; otherwise only where a training has come across it.
    off_with : tuple of str
        The suspects whose switches turn this one off, too.
    """

    name: str
    what: str
    cure: str
    everywhere: bool = False
    off_with: tuple[str, ...] = ()


SEED_NAMES = ("seed", "a", "x", "entropy")  # of the argument, in numpy.random and random
GENERATORS = ("RandomState", "PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64", "SeedSequence")
SEED, UNSEEDED, HASHES = "seed", "unseeded", "hashes"
XLA, PARALLEL, ORDER, AHEAD, THREADS = "xla", "parallel", "order", "ahead", "threads"
# In the order in which they are tried: the first that explains a difference is blamed. THREADS is last, for
# its switch turns off others too.
SUSPECTS = (
    Suspect(
        SEED,
        "random numbers that are drawn while your file is imported, before the seed is set",
        "Call keras.utils.set_random_seed at the top of your file, or draw them in load_data().",
        everywhere=True,
    ),
    Suspect(
        UNSEEDED,
        "a generator of random numbers without a seed, such as numpy.random.default_rng()",
        "Give it a seed.",
    ),
    Suspect(
        HASHES,
        "the order of a set, or hash() of a text, which depend on Python's hash seed",
        "Sort what comes out of a set, take zlib.crc32 for hash(), or start Python with PYTHONHASHSEED=0.",
        everywhere=True,
    ),
    Suspect(
        XLA,
        "random operations of TensorFlow under XLA, which ignore the seed",
        "Compile with jit_compile=False, or use keras.random and the layers of Keras.",
    ),
    Suspect(
        ORDER,
        "a Dataset with deterministic=False, whose threads deliver the rows in any order",
        "Leave out deterministic=False.",
        off_with=(PARALLEL, THREADS),
    ),
    Suspect(
        PARALLEL,
        "random operations in a map or interleave with num_parallel_calls: threads draw in any order",
        "Leave out num_parallel_calls, use tf.random.stateless_... with a seed for each row, or put random "
        "layers into the model.",
        off_with=(THREADS,),
    ),
    Suspect(
        AHEAD,
        "data that a thread reads ahead: a generator or a PyDataset that changes meanwhile",
        "Let a batch depend only on its number, or leave out prefetch and workers.",
        off_with=(THREADS,),
    ),
    Suspect(
        THREADS,
        "the threads of an operation, which add up numbers in any order",
        "Call tf.config.experimental.enable_op_determinism() before the training.",
        everywhere=True,
    ),
)


def watch_for(off: Collection[str], seed: int) -> set[str]:
    """Watch out for the suspects in this process, and turn some of them off.

    Parameters
    ----------
    off : collection of str
        The names of those that are turned off; `HASHES` only by the environment of the process.
    seed : int
        The seed for a generator that has none.

    Returns
    -------
    set of str
        The names of those that the training comes across; it grows while the training runs.
    """
    import keras
    import tensorflow as tf

    from companion.check.recording.patches import definer

    seen = {one.name for one in SUSPECTS if one.everywhere}
    if SEED in off:
        keras.utils.set_random_seed(seed)
    if THREADS in off:
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.threading.set_intra_op_parallelism_threads(1)
    watch = functools.partial(_watch, seen, off)
    _seeds(watch, seed)
    _data(watch, seen, off)

    def compiled(original: Callable, model: Any, *args: Any, **settings: Any) -> Any:
        original(model, *args, **settings)
        if model.jit_compile and not model.run_eagerly:
            seen.add(XLA)
            if XLA in off:
                model.jit_compile = False

    # In the class that defines it: load_model does not compile a model whose class has its own `compile`.
    _replace(definer(keras.Model, "compile"), "compile", compiled)
    return seen


def _watch(seen: set[str], off: Collection[str], name: str) -> bool:
    """Note that a suspect is there; return whether it is turned off."""
    seen.add(name)
    return name in off


def _replace(owner: Any, name: str, wrapper: Callable) -> None:
    """Replace a function or method by `wrapper`, whose first argument is the original."""
    setattr(owner, name, _bound(getattr(owner, name), wrapper))


def _bound(original: Callable, wrapper: Callable) -> Callable:
    @functools.wraps(original)
    def replaced(*args: Any, **kwargs: Any) -> Any:
        return wrapper(original, *args, **kwargs)

    return replaced


def _seeds(watch: Callable[[str], bool], seed: int) -> None:
    """Replace what makes generators of random numbers, where it is called without a seed."""
    import numpy as np
    import tensorflow as tf

    def seeded(original: Callable, *given: Any, **named: Any) -> Any:
        seeds = [*given[:1], *(named[name] for name in named if name in SEED_NAMES)]
        if all(one is None for one in seeds) and watch(UNSEEDED):
            return original(seed)
        return original(*given, **named)

    for owner, name in ((np.random, "default_rng"), (np.random, "seed"), (random, "seed")):
        _replace(owner, name, seeded)

    for owner, name in (*((np.random, name) for name in GENERATORS), (random, "Random")):
        kind: Any = getattr(owner, name)

        def make(self: Any, *given: Any, kind: Any = kind, **named: Any) -> None:
            seeded(functools.partial(kind.__init__, self), *given, **named)

        # Libraries ask isinstance() of the global generator, which the old class made.
        def is_one(_: type, one: Any, kind: Any = kind) -> bool:
            return isinstance(one, kind)

        meta = type("Kind", (type(kind),), {"__instancecheck__": is_one})
        setattr(owner, name, meta(name, (kind,), {"__init__": make, "__module__": kind.__module__}))

    def from_state(original: Callable, *args: Any, **kwargs: Any) -> Any:
        if watch(UNSEEDED):
            return tf.random.Generator.from_seed(seed)
        return original(*args, **kwargs)

    _replace(tf.random.Generator, "from_non_deterministic_state", from_state)


def _data(watch: Callable[[str], bool], seen: set[str], off: Collection[str]) -> None:
    """Replace what reads data in threads."""
    import keras
    import tensorflow as tf

    def in_threads(original: Callable, *args: Any, **kwargs: Any) -> Any:
        given = inspect.signature(original).bind(*args, **kwargs).arguments
        if not sys._getframe(2).f_globals.get("__name__", "").startswith("keras."):
            maps = "map_func" in given and given.get("num_parallel_calls") is not None
            if given.get("deterministic") is False and watch(ORDER):
                given["deterministic"] = True
            if maps and watch(PARALLEL):
                del given["num_parallel_calls"]
                given.pop("deterministic", None)
        return original(**given)

    for name in ("map", "interleave", "batch", "padded_batch"):
        _replace(tf.data.Dataset, name, in_threads)

    def with_options(original: Callable, dataset: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        if options.deterministic is False and watch(ORDER):
            options = copy.deepcopy(options)
            options.deterministic = True
        return original(dataset, options, *args, **kwargs)

    _replace(tf.data.Dataset, "with_options", with_options)

    def prefetched(original: Callable, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return dataset if AHEAD in off else original(dataset, *args, **kwargs)

    def generated(original: Callable, *args: Any, **kwargs: Any) -> Any:
        dataset = original(*args, **kwargs)
        if watch(AHEAD):
            options = tf.data.Options()
            options.experimental_optimization.inject_prefetch = False  # else TensorFlow adds one
            dataset = dataset.with_options(options)
        return dataset

    _replace(tf.data.Dataset, "prefetch", prefetched)
    tf.data.Dataset.from_generator = staticmethod(_bound(tf.data.Dataset.from_generator, generated))
    workers = keras.utils.PyDataset.workers

    def fewer(sequence: Any) -> int:
        return 1 if AHEAD in off else workers.fget(sequence)

    keras.utils.PyDataset.workers = property(fewer, workers.fset)
