"""A row of the conformance table: a network, how it is compiled, how ``.fit`` is called."""

import itertools
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from companion.comparison.fit_comparison import FitComparison
from companion.comparison.with_fit import compare_with_fit
from companion.conformance.networks import NETWORKS
from companion.conformance.small_data import ROWS
from companion.terminal.quiet_start import expect_retracing

EXECUTIONS: dict[str, dict[str, Any]] = {
    "graph": {},
    "run_eagerly": {"run_eagerly": True},
    "jit_compile": {"jit_compile": True},
    "steps_per_execution": {"steps_per_execution": 3},
}
MULTIPLE = ("two inputs and outputs", "inputs and outputs by name")
STATEFUL = "LSTM, stateful"
WITHOUT_METRICS = (*MULTIPLE, "own step, two optimizers")
LOSSES: dict[str, Any] = {
    "three answers": "categorical_crossentropy",
    "three answers, numbered": "sparse_categorical_crossentropy",
    **{network: {"answer": "binary_crossentropy", "more": "mse"} for network in MULTIPLE},
}


@dataclass(frozen=True)
class Combination:
    """A network, how it is compiled, and how it is trained.

    Attributes
    ----------
    group : str
        The list it comes from.
    name : str
        What sets it apart in that list.
    network : str
        A key of `NETWORKS`.
    compiled : mapping
        Functions that make the arguments of ``compile``, since optimizers and metrics cannot be shared.
    arguments : mapping
        Of ``.fit``.
    data : callable, optional
        Makes ``(x, y)`` from the network's own; None for these as they are.
    callbacks : callable, optional
        Makes callbacks, which may write into the folder it is given.
    """

    group: str
    name: str
    network: str = "batch normalization"
    compiled: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    data: Callable[[Any, Any], tuple[Any, Any]] | None = None
    callbacks: Callable[[Path], list[keras.callbacks.Callback]] | None = None

    def build_model(self) -> keras.Model:
        """Make the network and compile it."""
        model = NETWORKS[self.network][0]()
        usual = {
            "optimizer": "adam",
            "loss": LOSSES.get(self.network, "binary_crossentropy"),
            "metrics": None if self.network in WITHOUT_METRICS else ["accuracy"],
        }
        own = {name: value() if callable(value) else value for name, value in self.compiled.items()}
        model.compile(**{**usual, **own})
        return model

    def load_data(self) -> tuple[Any, Any]:
        """Make what it trains on."""
        x, y = NETWORKS[self.network][1]()
        return self.data(x, y) if self.data is not None else (x, y)

    @property
    def title(self) -> str:
        """The whole row in words."""
        return f"{self.group}: {self.network}, {self.name}"

    def compare(self) -> FitComparison:
        """Train both ways, and compare."""
        arguments = {"epochs": 3, **self.arguments}
        with tempfile.TemporaryDirectory() as folder, expect_retracing(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of data that end or are not shuffled, as these rows have them
            if self.callbacks is not None:
                make, training = self.callbacks, itertools.count()
                arguments["callbacks"] = lambda: make(_new(Path(folder) / str(next(training))))
            return compare_with_fit(self.build_model, *self.load_data(), **arguments)


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def networks() -> Iterator[Combination]:
    """List each network, run in each way."""
    for network in NETWORKS:
        for execution, compiled in EXECUTIONS.items():
            if network == "RandomElasticTransform" and execution == "jit_compile":
                continue  # XLA cannot compile it: .fit fails too
            arguments = {"batch_size": 1 if network == STATEFUL else 8, "validation_split": 0.2}
            yield Combination("networks", execution, network, compiled, arguments)
        if network != STATEFUL:
            yield Combination("networks", "one batch, graph", network, {}, {"batch_size": ROWS})
