"""A recording taken apart into steps: forward, gradient, update."""

from dataclasses import dataclass, field

import numpy as np

from companion.diagnosis.recording import Forward, Gradient, Place, Recording, Update


@dataclass
class Step:
    """Everything that led to one update.

    Attributes
    ----------
    epoch, batch : int
        Counted from 0.
    forwards : list of Forward
        Those that the tape recorded.
    gradients : list of Gradient
        As the tape gave them; more than one where the loop adds them up.
    updates : list of Update
        Usually one.
    after : list of Forward
        Further calls of the network before the next step, for a metric perhaps.
    """

    forwards: list[Forward]
    gradients: list[Gradient]
    updates: list[Update]
    after: list[Forward] = field(default_factory=list)
    epoch: int = 0
    batch: int = 0

    @property
    def by_tape(self) -> list[np.ndarray | None]:
        """Give the gradient as the tape gave it, by variable."""
        return self.gradients[-1].values

    @property
    def used(self) -> list[np.ndarray | None]:
        """Give the gradient that the update was made with: the optimizer's, or else the tape's."""
        return self.updates[0].gradients or self.by_tape

    @property
    def rows(self) -> np.ndarray:
        """Give the rows of all its forward passes."""
        seen = [forward.rows for forward in self.forwards if forward.rows is not None]
        return np.concatenate(seen) if seen else np.array([], dtype="int64")

    @property
    def forward_place(self) -> Place | None:
        """Give the line of the network's call."""
        return self.forwards[-1].place if self.forwards else self.gradients[-1].place

    @property
    def where(self) -> str:
        """Name it in a sentence."""
        return f"epoch {self.epoch}, batch {self.batch}"


@dataclass
class Steps:
    """A whole run.

    Attributes
    ----------
    steps : list of Step
        In order.
    leading : list of Forward or Update
        What happened before the first.
    """

    steps: list[Step]
    leading: list[Forward | Update]

    def number(self, an_epoch: int) -> None:
        """Give the steps their epochs and batches."""
        for number, step in enumerate(self.steps):
            step.epoch, step.batch = divmod(number, max(1, an_epoch))

    def cut_warm_up(self, fit: list[list[np.ndarray]]) -> int:
        """Cut off whole epochs at the beginning that are more than there should be.

        Parameters
        ----------
        fit : list of list of ndarray
            The rows that ``.fit`` feeds, by epoch and batch.

        Returns
        -------
        int
            How many steps were cut off.
        """
        if len(self.steps) <= sum(len(epoch) for epoch in fit):
            return 0
        rows = [step.rows for step in self.steps]
        lengths = [k for k in range(2, len(rows) // len(fit)) if len(rows) % k == 0 and _repeats(rows, k)]
        an_epoch = lengths[0] if lengths else len(rows)
        more = len(rows) - an_epoch * len(fit)
        if more <= 0:
            return 0
        self.leading += [forward for step in self.steps[:more] for forward in step.forwards]
        del self.steps[:more]
        self.number(an_epoch)
        return more


def _repeats(rows: list[np.ndarray], length: int) -> bool:
    return all(np.array_equal(mine, rows[number % length]) for number, mine in enumerate(rows))


def steps_of(recording: Recording, epochs: int) -> Steps:
    """Take a recording apart; an epoch has as many steps as any other, as far as that is possible."""
    found = Steps([], [])
    waiting: list[Forward] = []  # called since the last update
    taken: list[Forward] = []  # of which the gradients since the last update were taken
    gradients: list[Gradient] = []
    of_tape: dict[int, list[Forward]] = {}  # of which its last gradient was taken
    kinds = [type(event) for event in recording.events]
    updates = Gradient in kinds and Update in kinds[kinds.index(Gradient) :]
    for event in recording.events:
        if isinstance(event, Forward):
            waiting.append(event)
        elif isinstance(event, Gradient):
            new = [f for f in waiting if event.tape in f.tapes and not _among(f, taken)]
            of_tape[event.tape] = new or of_tape.get(event.tape, [])
            taken += [f for f in of_tape[event.tape] if not _among(f, taken)]
            gradients.append(event)
            if not updates:  # each gradient stands for the update that was forgotten
                weights = recording.trained(taken[-1].state if taken else recording.start)
                _keep(found, [f for f in waiting if not _among(f, taken)])
                found.steps.append(
                    Step(taken, gradients, [Update(weights, weights, None, None, {}, 0, event.place)])
                )
                waiting, taken, gradients = [], [], []
        elif isinstance(event, Update):
            _keep(found, [f for f in waiting if not _among(f, taken)])
            if gradients:
                found.steps.append(Step(taken, gradients, [event]))
            elif found.steps:
                found.steps[-1].updates.append(event)
            else:
                found.leading.append(event)
            waiting, taken, gradients = [], [], []
    _keep(found, waiting)
    found.number(-(-len(found.steps) // epochs))
    return found


def _among(forward: Forward, others: list[Forward]) -> bool:
    return any(forward is other for other in others)


def _keep(found: Steps, forwards: list[Forward]) -> None:
    """Keep the forward passes that no gradient was taken of."""
    (found.steps[-1].after if found.steps else found.leading).extend(forwards)
