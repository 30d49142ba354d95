"""The data of the script: what ``train`` takes, and how it becomes batches."""

from collections.abc import Mapping
from typing import Any

from companion.eject.data import ARRAYS, DATASET, GENERATOR, SEQUENCE, Data
from companion.eject.layout import as_targets, in_tuple, indented
from companion.eject.plan import Plan

PLACED = ("x", "y", "batches", "sequence", "generator")  # arguments without their names
KNOWN_ROWS = [
    "# As in .fit, the graph knows the number of rows only if no batch is short.",
    "# This changes the last bits.",
]
READ_AHEAD = "prefetch(tf.data.AUTOTUNE)"


def constants(plan: Plan) -> list[str]:
    """Write the numbers by which data become batches."""
    of, given, data = plan.expressions.of, plan.arguments, plan.data
    lines = []
    if data.kind == ARRAYS:
        lines.append(f"BATCH_SIZE = {data.batch_size}")
    if data.stops_early:
        lines.append(f"STEPS_PER_EPOCH = {data.steps}")
    if data.signature:
        lines += [
            "# Of a batch: .fit learns shapes and types from the first two.",
            f"BATCH = {data.signature}",
        ]
    if plan.validation == "split":
        lines.append(f"VALIDATION_SPLIT = {of(given['validation_split'])}")
    if _is_sized(plan) and plan.held_out is not None:
        lines.append(f"VALIDATION_BATCH_SIZE = {plan.held_out.batch_size}")
    if plan.held_out is not None and plan.held_out.stops_early:
        lines.append(f"VALIDATION_STEPS = {plan.held_out.steps}")
    if plan.held_out is not None and plan.held_out.signature:
        lines.append(f"VALIDATION_BATCH = {plan.held_out.signature}")
    if plan.validation and given.get("validation_freq", 1) != 1:
        lines.append(f"VALIDATION_FREQUENCY = {given['validation_freq']}")
    if given.get("class_weight"):
        lines.append(f"CLASS_WEIGHT = {of(given['class_weight'])}")
    return lines


def functions(plan: Plan) -> list[str]:
    """Write the functions that make batches."""
    kinds = _kinds(plan)
    changes = {**plan.data.changes, **(plan.held_out.changes if plan.held_out else {})}
    lines = []
    if any("as_fit_takes" in change for change in changes.values()):
        lines += [
            "def as_fit_takes(array: Any) -> np.ndarray:",
            '    """Return an array as .fit takes it: floats become Keras\' float type."""',
            "    array = np.asarray(array)",
            "    is_float = np.issubdtype(array.dtype, np.floating)",
            "    return array.astype(keras.config.floatx()) if is_float else array",
            "",
            "",
        ]
    if plan.arguments.get("class_weight"):
        classes = "np.asarray(y).argmax(axis=-1)" if plan.one_hot else "np.round(np.asarray(y)).reshape(-1)"
        lines += [
            "def weights_of(y: Any) -> np.ndarray:",
            '    """Return how much each row counts, by its class."""',
            f"    classes = {classes}",
            "    weights = [CLASS_WEIGHT.get(int(one), 1.0) for one in classes]",
            "    return np.array(weights, keras.config.floatx())",
            "",
            "",
        ]
    if ARRAYS in kinds:
        lines += [*_of_arrays(plan), "", ""]
    if SEQUENCE in kinds:
        lines += [*_of_sequence(plan), "", ""]
    return lines[:-2]


def _kinds(plan: Plan) -> list[str]:
    return [data.kind for data in (plan.data, plan.held_out) if data is not None]


def _shuffles(plan: Plan) -> bool:
    """Return whether the order of arrays, or of a PyDataset's batches, is random."""
    return bool(plan.arguments.get("shuffle", True)) and plan.data.kind in (ARRAYS, SEQUENCE)


def _shares(plan: Plan) -> bool:
    """Return whether training and validation make their batches with one function."""
    return plan.held_out is not None and plan.held_out.kind == plan.data.kind


def _is_sized(plan: Plan) -> bool:
    """Return whether only the validation has arrays, or has batches of another size."""
    if plan.held_out is None or plan.held_out.kind != ARRAYS:
        return False
    return plan.data.kind != ARRAYS or plan.held_out.batch_size != plan.data.batch_size


def _of_arrays(plan: Plan) -> list[str]:
    size = "batch_size" if _is_sized(plan) else "BATCH_SIZE"
    shuffles = _shuffles(plan) and plan.data.kind == ARRAYS
    both = shuffles and _shares(plan)
    more = ", shuffle: bool" if both else ""
    more += ", batch_size: int" if _is_sized(plan) else ""
    nested = any(data is not None and data.nested for data in (plan.data, plan.held_out))
    rows = f"len({'tf.nest.flatten(arrays)[0]' if nested else 'arrays[0]'})"
    if plan.own_train_step and len(plan.data.parts) == 1 and not nested:
        rows = "len(arrays)"
    lines = [
        f"def batches_of(arrays: Any{more}) -> tf.data.Dataset:",
        '    """Return the batches of an epoch."""',
    ]
    if not shuffles:
        return [
            *lines,
            *indented(KNOWN_ROWS),
            f"    whole = {rows} % {size} == 0",
            "    batches = tf.data.Dataset.from_tensor_slices(arrays)",
            f"    return batches.batch({size}, drop_remainder=whole).{READ_AHEAD}",
        ]
    gathered = "tf.nest.map_structure(lambda array: tf.gather(array, batch), arrays)"
    shuffled = "tf.random.shuffle(numbers)"
    return [
        *lines,
        f"    rows = {rows}",
        "    arrays = tf.nest.map_structure(tf.constant, arrays)",
        "",
        "    def order(_):",
        "        # This must be the first random operation: then a seed gives the order of .fit.",
        "        numbers = tf.range(rows, dtype=tf.int64)",
        f"        return {shuffled + ' if shuffle else numbers' if both else shuffled}",
        "",
        "    def rows_of(batch):",
        f"        return {gathered}",
        "",
        "    numbers = tf.data.Dataset.range(1).map(order)",
        "    numbers = numbers.flat_map(tf.data.Dataset.from_tensor_slices)",
        *indented(KNOWN_ROWS),
        f"    numbers = numbers.batch({size}, drop_remainder=rows % {size} == 0)",
        f"    return numbers.map(rows_of).{READ_AHEAD}",
    ]


def _of_sequence(plan: Plan) -> list[str]:
    shares = _shares(plan)
    one = plan.data if plan.data.kind == SEQUENCE else plan.held_out
    assert one is not None
    shuffles = _shuffles(plan) and plan.data.kind == SEQUENCE
    more = ", shuffle: bool" if shares and shuffles else ""
    more += ", signature: Any" if shares else ""
    signature = "signature" if shares else "BATCH" if one is plan.data else "VALIDATION_BATCH"
    numbers = "itertools.count()" if one.batches is None else "range(sequence.num_batches)"
    lines = [
        f"def batches_from(sequence: keras.utils.PyDataset{more}) -> tf.data.Dataset:",
        '    """Return the batches of an epoch."""',
        *(
            [f"    # .fit reads with {one.workers} workers, this with one thread ahead of the steps."]
            * (one.workers > 1)
        ),
        "",
        "    def read():",
    ]
    if not shuffles or one.batches is None:
        lines.append(f"        for number in {numbers}:")
    else:
        lines.append(f"        numbers = list({numbers})")
        if shares:
            lines += ["        if shuffle:", "            random.shuffle(numbers)"]
        else:
            lines += ["        random.shuffle(numbers)"]
        lines.append("        for number in numbers:")
    return [
        *lines,
        f"            yield {one.batch}",
        "",
        f"    batches = tf.data.Dataset.from_generator(read, output_signature={signature})",
        f"    return batches.{READ_AHEAD}",
    ]


def parameters(plan: Plan) -> list[tuple[str, str, str]]:
    """Return what ``train`` takes beside the model: names as in ``.fit``, types, and what is passed."""
    given = getattr(plan.expressions.module, "fit_arguments", {})
    data = plan.data
    own = {
        DATASET: ("batches", "tf.data.Dataset", "batches"),
        SEQUENCE: ("sequence", "keras.utils.PyDataset", "batches"),
        GENERATOR: ("generator", "Iterator[Any]", "batches"),
    }.get(data.kind, ("x", "Any", "x"))
    found = [
        own,
        ("y", "Any", "y") if data.kind == ARRAYS and "y" in data.parts else ("y", "None = None", ""),
    ]
    if "weights" in data.parts and data.kind == ARRAYS and not plan.arguments.get("class_weight"):
        text = _argument(given, "sample_weight") if "weights" not in plan.names else "weights"
        found.append(("sample_weight", "Any = None", text))
    if plan.held_out is not None and plan.validation in ("given", "argument"):
        arrays = plan.held_out.kind == ARRAYS
        text = in_tuple([f"{name}_val" for name in plan.held_out.parts]) if arrays else "validation"
        text = _argument(given, "validation_data") if plan.validation == "argument" else text
        found.append(("validation_data", "Any = None", text))
    if plan.callback_list:
        found.append(("callbacks", "Any", _argument(given, "callbacks")))
    return found


def _argument(given: Mapping[str, Any], name: str) -> str:
    """Write how an argument of ``.fit`` is read from the user's file."""
    return f'fit_arguments["{name}"]{"()" if callable(given.get(name)) else ""}'


def passed_on(plan: Plan) -> str:
    """Write what ``train`` is called with, after the model."""
    return ", ".join(own if name in PLACED else f"{name}={own}" for name, _, own in parameters(plan) if own)


def data_lines(plan: Plan) -> list[str]:
    """Write how what is given becomes batches."""
    lines = []
    if any(name == "sample_weight" for name, _, _ in parameters(plan)):
        lines.append("weights = sample_weight")
    given, given_twice = plan.held_out if plan.validation in ("given", "argument") else None, _shares(plan)
    if given is not None and given.kind == ARRAYS:
        names = [f"{name}_val" for name in given.parts]
        lines.append(f"{as_targets(names) if given.is_tuple else names[0]} = validation_data")
    changes = {**plan.data.changes, **(plan.held_out.changes if plan.held_out else {})}
    if changes:
        lines.append("# As .fit does: floats become Keras' float type.")
        lines += [f"{name} = {change}" for name, change in changes.items()]
    more = ", shuffle=True" if _shuffles(plan) and given_twice else ""
    more_held = ", shuffle=False" if more else ""
    if plan.validation == "split" and plan.held_out is not None:
        held = in_tuple(plan.held_out.parts)
        targets = as_targets(plan.held_out.parts)
        lines += [
            f"rows = int(len({plan.data.counted}) * (1 - VALIDATION_SPLIT))",
            "# The last rows are held out, before anything is shuffled.",
            f"held_out = tf.nest.map_structure(lambda array: array[rows:], {held})",
            f"{targets} = tf.nest.map_structure(lambda array: array[:rows], {held})",
        ]
    if plan.arguments.get("class_weight") and "weights" in plan.data.parts:
        lines.append("weights = weights_of(y)")
    lines += _training(plan, more)
    if plan.validation == "split":
        more_held += ", batch_size=VALIDATION_BATCH_SIZE" if _is_sized(plan) else ""
        lines.append(f"validation = batches_of({'held_out[0]' if _alone(plan) else 'held_out'}{more_held})")
    elif given is not None:
        lines += _validation(plan, given, more_held)
    return lines


def _alone(plan: Plan) -> bool:
    """Return whether a batch goes to the model's own step as one tensor."""
    return plan.own_train_step and len(plan.data.parts) == 1


def _training(plan: Plan, more: str) -> list[str]:
    data = plan.data
    if data.kind == DATASET:
        return []
    if data.kind == GENERATOR:
        return [
            "batches = tf.data.Dataset.from_generator(",
            "    lambda: generator, output_signature=BATCH",
            ")",
            f"batches = batches.{READ_AHEAD}",
        ]
    if data.kind == SEQUENCE:
        more += ", signature=BATCH" if _shares(plan) else ""
        return [*_before_batches(data, "sequence"), f"batches = batches_from(sequence{more})"]
    more += ", batch_size=BATCH_SIZE" if _is_sized(plan) else ""
    return [f"batches = batches_of({'x' if _alone(plan) else in_tuple(data.parts)}{more})"]


def _before_batches(data: Data, name: str) -> list[str]:
    """Write what ``.fit`` does to a PyDataset before it takes a batch."""
    lines = []
    if data.is_random:
        lines += [
            "# As .fit does: it reads the first two batches to learn their shapes. So the",
            "# random numbers of the epoch are those that follow.",
            "for number in (0, 1):",
            f"    {name}[number]",
        ]
    if "on_epoch_end" in data.methods:
        lines += [f"{name}.on_epoch_end()  # .fit calls it before the first epoch too"]
    return lines


def _validation(plan: Plan, data: Data, more: str) -> list[str]:
    if data.kind == DATASET:
        return ["validation = validation_data"]
    if data.kind == SEQUENCE:
        more += ", signature=VALIDATION_BATCH" if _shares(plan) else ""
        return [f"validation = batches_from(validation_data{more})"]
    parts = [f"{name}_val" for name in data.parts]
    more += ", batch_size=VALIDATION_BATCH_SIZE" if _is_sized(plan) else ""
    return [f"validation = batches_of({parts[0] if _alone(plan) else in_tuple(parts)}{more})"]


def passed_to_step(data: Data, whole: bool) -> str:
    """Write what a step is called with."""
    return "batch" if whole or (data.kind != ARRAYS and not data.is_tuple) else "*batch"
