"""The format in which a run comes out of the sandbox: numbers in JSON, arrays as their bytes.

What comes in was written next to a stranger's code, so everything in it is checked. Nothing of it
is ever executed or unpickled.
"""

import json
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from companion.diagnosis.recording import Event, Forward, Gradient, Place, ReadyMade, Recording, Update
from companion.loop_run import Run

MAGIC = b"companion run 1\n"
MOST_HEADER = 8 << 20  # bytes
MOST_EVENTS = 20_000  # and of those that the run by ``.fit`` has, so many times as many:
TIMES_AS_MANY = 60
MOST_TARGET = 1 << 16  # numbers in what a tape differentiates
LONGEST_TEXT = 200
_LENGTH = struct.Struct(">Q")


def encode(run: Run) -> bytes:
    """Write a run.

    Parameters
    ----------
    run : Run
        Of a submission.

    Returns
    -------
    bytes
    """
    arrays: list[np.ndarray] = []

    def state(values: Sequence[np.ndarray]) -> list[int]:
        arrays.extend(values)
        return [len(arrays) - len(values), len(values)]

    def values(found: Sequence[np.ndarray | None]) -> list[int | None]:
        return [None if value is None else state([value])[0] for value in found]

    def event(one: Event) -> dict[str, Any]:
        place = None if one.place is None else [one.place.file, one.place.line]
        content: dict[str, Any]
        match one:
            case Forward(rows, training, before, tapes):
                numbers = None if rows is None else [int(row) for row in rows]
                content = {"rows": numbers, "training": training, "state": state(before), "tapes": tapes}
            case Gradient(target, found, asked, tape, before):
                content = {"target": state([target])[0], "values": values(found), "asked": asked}
                content |= {"tape": tape, "state": state(before)}
            case Update(before, after, gradients, optimizer, settings, assigned):
                content = {"before": state(before), "after": state(after), "optimizer": optimizer}
                content |= {"gradients": None if gradients is None else values(gradients)}
                content |= {
                    "settings": _plain(settings),
                    "assigned": [list(pair) for pair in assigned.items()],
                }
            case ReadyMade(name):
                content = {"name": name}
        return content | {"kind": type(one).__name__, "place": place}

    header: dict[str, Any] = {"history": run.history, "end": state(run.end)}
    header |= {"told": run.told, "fits": run.fits}
    header["report"] = None if run.report is None else [run.report.file, run.report.line]
    recording = run.recording
    if recording is not None:
        header["recording"] = {
            "start": state(recording.start), "end": state(recording.end), "history": recording.history,
            "own_tapes": recording.own_tapes, "graphs": recording.graphs, "compiled": recording.compiled,
            "fits": recording.fits,
            "other_model": recording.other_model, "events": [event(one) for one in recording.events],
        }  # fmt: skip
    header["arrays"] = [[array.dtype.str, array.shape] for array in arrays]
    text = json.dumps(header).encode()
    return MAGIC + _LENGTH.pack(len(text)) + text + b"".join(array.tobytes() for array in arrays)


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Make numbers and short texts of what an optimizer says of itself."""
    config = settings.get("config")
    made = {key: _short(value) for key, value in settings.items() if key != "config"}
    if isinstance(config, dict):
        made["config"] = {str(key): _short(value) for key, value in config.items()}
    return made


def _short(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)[:LONGEST_TEXT]


class WireError(ValueError):
    """The bytes are not a run as `encode` writes it."""


def decode(data: bytes, like: Recording, rows: int) -> Run:
    """Read a run, and refuse whatever `encode` would not have written.

    Parameters
    ----------
    data : bytes
        From the sandbox.
    like : Recording
        Of the same network by ``.fit``: gives names, shapes and dtypes of the variables.
    rows : int
        How many the data have.

    Returns
    -------
    Run

    Raises
    ------
    WireError
        Saying what is wrong.
    """
    try:
        return _Reader(data, like, rows).run()
    except WireError:
        raise
    except (
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        OverflowError,
        RecursionError,
        struct.error,
    ) as error:
        raise WireError(f"{type(error).__name__}: {str(error)[:LONGEST_TEXT]}") from None


class _Reader:
    """Takes apart one message."""

    def __init__(self, data: bytes, like: Recording, rows: int) -> None:
        self.like, self.rows = like, rows
        head = len(MAGIC) + _LENGTH.size
        _must(data.startswith(MAGIC) and len(data) >= head, "it does not begin as it must")
        (length,) = _LENGTH.unpack(data[len(MAGIC) : head])
        _must(length <= min(MOST_HEADER, len(data) - head), "its header is too long")
        self.header = _dict(json.loads(data[head : head + length].decode()))
        self.arrays = self.read_arrays(memoryview(data)[head + length :])

    def read_arrays(self, rest: memoryview) -> list[np.ndarray]:
        arrays, at = [], 0
        known = {value.dtype.str: value.dtype for value in self.like.start} | {"<f4": np.dtype("<f4")}
        known["<f8"] = np.dtype("<f8")
        for kind, shape in _list(self.header["arrays"], 100 * MOST_EVENTS):
            _must(kind in known, "an array is of a type that no variable has")
            dtype, size = known[kind], 1
            for length in _list(shape, 8):
                size *= _int(length, 1 << 32)
                _must(size <= len(rest), "an array is longer than the message")
            _must(at + size * dtype.itemsize <= len(rest), "an array is longer than the message")
            arrays.append(np.frombuffer(rest, dtype, size, at).reshape(shape))
            at += size * dtype.itemsize
        _must(at == len(rest), "something follows the last array")
        return arrays

    def run(self) -> Run:
        header = self.header
        recording = self.recording(_dict(header["recording"])) if "recording" in header else None
        end = self.state(header["end"], self.like.start)
        told, fits = _text(header["told"]), _int(header["fits"], MOST_EVENTS)
        return Run(_floats(header["history"]), end, recording, told, fits, _place(header["report"]))

    def recording(self, content: dict) -> Recording:
        most = TIMES_AS_MANY * len(self.like.events)
        kinds: dict[str, Callable[[dict], Event]] = {"Forward": self.forward, "Gradient": self.gradient}
        kinds |= {"Update": self.update, "ReadyMade": self.ready_made}
        like = self.like
        return Recording(
            like.variables,
            like.trainable,
            self.state(content["start"], like.start),
            self.state(content["end"], like.start),
            [kinds[one["kind"]](_dict(one)) for one in _list(content["events"], most)],
            _ints(content["own_tapes"]),
            _int(content["graphs"], MOST_EVENTS),
            _bool(content["compiled"]),
            _int(content["fits"], MOST_EVENTS),
            _bool(content["other_model"]),
            _floats(content["history"]),
        )

    def state(self, where: Any, like: Sequence[np.ndarray]) -> list[np.ndarray]:
        first, count = _list(where, 2)
        _must(_int(count, MOST_EVENTS) == len(like), "a state has too few or too many variables")
        found = [self.arrays[_int(first, len(self.arrays)) + n] for n in range(count)]
        for mine, its in zip(found, like, strict=True):
            fits = mine.shape == its.shape and mine.dtype == its.dtype
            _must(fits, "a variable has another shape or type than the network's")
        return found

    def values(self, where: Any) -> list[np.ndarray | None]:
        like = self.like.trained(self.like.start)
        _must(len(_list(where, len(like))) == len(like), "there is not a gradient for each variable")
        pairs = zip(where, like, strict=True)
        return [None if one is None else self.state([one, 1], [its])[0] for one, its in pairs]

    def forward(self, one: dict) -> Forward:
        given = one["rows"]
        rows = None if given is None else np.array(_ints(_list(given, 4 * self.rows)), dtype="int64")
        _must(rows is None or bool(len(rows) and rows.max() < self.rows), "there is no such row")
        training = None if one["training"] is None else _bool(one["training"])
        before = self.state(one["state"], self.like.start)
        return Forward(rows, training, before, tuple(_ints(one["tapes"])), _place(one["place"]))

    def gradient(self, one: dict) -> Gradient:
        target = self.arrays[_int(one["target"], len(self.arrays))]
        _must(target.size <= MOST_TARGET and target.dtype.kind == "f", "what is differentiated is no loss")
        asked = _ints(one["asked"])
        _must(all(number < len(self.like.trainable) for number in asked), "no such variable")
        before = self.state(one["state"], self.like.start)
        tape = _int(one["tape"], MOST_EVENTS)
        return Gradient(target, self.values(one["values"]), asked, tape, before, _place(one["place"]))

    def update(self, one: dict) -> Update:
        like = self.like.trained(self.like.start)
        gradients = None if one["gradients"] is None else self.values(one["gradients"])
        optimizer = None if one["optimizer"] is None else _int(one["optimizer"], MOST_EVENTS)
        settings = _settings(one["settings"])
        _must(optimizer is None or bool(settings), "an optimizer has no settings")
        assigned = {
            _int(n, len(like) - 1): _int(times, MOST_EVENTS) for n, times in _list(one["assigned"], 999)
        }
        before, after = self.state(one["before"], like), self.state(one["after"], like)
        return Update(before, after, gradients, optimizer, settings, assigned, _place(one["place"]))

    def ready_made(self, one: dict) -> ReadyMade:
        return ReadyMade(_text(one["name"]), _place(one["place"]))


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise WireError(otherwise)


def _dict(value: Any) -> dict:
    _must(isinstance(value, dict), "there is no object where there must be one")
    return value


def _list(value: Any, most: int) -> list:
    _must(isinstance(value, list) and len(value) <= most, "there is no list, or too long a one")
    return value


def _int(value: Any, most: int) -> int:
    _must(type(value) is int and 0 <= value <= most, "there is no whole number, or too large a one")
    return value


def _ints(values: Any) -> list[int]:
    return [_int(value, 1 << 32) for value in _list(values, MOST_TARGET)]


def _bool(value: Any) -> bool:
    _must(isinstance(value, bool), "there is neither true nor false")
    return value


def _float(value: Any) -> float:
    _must(type(value) in (int, float), "there is no number")
    return float(value)


def _floats(values: Any) -> list[float]:
    return [_float(value) for value in _list(values, MOST_TARGET)]


def _text(value: Any) -> str:
    _must(isinstance(value, str), "there is no text")
    return value[:LONGEST_TEXT]


def _place(value: Any) -> Place | None:
    if value is None:
        return None
    file, line = _list(value, 2)
    return Place(_text(file), _int(line, 1 << 24))


def _settings(value: Any) -> dict[str, Any]:
    """Read what an optimizer says of itself."""
    if not _dict(value):
        return {}
    config = {_text(key): _scalar(one) for key, one in _dict(value["config"]).items()}
    _must(len(config) <= 100, "an optimizer has too many settings")
    rate = _float(value["learning_rate"])
    return {"class_name": _text(value["class_name"]), "learning_rate": rate, "config": config}


def _scalar(value: Any) -> Any:
    if isinstance(value, int):
        _must(abs(value) < 1 << 63, "a whole number is too large")
    if value is None or isinstance(value, bool | int | float):
        return value
    return _text(value)
