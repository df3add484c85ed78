"""Curves over all thresholds: receiver operating characteristic, and precision against recall; each class against the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
POINTS = 60  # of a curve that is kept for drawing: more cannot be seen


@dataclass(frozen=True)
class Curve:
    """One class's curve.

    Attributes:
        name: The class.
        area: Area under the curve: ROC AUC, or average precision.
        x, y: Its points; false positive rate and recall, or recall and precision.
    """

    name: str
    area: float
    x: tuple[float, ...]
    y: tuple[float, ...]


def roc_curves(truth: npt.NDArray[np.uint8], probabilities: Floats, names: Sequence[str]) -> list[Curve]:
    """Return the ROC curve of each class that has images of its own and others.

    Args:
        truth: 0 and 1, shape (n, classes): whether an image is of a class.
        probabilities: Shape (n, classes).
        names: The classes.

    Source:
        scikit-learn's roc_curve and roc_auc_score.
    """
    from sklearn import metrics

    found = []
    for place in _decidable(truth):
        fall_out, recall, _ = metrics.roc_curve(truth[:, place], probabilities[:, place])
        found.append(_curve(names[place], float(metrics.auc(fall_out, recall)), fall_out, recall))
    return found


def precision_recall_curves(truth: npt.NDArray[np.uint8], probabilities: Floats, names: Sequence[str]) -> list[Curve]:
    """Return precision against recall of each class that has images of its own and others; the area is average precision.

    Takes what :func:`roc_curves` takes.

    Source:
        scikit-learn's precision_recall_curve; the area is that of its average_precision_score, from the same curve.
    """
    from sklearn import metrics

    found = []
    for place in _decidable(truth):
        precision, recall, _ = metrics.precision_recall_curve(truth[:, place], probabilities[:, place])
        area = float(-np.sum(np.diff(recall) * precision[:-1]))
        found.append(_curve(names[place], area, recall[::-1], precision[::-1]))
    return found


def mean_area(areas: Sequence[float]) -> float | None:
    """The macro average of the areas of curves; None where no class has one."""
    return float(np.mean(areas)) if areas else None


def against_the_rest(labels: npt.NDArray[np.integer], classes: int) -> npt.NDArray[np.uint8]:
    """Return labels of shape (n,) or (n, classes) as 0 and 1 for each class, shape (n, classes)."""
    if labels.ndim == 2:
        return labels.astype(np.uint8)
    truth: npt.NDArray[np.uint8] = (labels[:, None] == np.arange(classes)).astype(np.uint8)
    return truth


def _decidable(truth: npt.NDArray[np.uint8]) -> list[int]:
    counts = truth.sum(axis=0, dtype=np.int64)
    return [int(place) for place in np.flatnonzero((counts > 0) & (counts < len(truth)))]


def _curve(name: str, area: float, x: Floats, y: Floats) -> Curve:
    """Keep the points that a picture needs: those at equal steps along the curve's length."""
    if len(x) > POINTS:
        length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
        chosen = np.unique(np.searchsorted(length, np.linspace(0, length[-1], POINTS)).clip(0, len(x) - 1))
        x, y = x[chosen], y[chosen]
    return Curve(name, area, tuple(np.round(x, 4).tolist()), tuple(np.round(y, 4).tolist()))
