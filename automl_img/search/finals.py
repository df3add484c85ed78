"""Which configurations a search trains in full at its end, in their order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from automl_img.search.prior import LUCK
from automl_img.search.suggesting import PROMISING
from automl_img.search.trials import Record, Start

FAR = 1.25  # times the error of the best, beyond which another architecture adds nothing to a mean with it

Final = tuple[str, dict[str, Any]]  # why, and the values of its hyperparameters


def best_of_each(
    ranked: Sequence[Record], complete: Callable[[Mapping[str, Any]], dict[str, Any]], *, together: int = 1
) -> list[Final]:
    """Return the best configuration of each of the most promising architectures.

    Args:
        ranked: Trials that ended well, the most promising first.
        complete: Adds to its values what the search has learned since.
        together: How many of them are trained side by side. Where fewer architectures are nearly as good as the first, that one is there
            several times: under other seeds it is as good a partner.
    """
    best: dict[str, Record] = {}
    for record in ranked:
        best.setdefault(record.spec.architecture, record)
    chosen = list(best.values())[:PROMISING]
    near = [record for record in chosen[:together] if _error(record) <= FAR * _error(chosen[0])]
    again = chosen[:1] * (together - len(near))
    return [_in_full(record, complete) for record in (*near, *again, *(one for one in chosen if one not in near))]


def _in_full(record: Record, complete: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Final:
    assert record.result is not None
    why = f"the best of {record.spec.architecture} so far (F1 {record.result.f1:.3f}), trained in full"
    return why, complete(record.spec.values)


def _error(record: Record) -> float:
    assert record.result is not None
    return 1 - record.result.f1 + LUCK


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
