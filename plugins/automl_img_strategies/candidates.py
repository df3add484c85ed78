"""The candidates among which a model chooses the next trial: random ones, and step by step those beside the most promising."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

DRAWN = 1000  # candidates that are drawn anew for each suggestion
NEAR, NEIGHBOURS = 12, 16  # of the most promising, each with so many beside it


def climb(
    promise: Callable[[Any], Any], best: Any, beside: Callable[[Any, Any], Any], random: Any, *, turns: int
) -> tuple[Any, Any]:
    """Return candidates, shape ``(candidates, axes)`` from 0 to 1, and their promise, the higher the better.

    Args:
        promise: Of many candidates at once.
        best: The best :data:`NEAR` that were tried, as candidates.
        beside: Returns :data:`NEIGHBOURS` candidates beside each one, given them and ``random``.
        random: A ``numpy.random.RandomState``.
        turns: How often to look beside the most promising.
    """
    import numpy as np

    candidates = np.concatenate([random.random_sample((DRAWN, best.shape[1])), beside(best, random)])
    promises = promise(candidates)
    for _ in range(turns):
        near = beside(candidates[np.argsort(-promises, kind="stable")[:NEAR]], random)
        candidates, promises = np.concatenate([candidates, near]), np.concatenate([promises, promise(near)])
    return candidates, promises
