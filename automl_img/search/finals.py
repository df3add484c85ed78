"""Which configurations a search trains in full at its end, in their order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from automl_img.search.suggesting import PROMISING
from automl_img.search.trials import Record, Start

Final = tuple[str, dict[str, Any]]  # why, and the values of its hyperparameters


def best_of_each(ranked: Sequence[Record], complete: Callable[[Mapping[str, Any]], dict[str, Any]]) -> list[Final]:
    """Return the best configuration of each of the most promising architectures.

    Args:
        ranked: Trials that ended well, the most promising first.
        complete: Adds to its values what the search has learned since.
    """
    finals: dict[str, Final] = {}
    for record in ranked:
        assert record.result is not None
        why = f"the best of {record.spec.architecture} so far (F1 {record.result.f1:.3f}), trained in full"
        finals.setdefault(record.spec.architecture, (why, complete(record.spec.values)))
    return list(finals.values())[:PROMISING]


def last_resorts(starts: Sequence[Start], broken: Collection[str] = ()) -> list[Final]:
    """When nothing gave a model: the cheapest, in all the time that is left, whether or not that is enough for it."""
    usable = [start for start in starts if start.architecture not in broken]
    cheapest = sorted(usable, key=lambda start: start.seconds_per_image)
    why = "nothing gave a model yet; the cheapest network is trained in the time that is left"
    return [(why, dict(start.values)) for start in cheapest]


def one_training(start: Start, starts: Sequence[Start]) -> list[Final]:
    """When there is time for one training: the most promising; should it fail, whatever is cheapest."""
    why = f"the starting point of {start.architecture}: there is time for one training"
    others = [one for one in starts if one.architecture != start.architecture]
    return [(why, dict(start.values)), *last_resorts(others)]
