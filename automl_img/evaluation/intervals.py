"""How sure the headline figures are: bootstrap intervals over the images of a split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

RESAMPLES, AT_ONCE = 1000, 100  # at once: what is held in memory together
LEVEL = 0.95

Interval = list[float]


def from_confusion(confusion: Sequence[Sequence[int]], seed: int) -> dict[str, Interval]:
    """Return 95% intervals of macro-F1 and accuracy for answers with one label each.

    Drawing n images with replacement draws each cell of the confusion matrix as often as a multinomial does, so that no image need be
    looked at again.

    Args:
        confusion: Its cells: true class, predicted class, images.
        seed: Of the draws.

    Source:
        B. Efron: Bootstrap Methods: Another Look at the Jackknife, Annals of Statistics 7 (1979); percentile intervals.
    """
    rng = np.random.default_rng(seed)
    true, predicted, counts = np.array(confusion, np.int64).T
    size = int(max(true.max(), predicted.max())) + 1
    total, shares = counts.sum(), counts / counts.sum()
    rounds = range(RESAMPLES // AT_ONCE)
    draws = [_figures(rng.multinomial(total, shares, AT_ONCE), (true, predicted), size) for _ in rounds]
    f1, accuracy = (np.concatenate(part) for part in zip(*draws, strict=True))
    return {"f1_macro": _interval(f1), "accuracy": _interval(accuracy)}


def _figures(draws: Any, places: tuple[Any, Any], size: int) -> tuple[Any, Any]:
    """Macro-F1 and accuracy of drawn counts, shape (resamples, cells), of the cells at ``places`` (true, predicted)."""
    true, predicted = places
    right, rows, columns = (np.zeros((size, len(draws))) for _ in range(3))
    np.add.at(rows, true, draws.T)
    np.add.at(columns, predicted, draws.T)
    hits = true == predicted
    np.add.at(right, true[hits], draws.T[hits])
    involved = rows + columns
    present = involved > 0
    f1 = np.divide(2 * right, involved, out=np.zeros_like(right), where=present)
    # Classes that a draw holds nothing of do not count, as in scikit-learn's F1 over the labels that are present.
    return f1.sum(axis=0) / np.maximum(1, present.sum(axis=0)), right.sum(axis=0) / draws.sum(axis=1)


def by_images(
    images: int, figure: Callable[[npt.NDArray[np.int64]], float], seed: int, resamples: int = 200
) -> Interval:
    """Return the 95% interval of any figure of drawn images.

    Args:
        images: How many there are.
        figure: Maps indices of drawn images to the figure.
        seed: Of the draws.
        resamples: How often images are drawn.
    """
    rng = np.random.default_rng(seed)
    return _interval(np.array([figure(rng.integers(0, images, images)) for _ in range(resamples)]))


def _interval(values: npt.NDArray[Any]) -> Interval:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return [float(low), float(high)]
