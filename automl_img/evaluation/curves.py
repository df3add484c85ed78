"""Curves over all thresholds: receiver operating characteristic, and precision against recall; each class against the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
POINTS = 60  # of a curve that is kept for drawing: more cannot be seen
DRAWN = 100  # curves of a kind that are kept, those with the smallest areas: of thousands nobody looks at the others


@dataclass(frozen=True)
class Curve:
    """One class's curve.

    Attributes:
        name: The class.
        area: Area under the curve: ROC AUC, or average precision.
        x, y: Its points; false positive rate and recall, or recall and precision. Empty: they are not kept.
    """

    name: str
    area: float
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()


def class_curves(
    truth: npt.NDArray[np.uint8], probabilities: Floats, names: Sequence[str]
) -> tuple[list[Curve], list[Curve]]:
    """Return the ROC curve, and precision against recall, of each class that has images of its own and others.

    All have their areas; of each kind the :data:`DRAWN` with the smallest have their points.

    Args:
        truth: 0 and 1, shape (n, classes): whether an image is of a class.
        probabilities: Shape (n, classes).
        names: The classes.

    Source:
        scikit-learn's roc_curve and precision_recall_curve; the areas are those of its roc_auc_score and average_precision_score.
    """
    from sklearn import metrics

    places = _decidable(truth)
    areas = [_areas(truth[:, place] > 0, probabilities[:, place]) for place in places]

    def roc(number: int) -> tuple[Floats, Floats]:
        place = places[number]
        fall_out, recall, _ = metrics.roc_curve(truth[:, place], probabilities[:, place])
        return fall_out, recall

    def precision_recall(number: int) -> tuple[Floats, Floats]:
        place = places[number]
        precision, recall, _ = metrics.precision_recall_curve(truth[:, place], probabilities[:, place])
        return recall[::-1], precision[::-1]

    chosen = [names[place] for place in places]
    return (
        _curves(chosen, [auc for auc, _ in areas], roc),
        _curves(chosen, [precision for _, precision in areas], precision_recall),
    )


def mean_area(areas: Sequence[float]) -> float | None:
    """The macro average of the areas of curves; None where no class has one."""
    return float(np.mean(areas)) if areas else None


def against_the_rest(labels: npt.NDArray[np.integer], classes: int) -> npt.NDArray[np.uint8]:
    """Return labels of shape (n,) or (n, classes) as 0 and 1 for each class, shape (n, classes)."""
    if labels.ndim == 2:
        return labels.astype(np.uint8)
    truth: npt.NDArray[np.uint8] = (labels[:, None] == np.arange(classes)).view(np.uint8)
    return truth


def _decidable(truth: npt.NDArray[np.uint8]) -> list[int]:
    counts = truth.sum(axis=0, dtype=np.int64)
    return [int(place) for place in np.flatnonzero((counts > 0) & (counts < len(truth)))]


def _areas(mine: npt.NDArray[np.bool_], probabilities: Floats) -> tuple[float, float]:
    """Return ROC AUC and average precision of a class, by the ranks of its own images among the others: curves of all classes take long.

    ROC AUC is how often an image of the class is more probable than another, where equals count half (H. Mann, D. Whitney, 1947), average
    precision the mean over its images of the precision of all that are no less probable.

    Args:
        mine: Whether an image is of the class, shape (n,).
        probabilities: Of the class, shape (n,).
    """
    own, others = np.sort(probabilities[mine]), probabilities[~mine]
    # How many of its own are less probable than each other image, and how many are no more probable.
    below, reached = (np.searchsorted(own, others, side) for side in ("left", "right"))
    area = 1 - int(below.sum() + reached.sum()) / (2 * len(own) * len(others))
    wrong = len(others) - np.bincount(reached, minlength=len(own) + 1).cumsum()[:-1]
    right = len(own) - np.searchsorted(own, own)
    return area, float(np.mean(right / (right + wrong)))


def _curves(
    names: Sequence[str], areas: Sequence[float], points_of: Callable[[int], tuple[Floats, Floats]]
) -> list[Curve]:
    weakest = sorted(range(len(areas)), key=lambda number: areas[number])[:DRAWN]
    points = {number: _kept(*points_of(number)) for number in weakest}
    return [
        Curve(name, area, *points.get(number, ())) for number, (name, area) in enumerate(zip(names, areas, strict=True))
    ]


def _kept(x: Floats, y: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The points that a picture needs: those at equal steps along the curve's length."""
    if len(x) > POINTS:
        length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
        chosen = np.unique(np.searchsorted(length, np.linspace(0, length[-1], POINTS)).clip(0, len(x) - 1))
        x, y = x[chosen], y[chosen]
    return tuple(np.round(x, 4).tolist()), tuple(np.round(y, 4).tolist())
