"""Does a saved and resumed training end like one without a break? If not: what is lost?"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from companion.compare.own_process import ALL, BATCHES, FIRST, REST, ProcessError, trained, words_of
from companion.comparison.fit_comparison import FEW, FitComparison
from companion.comparison.training import epochs_of
from companion.errors import UserError
from companion.terminal.console import Report

NAMES = ("in two parts", "in one go")
ORDER = "the order of the rows, and what is drawn for them"


@dataclass(frozen=True)
class State:
    """Something that a training needs in order to go on.

    Attributes
    ----------
    name : str
        What it is.
    lost : str
        How it differs after the model was loaded; empty if it is kept.
    cure : str
        What to do about that.
    """

    name: str
    lost: str = ""
    cure: str = ""


@dataclass
class Resumed:
    """A training in two parts beside one in one go.

    Attributes
    ----------
    comparison : FitComparison
        Of the two.
    states : list of State
        What is kept and what is lost when epoch `at` begins.
    repeatable : bool
        Whether a training in one go equals a second one.
    arguments : dict
        Those of ``.fit`` that are numbers or words.
    """

    comparison: FitComparison
    states: list[State] = field(default_factory=list)
    repeatable: bool = True
    arguments: dict[str, Any] = field(default_factory=dict)


def resume(options: argparse.Namespace, tell: Callable[[str], None]) -> Resumed:
    """Train in one go; then in two parts, with ``model.save`` and a new process between them.

    Parameters
    ----------
    options : Namespace
        With `file`, `epochs`, `batch_size`, `seed`, and `resume_at`: the first epoch of the second part.
    tell : callable
        Called with what is being done.

    Raises
    ------
    UserError
        If a training fails, or the model cannot be saved or loaded.
    """
    words = [*words_of(options), "--at", str(options.resume_at)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            saved = str(Path(folder, "model.keras"))
            tell("in one go")
            whole, before = trained(options.file, ALL, words)
            tell(f"epochs before {options.resume_at}, then saved")
            first, _ = trained(options.file, FIRST, words, "--saved", saved)
            tell(f"loaded in a new process, from epoch {options.resume_at} on")
            rest, after = trained(options.file, REST, words, "--saved", saved)
        variables = rest.variables
        if len(variables) == len(whole.variables):  # loading may change their paths, not their order
            variables = dict(zip(whole.variables, variables.values(), strict=True))
        parts = replace(rest, history=_joined(first.history, rest.history), variables=variables, calls=[])
        whole = replace(whole, calls=[], epochs=epochs_of(whole))
        comparison = FitComparison(parts, whole, options.seed, NAMES)
        tell("the order of the rows, without training")
        batches = trained(options.file, BATCHES, words)[1]["batches"]
        repeatable = True
        if not comparison.identical:
            tell("in one go, again")
            again = replace(trained(options.file, ALL, words)[0], calls=[])
            repeatable = FitComparison(again, whole, options.seed).identical
    except ProcessError as error:
        raise UserError(str(error)) from None
    if not before["at"] or not after["at"]:
        raise UserError(
            f"--resume-at {options.resume_at}: a callback ends the training before this epoch; name an "
            "earlier one"
        )
    steps = before["arguments"].get("steps_per_epoch")
    states = _states(before["at"], after["at"], batches, options.resume_at, steps)
    return Resumed(comparison, states, repeatable, before["arguments"])


def _joined(first: dict[str, list], rest: dict[str, list]) -> dict[str, list]:
    return {name: [*first.get(name, []), *rest.get(name, [])] for name in {**first, **rest}}


def _states(
    before: dict[str, Any], after: dict[str, Any], batches: list[list[str]], at: int, steps: int | None
) -> list[State]:
    """Compare what is there when epoch `at` begins, without and with the break."""
    found = [
        State(
            "the weights",
            _differing(before["weights"], after["weights"]),
            "The end of .fit changes them, by use_ema, restore_best_weights or an on_train_end: save them "
            "earlier, in a callback.",
        ),
        State(
            "the optimizer's variables",
            _differing(before["optimizer"], after["optimizer"]),
            "If they are missing, call optimizer.build(model.trainable_variables) in compile_from_config, so "
            "that load_model fills them; if not, a callback or compile() sets them anew.",
        ),
        State(
            "the learning rate",
            "" if before["rate"] == after["rate"] else f"{after['rate']:g} instead of {before['rate']:g}",
            "Set optimizer.learning_rate to what it was; a schedule needs optimizer.iterations.",
        ),
    ]
    if before["others"] or after["others"]:
        found.append(
            State(
                "variables in attributes, and further optimizers",
                _differing(before["others"], after["others"]),
                "model.save leaves out all but those of optimizers, and load_model fills only optimizers "
                "that compile_from_config builds: save the others too, by tf.train.Checkpoint for example.",
            )
        )
    made = {
        name: value
        for name, value in before["settings"].items()
        if after["settings"].get(name, value) != value
    }
    found.append(
        State(
            "the settings of the model, its layers, losses and metrics",
            ", ".join(
                f"{name.partition(' ')[2]} {after['settings'][name]} instead of {value}"
                for name, value in made.items()
            ),
            "load_model makes them from get_config(): return each argument there; make a changing number a "
            "variable (add_weight).",
        )
    )
    if before["seeds"]:
        found.append(
            State(
                "the seeds of random layers",
                _differing(before["seeds"], after["seeds"]),
                "Save the variables of each seed generator too, and assign them after loading.",
            )
        )
    again = batches[-1] != batches[0]  # a new process begins with the order of the first epoch
    cure = (
        "Shuffle, and draw in map, with a seed that depends on the number of the epoch; move random layers "
        "to the model."
    )
    if steps:
        cure = (
            f"Skip what was read: dataset.skip({steps} * the epochs already trained), or as many batches of "
            "a generator."
        )
    found.append(State(ORDER, f"epoch {at} gets the batches of the first epoch" if again else "", cure))
    drawn = before["drawn"]
    found.append(
        State(
            "the generators of numpy.random and random",
            f"{' and '.join(drawn)} {'begins' if len(drawn) == 1 else 'begin'} anew" if drawn else "",
            "Save numpy.random.get_state() and random.getstate(), and set them after loading"
            + (" (not if you skip what was read)." if steps else "."),
        )
    )
    for name, kept in before["callbacks"].items():
        now = after["callbacks"].get(name, {})
        changed = [
            f"{key} {now.get(key, ['nothing'])[0]} instead of {value[0]}"
            for key, value in kept.items()
            if now.get(key) != value
        ]
        found.append(
            State(
                f"the callback {name.partition(' ')[0]}"
                + (f" ({name})" if _has_namesake(name, before) else ""),
                ", ".join(changed),
                "It begins anew with each .fit. Save its memory, and set it in the first on_epoch_begin.",
            )
        )
    return found


def _differing(before: list[list[str]], after: list[list[str]]) -> str:
    """Name the variables that differ; "" if none does. Loading may change their paths, not their order."""
    if len(before) != len(after):
        there = {path for path, _ in after}
        missing = [path for path, _ in before if path not in there]
        return f"{len(after)} variables instead of {len(before)}" + (
            f", without {', '.join(missing[:3])}" if missing else ""
        )
    names = [path for (path, value), (_, now) in zip(before, after, strict=True) if value != now]
    if not names:
        return ""
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"{', '.join(names[:2])}{more} ({len(names)} of {len(before)})"


def _has_namesake(name: str, before: dict[str, Any]) -> bool:
    """Return whether there are several callbacks of a kind."""
    kind = name.partition(" ")[0]
    return sum(other.partition(" ")[0] == kind for other in before["callbacks"]) > 1


def print_states(report: Report, resumed: Resumed, at: int) -> None:
    """Print what is kept and what is lost between the two parts, and the verdict."""
    report.part(f"When epoch {at} begins")
    report.table(
        ["", "after loading"],
        [[one.name, f"lost: {one.lost}" if one.lost else "kept"] for one in resumed.states],
        text_columns=(0, 1),
    )
    lost = [one for one in resumed.states if one.lost]
    if lost:
        report.part("What to do")
        for one in lost:
            report.print(f"{one.name[0].upper()}{one.name[1:]}: {one.cure}")
    report.part("The verdict")
    same = resumed.comparison.identical
    report.print(resumed.comparison.text("--json has all", FEW), style="bold green" if same else "bold red")
    if same and lost:
        report.print("What was lost has made no difference here.")
    if not resumed.repeatable:
        report.print("Two trainings in one go differ too. Run --twice first: it finds out why.")
    elif not same and all(one.name.startswith("the callback ") for one in lost):
        report.print(
            "Two trainings in one go agree. Something may be lost that this command does not look at: the "
            "states of a stateful layer, a variable of your file, a tf.random.Generator, the calls that "
            "tf.random has counted, or what build_model() has drawn from numpy.random. Save it too."
        )
