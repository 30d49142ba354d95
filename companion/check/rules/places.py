"""In which line one would correct a mistake."""

import ast
import inspect
import itertools
import linecache
import re
from collections.abc import Callable, Iterator

from companion.check.learner.lines import Location
from companion.check.rules.findings import Case, Finding

# What the line looks like, by mistake, the surest sign first.
SIGNS = {
    "last-batch-dropped": (r"drop_remainder\s*=\s*True", r"//", r"\bint\(.*/", r"\.take\("),
    "rows-left-out": (r"\.(skip|take)\(", r"//", r"\bint\(.*/"),
    "batches-over-the-epoch": (r"\.repeat\(",),
    "other-batch-size": (r"\.batch\(",),
    "drawn-with-replacement": (r"\.choice\(|randint\(|\.integers\(|random\.uniform\(|choices\(",),
    "shuffled-otherwise": (r"shuffle\(|permutation\(|\bsample\(",),
    "not-shuffled": (r"\.batch\(|\brange\(.*,.*,",),
    "sum-instead-of-mean": (r"reduction\s*=\s*[\"']sum[\"']|Reduction\.SUM\b", r"reduce_sum\("),
    "vector-of-losses": (r"reduction\s*=\s*(None\b|[\"']none[\"'])|Reduction\.NONE\b",),
    "from-logits-mismatch": (r"from_logits\s*=", r"[Cc]rossentropy\("),
    "gradients-clipped": (r"clip", r"norm"),
    "penalty-twice": (r"\.losses\b",),
    "penalty-scaled": (r"l2_loss|\.losses\b|reduce_sum\(.*square",),
    "report": (r"\.update_state\(\s*\w*loss",),
    "report of replicas": (r"\breduce\(.*\b(MEAN|mean)\b", r"\.update_state\(\s*\w*loss"),
    "penalty of replicas": (
        r"scale_regularization_loss",
        r"add_n\(|sum\(.*loss|penalt",
        r"\.losses\b",
    ),
    "schedule-late": (r"\.learning_rate(\.assign\(|\s*=[^=])", r"\blr\b.*=[^=]"),
    "schedule-missing": (r"optimizers\.\w+\(",),
    "gradients-added-up-twice": (r"\ball_reduce\(",),
    "frozen-updated": (r"=.*\.(trainable_)?(variables|weights)\b",),
}
OF_FIT = re.compile(r"\.(fit|compile)\(")  # what the loop is compared with, if there is another line
OF_LOSS = (
    "labels-broadcast",
    "loss-arguments-swapped",
    "another-loss",
    "vector-of-losses",
    "sum-instead-of-mean",
    "divided-by-all-rows",
    "divided-by-batch-size",
    "gradient-scaled",
    "loss-scaled-by-replicas",
    "penalty-left-out",
    "penalty-twice",
    "penalty-in-gradient-only",
    "penalty-in-report-only",
    "class-weights-left-out",
    "class-weights-normalized",
    "from-logits-mismatch",
)
OF_OPTIMIZER = (
    "new-optimizer-every-step",
    "new-optimizer-every-epoch",
    "another-optimizer",
    "wrong-learning-rate",
    "clipping-left-out",
)


def place_of(finding: Finding, case: Case) -> Location | None:
    """Return the line that one would change: where loss, optimizer or batches are made."""
    seen = finding.place
    if (
        finding.name == "wrong-learning-rate"
        and (finding.difference.epoch or finding.difference.batch)
        and seen
    ):
        return _with_sign(seen, SIGNS["schedule-late"]) or seen  # right at first, and then changed
    if finding.name in OF_OPTIMIZER:
        made = [update.made for step in case.steps for update in step.updates if update.made is not None]
        return (made[-1] if finding.name.startswith("new-") else made[0]) if made else seen
    if seen is None:
        return None
    signed = _with_sign(seen, SIGNS.get(finding.name, ()))
    if finding.name in OF_LOSS:
        return signed or line_of_loss(seen) or seen
    return signed or seen


def line_with_sign(seen: Location, mistake: str) -> Location:
    """Return the nearest line that looks as if it makes a mistake, or else the one that was seen."""
    return _with_sign(seen, SIGNS.get(mistake, ())) or seen


def _with_sign(seen: Location, signs: tuple[str, ...]) -> Location | None:
    """Return the nearest line of the file, or of the cells up to here, that looks so; those above first."""
    for also_of_fit, sign in itertools.product((False, True), signs):
        for file, lines in _sources(seen.file):
            code = [text.partition("#")[0] for text in lines]
            found = [
                n for n, text in enumerate(code, 1)
                if re.search(sign, text) and (also_of_fit or not OF_FIT.search(text))
            ]  # fmt: skip
            if file == seen.file:
                found.sort(key=lambda n: (n > seen.line, abs(n - seen.line)))
            else:
                found.reverse()
            if found:
                return Location(file, found[0])
    return None


def _sources(file: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the lines of a file; of a notebook those of its cells, the given one first and then upwards."""
    yield file, linecache.getlines(file)
    stem, cell, number = file.rpartition(", cell ")
    if cell:
        for other in range(int(number) - 1, 0, -1):
            yield f"{stem}, cell {other}", linecache.getlines(f"{stem}, cell {other}")
        for other in range(int(number) + 1, int(number) + 50):
            yield f"{stem}, cell {other}", linecache.getlines(f"{stem}, cell {other}")


def line_of_loss(gradient: Location) -> Location | None:
    """Return the line that computes what a ``tape.gradient(...)`` differentiates."""
    tree = _tree(gradient.file)
    if tree is None:
        return None
    calls = [
        node for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        and node.func.attr == "gradient" and node.lineno <= gradient.line <= (node.end_lineno or 0)
    ]  # fmt: skip
    if not calls or not calls[0].args or not isinstance(calls[0].args[0], ast.Name):
        return None
    scope = _scope(tree, gradient.line)
    made = [one for one in _assignments(scope, calls[0].args[0].id) if one.lineno < gradient.line]
    if not made:
        return None
    helper = _helper(tree, made[-1].value)
    if helper is not None:
        return Location(gradient.file, helper)
    return Location(gradient.file, made[-1].lineno)


def _helper(tree: ast.Module, value: ast.expr | None) -> int | None:
    """Return the line that makes the result of a function of this file, if `value` is a call of one."""
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name):
        return None
    name = value.func.id
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == name]
    if not functions:
        return None
    returns = [node for node in ast.walk(functions[0]) if isinstance(node, ast.Return)]
    if not returns:
        return None
    if isinstance(returns[-1].value, ast.Name):
        made = list(_assignments(functions[0], returns[-1].value.id))
        if made:
            return made[0].lineno
    return returns[-1].lineno


def _scope(tree: ast.Module, line: int) -> ast.AST:
    """Return the innermost function that holds a line, else the module."""
    around = [
        node for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.lineno <= line <= (node.end_lineno or 0)
    ]  # fmt: skip
    return max(around, key=lambda node: node.lineno, default=tree)


def start_of_epoch(reported: Location) -> Location | None:
    """Return the first line of the loop that reports a loss: before it a metric would be reset."""
    tree = _tree(reported.file)
    loops = [] if tree is None else [n for n in ast.walk(tree) if isinstance(n, ast.For | ast.While)]
    around = [n for n in loops if n.body[0].lineno <= reported.line <= (n.body[-1].end_lineno or 0)]
    innermost = max(around, key=lambda node: node.lineno, default=None)
    return None if innermost is None else Location(reported.file, innermost.body[0].lineno)


def in_one_loop(one: Location, other: Location) -> bool:
    """Return whether the innermost loop around two lines is the same."""
    tree = _tree(one.file)
    loops = [] if tree is None else [n for n in ast.walk(tree) if isinstance(n, ast.For | ast.While)]
    around = [
        max((n.lineno for n in loops if n.lineno < line <= (n.end_lineno or 0)), default=0)
        for line in (one.line, other.line)
    ]
    return one.file == other.file and around[0] == around[1]


def _assignments(scope: ast.AST, name: str) -> Iterator[ast.Assign]:
    """Yield the plain assignments to a variable, from top to bottom."""
    made = [
        node for node in ast.walk(scope)
        if isinstance(node, ast.Assign)
        and any(getattr(part, "id", None) == name for target in node.targets for part in ast.walk(target))
    ]  # fmt: skip
    yield from sorted(made, key=lambda node: node.lineno)


def line_of_list(file: str, name: str) -> Location | None:
    """Return the line that adds a loss to a list of a file."""
    from companion.check.learner.lines import lines_that_add

    for source, lines in _sources(file):
        tree = _tree(source)
        found = [] if tree is None else list(lines_that_add(tree, {name}))
        if found and lines:
            return Location(source, found[-1])
    return None


def line_of_return(function: Callable[..., object]) -> Location | None:
    """Return the last line of a function that returns something."""
    code = inspect.unwrap(function).__code__
    tree = _tree(code.co_filename)
    scope = None if tree is None else _scope(tree, code.co_firstlineno + 1)
    returns = [node.lineno for node in ast.walk(scope) if isinstance(node, ast.Return)] if scope else []
    return Location(code.co_filename, max(returns)) if returns else None


def line_of_labels(compared: Location) -> Location | None:
    """Return the line that parts rows from their labels, from the line that compares them."""
    alone = r"\bshuffle\(\s*(\w+_)?(x|inputs?|features?|images?|data)(_\w+)?\s*\)"
    found = _with_sign(compared, (alone, alone.replace("x|", "X|")))
    if found is not None:
        return found
    line = linecache.getline(compared.file, compared.line)
    if re.search(r"\b\w*(y|label|target)\w*\[", line, re.IGNORECASE):
        return compared
    # in a loop or a function
    return _with_sign(compared, (r"^\s+\w*([yY]|[lL]abel|[tT]arget)\w*\s*=.*\[.*\]",))


def _tree(file: str) -> ast.Module | None:
    try:
        return ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return None
