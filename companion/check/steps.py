"""A recording taken apart into steps: forward, gradient, update."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from companion.check.learner.lines import Location
from companion.check.recording.events import Forward, Gradient, Recording, Update


@dataclass
class Step:
    """Everything that led to one update.

    Attributes
    ----------
    epoch, batch : int
        Counted from 0.
    forwards : list of Forward
        The forward passes that the tape recorded.
    gradient : Gradient
        The gradient of the update, as the tape gave it.
    updates : list of Update
        Usually one.
    after : list of Forward
        Further calls of the network before the next step, for a metric perhaps.
    """

    forwards: list[Forward]
    gradient: Gradient
    updates: list[Update]
    after: list[Forward] = field(default_factory=list)
    epoch: int = 0
    batch: int = 0

    @property
    def by_tape(self) -> list[np.ndarray | None]:
        """Return the gradient as the tape gave it, by variable."""
        return self.gradient.values

    @property
    def used(self) -> list[np.ndarray | None]:
        """Return the gradient that the update was made with: the optimizer's, or else the tape's."""
        return self.updates[0].gradients or self.by_tape

    def reaches(self, number: int) -> bool:
        """Return whether its update is one of this trainable variable too."""
        if self.updates[0].optimizer is None:
            return bool((self.updates[0].before[number] != self.updates[-1].after[number]).any())
        return self.used[number] is not None

    @property
    def is_repeated(self) -> bool:
        """Return whether all its updates were made with the same gradient."""
        first = self.updates[0].gradients
        return first is not None and all(_same(first, update.gradients) for update in self.updates[1:])

    @property
    def rows(self) -> np.ndarray:
        """Return the rows of all its forward passes, those of two on the same rows once."""
        seen: list[np.ndarray] = []
        for forward in self.forwards:
            if forward.rows is not None and not any(np.array_equal(forward.rows, rows) for rows in seen):
                seen.append(forward.rows)
        return np.concatenate(seen) if seen else np.array([], dtype="int64")

    @property
    def forward_place(self) -> Location | None:
        """Return the line of the network's call."""
        return self.forwards[-1].place if self.forwards else self.gradient.place

    @property
    def where(self) -> str:
        """Name it in a sentence."""
        return f"epoch {self.epoch}, batch {self.batch}"


def _same(one: list[np.ndarray | None], other: list[np.ndarray | None] | None) -> bool:
    if other is None:
        return False
    pairs = zip(one, other, strict=True)
    return all(b is None if a is None else b is not None and np.array_equal(a, b) for a, b in pairs)


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
        """Cut off extra whole epochs at the beginning."""
        if len(self.steps) <= sum(len(epoch) for epoch in fit) or len(fit[0]) == 1:
            return 0  # with one batch an epoch, two epochs look like two updates
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


def steps_of(recording: Recording, epochs: int, each_gradient: bool = False) -> Steps:
    """Take a recording apart; an epoch has as many steps as any other, as far as that is possible.

    A step ends with an update; with `each_gradient` it ends with a gradient, and no update counts.
    """
    found = Steps([], [])
    waiting: list[Forward] = []  # forward passes since the last update
    pending: list[tuple[Gradient, list[Forward]]] = []  # gradients since then, with their forward passes
    of_tape: dict[int, list[Forward]] = {}  # the forward passes of its last gradient
    kinds = [type(event) for event in recording.events]
    updates = not each_gradient and Gradient in kinds and Update in kinds[kinds.index(Gradient) :]
    for event in recording.events:
        if isinstance(event, Forward):
            waiting.append(event)
        elif isinstance(event, Gradient):
            new = [f for f in waiting if event.tape in f.tapes and not _among(f, of_tape.get(event.tape, []))]
            of_tape[event.tape] = _in_training(new) or of_tape.get(event.tape, [])
            pending.append((event, of_tape[event.tape]))
            if not updates:  # each gradient stands for the update that was forgotten
                weights = recording.trained(of_tape[event.tape][-1].state if new else recording.start)
                forgotten = Update(weights, weights, None, None, {}, {}, event.place)
                _add(found, waiting, pending, forgotten)
                waiting, pending = [], []
        elif isinstance(event, Update) and not each_gradient:
            _add(found, waiting, pending, event)
            waiting, pending = [], []
    _keep(found, waiting)
    found.number(-(-len(found.steps) // epochs))
    return found


def _in_training(forwards: list[Forward]) -> list[Forward]:
    """Leave out calls on the same rows that are not in training mode: for a metric beside the loss."""
    trained = [f for f in forwards if f.training]
    seen = [f.rows.tolist() for f in trained if f.rows is not None]
    return [f for f in forwards if f.training or f.rows is None or f.rows.tolist() not in seen]


def _add(
    found: Steps, waiting: list[Forward], pending: list[tuple[Gradient, list[Forward]]], update: Update
) -> None:
    """Add an update to the steps: as a new one, or as a part of the last."""
    last = found.steps[-1] if found.steps else None
    if not pending:
        _keep(found, waiting)
        if last is None:
            found.leading.append(update)
        elif _touched(update) & _touched(last.updates[-1]):
            last.updates.append(update)
        else:
            last.updates[-1] = _together(last.updates[-1], update)
        return
    gradient, forwards = _of_update(pending, update)
    _keep(found, [f for f in waiting if not _among(f, forwards)])
    same_pass = last is not None and bool(forwards) and _same_passes(forwards, last.forwards)
    if last is not None and same_pass and not _touched(update) & _touched(last.updates[-1]):
        last.updates[-1] = _together(last.updates[-1], update)  # variable by variable
        last.gradient = _joined(last.gradient, gradient)
    else:
        found.steps.append(Step(forwards, gradient, [update]))


def _same_passes(one: list[Forward], other: list[Forward]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _touched(update: Update) -> set[int]:
    """Return the numbers of the variables that an update was made to."""
    if update.gradients is not None:
        return {number for number, value in enumerate(update.gradients) if value is not None}
    pairs = enumerate(zip(update.before, update.after, strict=True))
    return set(update.assigned) or {number for number, (a, b) in pairs if (a != b).any()}


def _together(one: Update, other: Update) -> Update:
    """Make one update of two that follow each other, of different variables."""
    gradients = None
    if one.gradients is not None and other.gradients is not None:
        gradients = [a if b is None else b for a, b in zip(one.gradients, other.gradients, strict=True)]
    return replace(one, after=other.after, gradients=gradients, assigned=one.assigned | other.assigned)


def _joined(one: Gradient, other: Gradient) -> Gradient:
    """Put two gradients of different variables together."""
    values = [a if b is None else b for a, b in zip(one.values, other.values, strict=True)]
    return replace(one, values=values)


def _of_update(
    pending: list[tuple[Gradient, list[Forward]]], update: Update
) -> tuple[Gradient, list[Forward]]:
    """Choose the gradient that an update was made with: the one that points as it does.

    Others may have been taken for their length, to be logged; or two were added up.
    """
    moved = [a - b for a, b in zip(update.before, update.after, strict=True)]
    direction = moved if update.gradients is None else update.gradients
    choices = list(reversed(pending))
    for tape in {gradient.tape for gradient, _ in pending}:
        of_it = [pair for pair in pending if pair[0].tape == tape]
        if len(of_it) > 1:
            choices.append((_sum([gradient for gradient, _ in of_it]), of_it[-1][1]))
    if len({gradient.tape for gradient, _ in pending}) > 1:
        passes = [forward for _, forwards in pending for forward in forwards]
        choices.append((_sum([gradient for gradient, _ in pending]), passes))
    if len(choices) == 1:
        return choices[0]
    return max(choices, key=lambda pair: round(_alike(pair[0].values, direction), 4))


def _sum(gradients: list[Gradient]) -> Gradient:
    """Add gradients up, variable by variable."""
    values: list[np.ndarray | None] = []
    for parts in zip(*(gradient.values for gradient in gradients), strict=True):
        there = [part for part in parts if part is not None]
        values.append(np.sum(there, axis=0) if there else None)
    return replace(gradients[-1], values=values, target=sum(np.mean(g.target) for g in gradients))


def _alike(one: list[np.ndarray | None], other: Sequence[np.ndarray | None]) -> float:
    """Return the cosine of the angle between two gradients, without its sign."""
    pairs = [
        (a.ravel(), b.ravel()) for a, b in zip(one, other, strict=True) if a is not None and b is not None
    ]
    if not pairs:
        return 0.0
    a, b = (np.concatenate(parts).astype("float64") for parts in zip(*pairs, strict=True))
    length = np.linalg.norm(a) * np.linalg.norm(b)
    return float(abs(a @ b) / length) if length and np.isfinite(length) else 0.0


def _among(forward: Forward, others: list[Forward]) -> bool:
    return any(forward is other for other in others)


def _keep(found: Steps, forwards: list[Forward]) -> None:
    """Keep the forward passes that no gradient was taken of."""
    (found.steps[-1].after if found.steps else found.leading).extend(forwards)
