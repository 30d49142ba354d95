"""The network of a user's file, trained by ``.fit``: in one go, in two parts, or twice in one process."""

import argparse
import contextlib
import functools
import hashlib
import random
import re
from collections import deque
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from companion.compare.model_file import call_of_fit, load_model_file, told_in_one_line
from companion.comparison.training import RecordCalls, Training, variables_of, variables_of_attributes
from companion.errors import UserError
from companion.fit.keras_private import same_names, strategy_of, train_validation_split
from companion.fit.pipeline import Pipeline
from companion.fit.unsupported import refuse_what_fit_refuses

LONGEST = 40  # characters of what a callback remembers
LONGEST_ERROR = 350
OF_EVERY_CALLBACK = tuple(vars(keras.callbacks.Callback()))
NO_MEMORY = ("params", "min_delta")  # given by .fit; a setting whose sign Keras turns when .fit begins
SHUFFLES = "Python's random (by which Keras shuffles a PyDataset)"
PIPELINE = ("sample_weight", "batch_size", "steps_per_epoch", "class_weight")


class TrainingOfFile:
    """Trains the network of a user's file.

    Parameters
    ----------
    options : Namespace
        With `file`, `epochs`, `batch_size`, `seed`, `at` (where the first part ends) and `saved` (the
        file for the model between the parts).
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        module: Any = load_model_file(options.file)
        module.load_data = functools.cache(module.load_data)
        self.module = module

    def all(self) -> tuple[Training, dict[str, Any]]:
        """Train all epochs in one go; look at what is there when epoch `at` begins."""
        with self._seeded():
            return self._fit(self._build())

    def first(self) -> tuple[Training, dict[str, Any]]:
        """Train the epochs before `at`, and save the model."""
        with self._seeded():
            result = self._fit(self._build(), epochs=self.options.at)
        try:
            result[0].model.save(self.options.saved)
        except Exception as error:  # whatever the user's classes raise
            told = f"{type(error).__name__}: {_both_ends(str(error))}"
            raise UserError(f"{self.options.file}: the model cannot be saved: {told}") from None
        return result

    def rest(self) -> tuple[Training, dict[str, Any]]:
        """Load what `first` has saved, and train the other epochs."""
        own = {name: thing for name, thing in vars(self.module).items() if callable(thing)}
        strategy = strategy_of(self._build())
        with self._seeded(), strategy.scope() if strategy else contextlib.nullcontext():
            try:
                model = keras.models.load_model(self.options.saved, custom_objects=own)
            except Exception as error:  # whatever the user's classes raise
                told = f"{type(error).__name__}: {_both_ends(str(error))}"
                raise UserError(
                    f"{self.options.file}: the model can be saved, but not loaded: {told}"
                ) from None
            if not model.compiled or getattr(model, "optimizer", None) is None:
                told = "load_model does not compile the model: get_compile_config() must return how it was"
                raise UserError(f"{self.options.file}: {told}")
            return self._fit(model, initial_epoch=self.options.at)

    def twice(self) -> tuple[Training, dict[str, Any]]:
        """Train twice in this process, and return the second training."""
        self.all()
        self.module.load_data.cache_clear()
        keras.utils.clear_session()
        return self.all()

    def batches(self) -> tuple[list[list[str]], list[str]]:
        """Return a fingerprint of each batch from the first epoch to epoch `at`, and of each to validate on.

        Nothing is trained.
        """
        with self._seeded():
            model = self._build()
            x, y, arguments = call_of_fit(self.module, self.options)
            own = {name: value for name, value in arguments.items() if name in PIPELINE}
            to_validate = arguments.get("validation_data")
            if arguments.get("validation_split") and to_validate is None:
                (x, y, own["sample_weight"]), to_validate = train_validation_split(
                    (x, y, own.get("sample_weight")), validation_split=arguments["validation_split"]
                )
            strategy = strategy_of(model)
            pipeline = Pipeline(x, y, shuffle=arguments.get("shuffle", True), strategy=strategy, **own)
            pipeline.reset()
            epochs = [
                _fingerprints_of_batches(pipeline)
                for _ in range(arguments.get("initial_epoch", 0), self.options.at + 1)
            ]
            if to_validate is None:
                return epochs, []
            size = arguments.get("validation_batch_size") or own.get("batch_size")
            validation = Pipeline(
                *keras.utils.unpack_x_y_sample_weight(to_validate),
                batch_size=size, steps_per_epoch=arguments.get("validation_steps"), strategy=strategy,
            )  # fmt: skip
            validation.reset()
            return epochs, _fingerprints_of_batches(validation)

    def _build(self) -> keras.Model:
        with told_in_one_line(self.options.file):
            model = self.module.build_model()
            refuse_what_fit_refuses(model)
            return model

    def _seeded(self) -> Any:
        keras.utils.set_random_seed(self.options.seed)
        return same_names()

    def _fit(self, model: keras.Model, **limits: int) -> tuple[Training, dict[str, Any]]:
        with told_in_one_line(self.options.file):
            x, y, arguments = call_of_fit(self.module, self.options)
            _refuse_epoch(self.options.at, arguments)
            plain = {name: value for name, value in arguments.items() if isinstance(value, int | float | str)}
            own = keras.tree.flatten(arguments.get("callbacks") or [])
            calls, moment = RecordCalls(), _Moment(self.options.at, own)
            initial = variables_of(model)
            settings = {"verbose": 0, **arguments, **limits, "callbacks": [*own, calls, moment]}
            history = model.fit(x, y, **settings)
        training = Training(model, initial, history.history, variables_of(model), calls.calls, calls.seconds)
        return training, {"at": moment.found, "arguments": plain}


def _refuse_epoch(at: int | None, arguments: dict[str, Any]) -> None:
    """Refuse to resume a training where it begins or after its end."""
    first, epochs = arguments.get("initial_epoch", 0) + 1, arguments["epochs"]
    if at is None or first <= at < epochs:
        return
    allowed = (
        f"name one from {first} to {epochs - 1}" if first < epochs else f"give --epochs {first + 1} or more"
    )
    raise UserError(f"--resume-at {at}: the training ends with epoch {epochs - 1}, so {allowed}")


class _Moment(keras.callbacks.Callback):
    """Writes down what a training needs in order to go on, when an epoch begins."""

    def __init__(self, at: int | None, others: list[Any]) -> None:
        super().__init__()
        self._at, self._others = at, others
        self._drawn: dict[str, str] = {}
        self.found: dict[str, Any] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        self._drawn = _random_states()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch != self._at or self.found:
            return
        model = self.model
        of_fit = getattr(model, "optimizer", None)
        optimizer = list(of_fit.variables) if of_fit is not None else []
        seeds = [variable for variable in model.variables if "seed_generator" in variable.path]
        known = {id(variable) for variable in seeds}
        weights = [variable for variable in model.variables if id(variable) not in known]
        rate = getattr(of_fit, "learning_rate", None)
        rate = rate() if callable(rate) else rate
        now = _random_states()
        self.found = {
            "weights": _fingerprints(_with_paths(weights)),
            "optimizer": _fingerprints(_with_paths(optimizer)),
            "others": _fingerprints(variables_of_attributes(model)),
            "seeds": _fingerprints(_with_paths(seeds)),
            "settings": _settings_of(model),
            "rate": None if rate is None else float(keras.ops.convert_to_numpy(rate)),
            "callbacks": {f"{type(one).__name__} {n}": _memory_of(one) for n, one in enumerate(self._others)},
            "drawn": [name for name in now if now[name] != self._drawn[name]],
        }


def _fingerprints_of_batches(pipeline: Pipeline) -> list[str]:
    """Return a fingerprint of each batch of an epoch."""
    found = []
    with pipeline.until_data_end():
        for *_, iterator in pipeline.epoch():
            found.append(_fingerprint(keras.tree.flatten(next(iterator))))
    return found


def _with_paths(variables: Sequence[Any]) -> list[tuple[str, Any]]:
    return [(getattr(one, "path", getattr(one, "name", "")), one) for one in variables]


def _fingerprints(variables: Sequence[tuple[str, Any]]) -> list[tuple[str, str]]:
    return [(name, _fingerprint([keras.ops.convert_to_numpy(one)])) for name, one in variables]


def _settings_of(model: keras.Model) -> dict[str, str]:
    """Return the plain attributes of a model, its layers, losses, metrics and optimizer, by name."""
    parts: list[Any] = [model]
    for part in parts:  # which grows
        parts += [layer for layer in getattr(part, "layers", []) if all(layer is not one for one in parts)]
    parts += [
        *keras.tree.flatten(getattr(model, "loss", None)),
        *model.metrics,
        getattr(model, "optimizer", None),
    ]
    plain = (bool, int, float, str)
    return {
        f"{number} {type(part).__name__}.{name}": repr(value)
        for number, part in enumerate(parts)
        for name, value in getattr(part, "__dict__", {}).items()
        if isinstance(value, plain) and not name.startswith("_") and name not in ("name", "built")
    }


def _both_ends(text: str) -> str:
    """Shorten an error in its middle: the reason may stand at either end."""
    text = re.sub(r"\blearner_(?=\w)", "", " ".join(text.split()))
    return text if len(text) <= LONGEST_ERROR else f"{text[:100]} ... {text[100 - LONGEST_ERROR :]}"


def _memory_of(callback: Any) -> dict[str, tuple[str, str]]:
    """Return what a callback remembers, by name: a short text, and a fingerprint of the whole."""
    kinds = (bool, int, float, str, list, tuple, set, dict, deque, np.ndarray, np.generic, type(None))
    of_keras = type(callback).__module__.startswith("keras.")
    found = {}
    for name, value in vars(callback).items():
        hidden = name.startswith("_") and (of_keras or name in OF_EVERY_CALLBACK)
        if isinstance(value, kinds) and not hidden and name not in NO_MEMORY:
            text = re.sub(r" at 0x[0-9a-f]+", "", repr(value))  # an address says nothing
            short = " ".join(text.split())
            print_of = _fingerprint([value]) if isinstance(value, np.ndarray) else text
            found[name] = (short if len(short) <= LONGEST else f"{short[:LONGEST]}...", print_of)
    return found


def _random_states() -> dict[str, str]:
    _, keys, *position = np.random.get_state()
    return {
        "numpy.random": _fingerprint([np.asarray(keys), np.asarray(position)]),
        SHUFFLES: hashlib.sha1(repr(random.getstate()).encode()).hexdigest(),
    }


def _fingerprint(parts: list[Any]) -> str:
    digest = hashlib.sha1()
    # Values by replica and sparse tensors consist of tensors.
    for part in tf.nest.flatten(parts, expand_composites=True):
        array = np.asarray(part)
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(repr(array.tolist()).encode() if array.dtype == object else array.tobytes())
    return digest.hexdigest()
