"""What a script trains that ``.fit`` cannot, and why."""

from collections.abc import Sequence
from typing import Any

from companion.check.recording.events import Gradient, Update
from companion.check.recording.network import with_layers
from companion.check.recording.script_network import Network
from companion.check.script.problem import NotComparableError

ALMOST_ALL = 0.9  # of the rows
IN_INPUTS = (
    "nothing to compare with .fit, because the loss contains derivatives of a network in its inputs: a "
    "loss of .fit takes predictions and labels"
)


def not_compared(name: str, error: Exception) -> str:
    """Return in a sentence that ``.fit`` fails where a script trains a network."""
    first = str(error).strip().partition("\n")[0]
    return (
        f"the training of {name} could not be compared with .fit: .fit in its place ends in "
        f"{type(error).__name__}: {first}"
    )


def name_of(network: Network, names: dict[str, Any]) -> str:
    """Return the variable that holds a network: of the file, or of the function that calls it."""
    model = network.model
    return next((name for name, value in names.items() if value is model), network.name or model.name)


def refuse_what_fit_cannot(network: Network, trained: Sequence[Network], names: dict[str, Any]) -> None:
    """Refuse networks that are trained against each other, or with each other."""
    others = [n for n in trained if n is not network and (n in network.fed_by or network in n.fed_by)]
    both = " and ".join(sorted({name_of(n, names) for n in (network, *others)}))
    tapes = [{event.tape for event in n.events if isinstance(event, Gradient)} for n in (network, *others)]
    if others and set.intersection(*tapes) and _last_update(network) == _last_update(others[0]):
        raise NotComparableError(
            f"nothing to compare with .fit yet, because {both} are trained together by one gradient: .fit "
            "has one network; call them in one keras.Model and train that"
        )
    if any(getattr(layer, "stateful", False) for layer in with_layers(network.model)):
        raise NotComparableError(
            f"nothing to compare with .fit yet, because a layer of {name_of(network, names)} has "
            "stateful=True: what it remembers from batch to batch could not be followed"
        )
    if has_two_optimizers(network):
        raise NotComparableError(
            f"nothing to compare with .fit, because two optimizers with different settings update parts of "
            f"{name_of(network, names)}: .fit has one for all variables"
        )
    if network.has_more_inputs:
        raise NotComparableError(
            f"nothing to compare with .fit yet, because {name_of(network, names)} is called with more than "
            "one argument: .fit hands all inputs over as one; make one keras.Model of it all"
        )
    if others:
        raise NotComparableError(
            f"nothing to compare with .fit, because {both} are trained in turn, each on a loss of its own: "
            ".fit has one network and one loss"
        )
    rows = len(network.table.rows)
    if network.table.chosen > ALMOST_ALL * rows and not network.epochs:
        raise NotComparableError(
            f"nothing to compare with .fit, because {name_of(network, names)} is trained on rows that "
            "its own predictions led to: .fit has its rows beforehand"
        )


def has_two_optimizers(network: Network) -> bool:
    """Return whether optimizers that are set otherwise update different variables, each its own."""
    first: dict[int, Update] = {}
    touched: dict[int, set[int]] = {}
    for event in network.events:
        if isinstance(event, Update) and event.optimizer is not None and event.gradients is not None:
            first.setdefault(event.optimizer, event)
            numbers = {number for number, value in enumerate(event.gradients) if value is not None}
            touched.setdefault(event.optimizer, set()).update(numbers)
    told = {str((one.settings["class_name"], one.settings["learning_rate"])) for one in first.values()}
    return len(told) > 1 and not set.intersection(*touched.values())


def _last_update(network: Network) -> Any:
    """Return where the last update of a network was made, and by which optimizer."""
    updates = [event for event in network.events if isinstance(event, Update)]
    return (updates[-1].place, updates[-1].optimizer) if updates else None
