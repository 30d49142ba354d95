"""Clipping, by what it does to gradients."""

import numpy as np

from companion.check.rules.findings import apart, flat

WORDS = {
    "value": "each number of the gradient is cut to at most",
    "norm": "each variable's gradient is scaled down to a norm of",
    "the norm of all": "all gradients together are scaled down to a norm of",
}
LIMIT_NOISE = 1e-2  # how far apart, relatively, limits found at two steps may be


def clipping(steps: list[list[tuple[np.ndarray, np.ndarray]]], noise: float) -> tuple[int, str] | None:
    """Recognize clipping by value, by norm, or by the norm of all."""
    limits: dict[str, list[float]] = {"value": [], "norm": [], "the norm of all": []}
    first = None
    for number, pairs in enumerate(steps):
        if apart(flat([a for a, _ in pairs]), flat([b for _, b in pairs])) <= noise:
            continue
        first = number if first is None else first
        for kind in list(limits):
            limit = _limit(kind, pairs, noise)
            if limit is None:
                del limits[kind]
            else:
                limits[kind].append(limit)
    for kind, values in limits.items():
        # A limit that is met once may be chance.
        if first is not None and len(values) > 1 and np.allclose(values, values[0], rtol=LIMIT_NOISE):
            return first, f"{WORDS[kind]} {values[0]:.4g} on the way to the update"
    return None


def _limit(kind: str, pairs: list[tuple[np.ndarray, np.ndarray]], noise: float) -> float | None:
    """Return the limit if `pairs`, each of a clipped and the full gradient, look clipped in that way."""
    if kind == "value":
        limit = max(float(np.abs(a).max()) for a, _ in pairs)
        same = all(
            np.allclose(a, np.clip(b, -limit, limit), rtol=noise, atol=noise * limit) for a, b in pairs
        )
        return limit if same else None
    groups = [pairs] if kind == "the norm of all" else [[pair] for pair in pairs]
    limits = []
    for group in groups:
        a, b = flat([a for a, _ in group]), flat([b for _, b in group])
        ratio = np.linalg.norm(a) / np.linalg.norm(b) if b.any() else 1.0
        if apart(a, ratio * b) > noise or ratio > 1 + noise:
            return None
        if ratio < 1 - noise:
            limits.append(float(np.linalg.norm(a)))
    return limits[0] if limits and np.allclose(limits, limits[0], rtol=LIMIT_NOISE) else None
