"""What a run of a hand-written loop did, as plain arrays and numbers.

The recorder writes it, the rules read it. Nothing in here runs or holds the learner's code, so it can
be judged elsewhere.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from companion.check.learner.lines import Location

State = list[np.ndarray]  # all variables of the model, in the order of ``model.variables``


@dataclass(frozen=True)
class Forward:
    """One call of the network.

    Attributes
    ----------
    rows : ndarray of int or None
        Which rows of the data it was called with, the first of equal ones; None where its
        input is not made of the data's rows.
    training : bool or None
        The argument as given; None where it was left out.
    state : list of ndarray
        All variables just before.
    tapes : tuple of int
        The numbers of the gradient tapes that recorded it.
    place : Location or None
        The line of the learner's code that called.
    """

    rows: np.ndarray | None
    training: bool | None
    state: State
    tapes: tuple[int, ...]
    place: Location | None


@dataclass(frozen=True)
class Gradient:
    """One call of ``tape.gradient``.

    Attributes
    ----------
    target : ndarray
        What was differentiated.
    values : list of ndarray or None
        By trainable variable; None where it was not asked for or is not connected.
    asked : list of int
        For which of them it was asked.
    tape : int
        The number of the tape.
    state : list of ndarray
        All variables as the tape was opened.
    place : Location or None
        The line.
    """

    target: np.ndarray
    values: list[np.ndarray | None]
    asked: list[int]
    tape: int
    state: State
    place: Location | None


@dataclass(frozen=True)
class Update:
    """One change of the trainable variables.

    Attributes
    ----------
    before, after : list of ndarray
        The trainable variables.
    gradients : list of ndarray or None, or None
        What the optimizer was given, by trainable variable; None where no optimizer was used.
    optimizer : int or None
        Which optimizer, counted in the order in which they first appear.
    settings : dict
        Its class, its configuration and its learning rate at that moment.
    assigned : dict of int to int
        How often each trainable variable was assigned to, where no optimizer was used; empty where the
        weights changed unseen.
    place : Location or None
        The line.
    made : Location or None
        The line that made the optimizer.
    """

    before: State
    after: State
    gradients: list[np.ndarray | None] | None
    optimizer: int | None
    settings: dict[str, Any]
    assigned: dict[int, int]
    place: Location | None
    made: Location | None = None


@dataclass(frozen=True)
class ReadyMade:
    """A call of ``fit``, ``train_on_batch`` or the companion's own loop.

    Attributes
    ----------
    name : str
        What was called.
    place : Location or None
        The line.
    """

    name: str
    place: Location | None


Event = Forward | Gradient | Update | ReadyMade


@dataclass
class Recording:
    """All of a run.

    Attributes
    ----------
    variables : list of str
        What the model's variables are called, such as ``dense/kernel``.
    trainable : list of int
        Which of them are trainable.
    start, end : list of ndarray
        All variables of the model that was handed in, before and after the run.
    events : list
        In the order in which they happened.
    own_tapes : list of int
        The numbers of the tapes that the learner's own code opened, one each time.
    graphs : int
        How many of them were opened while a graph was built, where nothing can be seen.
    foreign : int
        How often other code opened a tape, or took a gradient from one.
    compiled : bool
        Whether the learner's code called a ``tf.function`` or ``.fit``, which would have built a graph. If
        not, watching has not changed the run.
    fits : int
        How often ``fit``, ``train_on_batch`` or a loop of the companion's was called, of whatever network.
    other_model : bool
        Whether the events belong to a different model from the one that was handed in.
    history : list of float
        What ``train`` returned.
    frozen : list of int
        Variables that are not trainable, and that an optimizer updates all the same.
    resolution : float
        To how much the history is known: 0, or for printed losses half of the last digit.
    reported : list of int or None
        The epochs whose loss is known; None for all.
    replicas : int
        Of a distribution strategy; 1 without one.
    joined_twice : bool
        Whether its replicas hand the same gradients to an optimizer, which adds them up: they have been added
        up before.
    copies_apart : tuple of (str, float, float, Location or None), or None
        A variable to which its replicas assign different values, two of them, and the line: each has a copy.
    """

    variables: list[str]
    trainable: list[int]
    start: State
    end: State = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    own_tapes: list[int] = field(default_factory=list)
    graphs: int = 0
    foreign: int = 0
    compiled: bool = False
    fits: int = 0
    other_model: bool = False
    history: list[float] = field(default_factory=list)
    frozen: list[int] = field(default_factory=list)
    resolution: float = 0.0
    reported: list[int] | None = None
    replicas: int = 1
    joined_twice: bool = False
    copies_apart: tuple[str, float, float, Location | None] | None = None
    returned: str = ""

    def trained(self, state: State) -> State:
        """Return the trainable ones of `state`."""
        return [state[number] for number in self.trainable]
