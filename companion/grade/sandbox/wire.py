"""The format in which a run comes out of the sandbox: numbers in JSON, arrays as their bytes.

What comes in was written next to a stranger's code, so everything in it is checked. Nothing of it
is ever executed or unpickled.
"""

import json
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from companion.check.recording.events import Event, Forward, Gradient, ReadyMade, Recording, Update
from companion.check.run import LoopRun
from companion.grade.sandbox.wire_values import (
    LONGEST_TEXT,
    WireError,
    a_bool,
    a_list,
    a_place,
    a_text,
    an_int,
    an_object,
    floats,
    ints,
    must,
    optimizer_settings,
)

MAGIC = b"companion run 1\n"
MOST_HEADER = 8 << 20  # bytes
MOST_EVENTS = 20_000  # or this many times the events in the run of ``.fit``:
TIMES_AS_MANY = 60
MOST_LEFT_OUT = 5  # sentences on the file
MOST_TARGET = 1 << 16  # numbers in what a tape differentiates
_LENGTH = struct.Struct(">Q")


def encode(run: LoopRun) -> bytes:
    """Write a run."""
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
            case Update(before, after, gradients, optimizer, settings, assigned, _, made):
                line = None if made is None else [made.file, made.line]
                content = {"before": state(before), "after": state(after), "optimizer": optimizer}
                content |= {"gradients": None if gradients is None else values(gradients)}
                content |= {
                    "settings": _plain(settings),
                    "assigned": [list(pair) for pair in assigned.items()],
                    "made": line,
                }
            case ReadyMade(name):
                content = {"name": name}
        return content | {"kind": type(one).__name__, "place": place}

    header: dict[str, Any] = {"history": run.history, "end": state(run.end)}
    header |= {"told": run.told, "fits": run.fits, "left_out": run.left_out[:MOST_LEFT_OUT]}
    header["returned"] = run.returned[:LONGEST_TEXT]
    header["report"] = None if run.report is None else [run.report.file, run.report.line]
    recording = run.recording
    if recording is not None:
        header["recording"] = {
            "start": state(recording.start), "end": state(recording.end), "history": recording.history,
            "own_tapes": recording.own_tapes, "graphs": recording.graphs, "foreign": recording.foreign,
            "compiled": recording.compiled,
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


def decode(data: bytes, like: Recording, rows: int) -> LoopRun:
    """Read a run, and refuse whatever `encode` would not have written."""
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
        must(data.startswith(MAGIC) and len(data) >= head, "it does not begin as it must")
        (length,) = _LENGTH.unpack(data[len(MAGIC) : head])
        must(length <= min(MOST_HEADER, len(data) - head), "its header is too long")
        self.header = an_object(json.loads(data[head : head + length].decode()))
        self.arrays = self.read_arrays(memoryview(data)[head + length :])

    def read_arrays(self, rest: memoryview) -> list[np.ndarray]:
        arrays, at = [], 0
        known = {value.dtype.str: value.dtype for value in self.like.start} | {"<f4": np.dtype("<f4")}
        known["<f8"] = np.dtype("<f8")
        for kind, shape in a_list(self.header["arrays"], 100 * MOST_EVENTS):
            must(kind in known, "an array is of a type that no variable has")
            dtype, size = known[kind], 1
            for length in a_list(shape, 8):
                size *= an_int(length, 1 << 32)
                must(size <= len(rest), "an array is longer than the message")
            must(at + size * dtype.itemsize <= len(rest), "an array is longer than the message")
            arrays.append(np.frombuffer(rest, dtype, size, at).reshape(shape))
            at += size * dtype.itemsize
        must(at == len(rest), "something follows the last array")
        return arrays

    def run(self) -> LoopRun:
        header = self.header
        recording = self.recording(an_object(header["recording"])) if "recording" in header else None
        end = self.state(header["end"], self.like.start)
        told, fits = a_text(header["told"]), an_int(header["fits"], MOST_EVENTS)
        left_out = [a_text(one) for one in a_list(header["left_out"], MOST_LEFT_OUT)]
        report = a_place(header["report"])
        returned = a_text(header["returned"])
        return LoopRun(floats(header["history"]), end, recording, told, fits, report, left_out, returned)

    def recording(self, content: dict) -> Recording:
        most = TIMES_AS_MANY * len(self.like.events) or MOST_EVENTS  # if this is the reference itself
        kinds: dict[str, Callable[[dict], Event]] = {"Forward": self.forward, "Gradient": self.gradient}
        kinds |= {"Update": self.update, "ReadyMade": self.ready_made}
        like = self.like
        return Recording(
            like.variables,
            like.trainable,
            self.state(content["start"], like.start),
            self.state(content["end"], like.start),
            [kinds[one["kind"]](an_object(one)) for one in a_list(content["events"], most)],
            ints(content["own_tapes"]),
            an_int(content["graphs"], MOST_EVENTS),
            an_int(content["foreign"], MOST_EVENTS),
            a_bool(content["compiled"]),
            an_int(content["fits"], MOST_EVENTS),
            a_bool(content["other_model"]),
            floats(content["history"]),
        )

    def state(self, where: Any, like: Sequence[np.ndarray]) -> list[np.ndarray]:
        first, count = a_list(where, 2)
        must(an_int(count, MOST_EVENTS) == len(like), "a state has too few or too many variables")
        found = [self.arrays[an_int(first, len(self.arrays)) + n] for n in range(count)]
        for mine, its in zip(found, like, strict=True):
            fits = mine.shape == its.shape and mine.dtype == its.dtype
            must(fits, "a variable differs in shape or type from the network's")
        return found

    def values(self, where: Any) -> list[np.ndarray | None]:
        like = self.like.trained(self.like.start)
        must(len(a_list(where, len(like))) == len(like), "there are too few or too many gradients")
        pairs = zip(where, like, strict=True)
        return [None if one is None else self.state([one, 1], [its])[0] for one, its in pairs]

    def forward(self, one: dict) -> Forward:
        given = one["rows"]
        rows = None if given is None else np.array(ints(a_list(given, 4 * self.rows)), dtype="int64")
        must(rows is None or bool(len(rows) and rows.max() < self.rows), "there is no such row")
        training = None if one["training"] is None else a_bool(one["training"])
        before = self.state(one["state"], self.like.start)
        return Forward(rows, training, before, tuple(ints(one["tapes"])), a_place(one["place"]))

    def gradient(self, one: dict) -> Gradient:
        target = self.arrays[an_int(one["target"], len(self.arrays))]
        must(target.size <= MOST_TARGET and target.dtype.kind == "f", "what is differentiated is not a loss")
        asked = ints(one["asked"])
        must(all(number < len(self.like.trainable) for number in asked), "no such variable")
        before = self.state(one["state"], self.like.start)
        tape = an_int(one["tape"], MOST_EVENTS)
        return Gradient(target, self.values(one["values"]), asked, tape, before, a_place(one["place"]))

    def update(self, one: dict) -> Update:
        like = self.like.trained(self.like.start)
        gradients = None if one["gradients"] is None else self.values(one["gradients"])
        optimizer = None if one["optimizer"] is None else an_int(one["optimizer"], MOST_EVENTS)
        settings = optimizer_settings(one["settings"])
        must(optimizer is None or bool(settings), "an optimizer has no settings")
        assigned = {
            an_int(n, len(like) - 1): an_int(times, MOST_EVENTS) for n, times in a_list(one["assigned"], 999)
        }
        before, after = self.state(one["before"], like), self.state(one["after"], like)
        return Update(
            before,
            after,
            gradients,
            optimizer,
            settings,
            assigned,
            *map(a_place, (one["place"], one["made"])),
        )

    def ready_made(self, one: dict) -> ReadyMade:
        return ReadyMade(a_text(one["name"]), a_place(one["place"]))
