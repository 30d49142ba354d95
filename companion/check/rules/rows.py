"""Which rows were fed, in which order, in batches of which size."""

import numpy as np

from companion.check.rules.findings import ROWS, Case, Divergence, Finding
from companion.check.steps import Step
from companion.terminal.formats import count_of


def row_findings(case: Case) -> list[Finding]:
    """Compare the rows of each step with those of ``.fit``."""
    fit = [rows for epoch in case.batches_of_fit for rows in epoch]
    mine = [step.rows for step in case.steps]
    if _same(mine, fit):
        return []
    found = []
    steps = case.steps
    in_a_row = next((step for step in steps if len(step.updates) > 1 and not step.is_repeated), None)
    if in_a_row is not None:
        told = f"{len(in_a_row.updates)} updates follow each other without a gradient taken between them"
        return [_finding("", case, in_a_row, told)]
    half = len(mine) // 2
    if half and half % case.epochs == 0 and _same(mine[::2], mine[1::2]):
        found.append(
            _finding("two-updates-a-step", case, steps[1], "each batch is used for two updates in a row")
        )
        steps = steps[::2]
    together = next(
        (step for step in steps if len(step.forwards) > 1 and len(step.rows) > _first(step)), None
    )
    if together is not None:
        told = f"one update is made from {len(together.forwards)} batches: {_count(case, len(mine))}"
        return [*found, _finding("", case, together, told)]
    per_epoch, rest = divmod(len(steps), case.epochs)
    if rest or not per_epoch:
        return [*found, _finding("", case, steps[-1], _count(case, len(mine)))]
    epochs = [steps[at : at + per_epoch] for at in range(0, len(steps), per_epoch)]
    size, n = max(len(step.rows) for step in epochs[0]), case.problem.row_count
    sets = {tuple(sorted(np.concatenate([step.rows for step in epoch]).tolist())) for epoch in epochs}
    if per_epoch not in (n // size, -(-n // size)) and len(sets) > 1:
        return [
            *found,
            _finding("", case, steps[-1], _count(case, len(mine))),
        ]  # not the same epochs over and over
    usual = min(case.problem.batch_size, n)
    if size != usual:
        given = case.problem.batch_size
        told = f"batches of {size} rows, but batch_size is {given}: {_count(case, len(steps))}"
        found.append(_finding("other-batch-size", case, epochs[0][0], told, learner=size, fit=usual))
    found += _coverage(case, epochs, size)
    return found or [_finding("", case, steps[0], "the batches are not cut as .fit cuts them")]


def _first(step: Step) -> int:
    rows = step.forwards[0].rows
    return 0 if rows is None else len(rows)


def _same(mine: list[np.ndarray], fit: list[np.ndarray]) -> bool:
    return len(mine) == len(fit) and all(np.array_equal(a, b) for a, b in zip(mine, fit, strict=True))


def _count(case: Case, mine: int) -> str:
    fit = len(case.reference.updates)
    return f"{count_of(mine, 'update')} in {count_of(case.epochs, 'epoch')}, but .fit makes {fit}"


def _coverage(case: Case, epochs: list[list[Step]], size: int) -> list[Finding]:
    """Look at each epoch's rows as one long list."""
    numbers = case.problem.first_of_equal_rows()
    orders = [np.concatenate(batches) for batches in case.batches_of_fit]  # under a seed all are equal
    order = orders[0]
    rows, n = [np.concatenate([step.rows for step in epoch]) for epoch in epochs], len(numbers)
    fed, whole = len(rows[0]), len(np.unique(numbers))
    distinct = len(np.unique(rows[0]))
    if whole < n and distinct == min(whole, fed):
        distinct = fed  # equal rows in the data are no rows drawn twice
    if distinct < fed:
        return [_more_than_once(case, epochs, rows, (order, numbers), distinct)]
    found, missing = [], n - fed
    at_end = np.array_equal(rows[0], order[:fed]) or not _in_order(rows[0], order)
    if missing and at_end and missing == n % size and all(len(step.rows) == size for step in epochs[0]):
        told = f"{missing} of {n} rows are left out: {len(epochs[0])} batches per epoch, all of {size} rows"
        found.append(_finding("last-batch-dropped", case, epochs[0][-1], told, learner=fed, fit=n))
    elif missing:
        told = f"the updates of an epoch use only {fed} of {n} rows"
        found.append(_finding("rows-left-out", case, epochs[0][0], told, learner=fed, fit=n))
    return found + _order(case, epochs, rows, orders, numbers)


def _more_than_once(
    case: Case,
    epochs: list[list[Step]],
    rows: list[np.ndarray],
    orders: tuple[np.ndarray, ...],
    distinct: int,
) -> Finding:
    """Return why rows come more than once in an epoch, if that can be told."""
    n, fed, stream = case.problem.row_count, len(rows[0]), np.concatenate(rows)
    chunks = [stream[at : at + n] for at in range(0, len(stream) - n + 1, n)]
    if fed < 2 * n and all(len(np.unique(chunk)) == n for chunk in chunks):
        told = f"an epoch's last batch is filled up with rows of the next epoch: {fed} rows, not {n}"
        return _finding("batches-over-the-epoch", case, epochs[0][-1], told, learner=fed, fit=n)
    told = f"epoch 0 feeds only {distinct} of {n} rows, some of them more than once"
    # Slices that overlap or repeat go on from row to row; what is drawn jumps.
    jumps = all(np.mean(_steps_along(rows[0], order) == 1) < 0.3 for order in orders)
    name = "drawn-with-replacement" if jumps and fed <= n else ""
    return _finding(name, case, epochs[0][0], told, learner=distinct, fit=n)


def _steps_along(fed: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return how far it is in `order` from each row that was fed to the next."""
    position = {int(row): number for number, row in enumerate(order)}
    return np.diff([position.get(int(row), -9) for row in fed])


def _order(
    case: Case,
    epochs: list[list[Step]],
    rows: list[np.ndarray],
    orders: list[np.ndarray],
    numbers: np.ndarray,
) -> list[Finding]:
    for epoch, fed, order in zip(epochs, rows, orders, strict=True):
        if np.array_equal(fed, order[: len(fed)]) or len(fed) < len(numbers) * 0.5:
            continue
        if len(fed) < len(order) and _in_order(fed, order):
            continue  # rows are left out, but those there are come in the right order
        at = int(np.argmax(fed != order[: len(fed)]))
        step = epoch[min(at // max(1, len(epoch[0].rows)), len(epoch) - 1)]
        if case.problem.shuffle and (np.array_equal(fed, numbers[: len(fed)]) or _in_order(fed, numbers)):
            told = "the rows are not shuffled, but .fit shuffles them"
            return [_finding("not-shuffled", case, step, told, learner=int(fed[at]), fit=int(order[at]))]
        does = "in the order that its seed gives" if case.problem.shuffle else "in the given order"
        told = f"row {fed[at]} comes where .fit feeds row {order[at]}: .fit feeds the rows {does}"
        return [_finding("shuffled-otherwise", case, step, told, learner=int(fed[at]), fit=int(order[at]))]
    return []


def _in_order(fed: np.ndarray, order: np.ndarray) -> bool:
    """Return whether `fed` is `order` with some left out."""
    position = {int(row): number for number, row in enumerate(order)}
    places = [position.get(int(row), -1) for row in fed]
    return -1 not in places and places == sorted(places)


def _finding(
    name: str, case: Case, step: Step, told: str, learner: float | None = None, fit: float | None = None
) -> Finding:
    at = Divergence("rows", step.epoch, step.batch, None, learner, fit)
    return Finding(name, ROWS, at, f"{step.where}: {told}", step.forward_place)
