"""Whether a model is as often right as it says, and making it say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.tasks.scores import binary_cross_entropy, cross_entropy

Floats = npt.NDArray[np.floating]
BINS = 15
COLDEST, HOTTEST = 0.05, 20.0


@dataclass(frozen=True)
class Reliability:
    """Answers by how sure they were.

    Attributes:
        error: Expected calibration error: the mean distance of confidence and accuracy over the bins, weighted by their answers.
        confidence: Mean confidence in each bin that has answers.
        accuracy: Share of them that is right.
        count: How many they are.
    """

    error: float
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    count: tuple[int, ...]


def reliability(confidence: Floats, right: npt.NDArray[np.bool_], bins: int = BINS) -> Reliability:
    """Return how confidence and accuracy agree.

    Args:
        confidence: Probability of each answer, shape (n,).
        right: Whether it was right, shape (n,).
        bins: Of equal width, over 0 to 1.

    Source:
        C. Guo et al.: On Calibration of Modern Neural Networks, ICML 2017.
    """
    places = np.minimum((np.asarray(confidence, np.float64) * bins).astype(int), bins - 1)
    counts = np.bincount(places, minlength=bins)
    filled = counts > 0
    sure = np.bincount(places, confidence, bins)[filled] / counts[filled]
    true = np.bincount(places, right.astype(float), bins)[filled] / counts[filled]
    error = float(np.sum(counts[filled] * np.abs(sure - true)) / max(1, len(confidence)))
    return Reliability(error, tuple(sure.tolist()), tuple(true.tolist()), tuple(counts[filled].tolist()))


def fit_temperature(labels: npt.NDArray[Any], logits: npt.NDArray[np.float32]) -> float:
    """Return the number by which logits are to be divided so that probabilities say how often an answer is right.

    It moves no answer of a task with one label for each image, only how sure it is.

    Args:
        labels: True labels: int64, shape (n,), or 0 and 1, shape (n, classes).
        logits: Shape (n, classes).

    Source:
        Temperature scaling: C. Guo et al., ICML 2017.
    """
    from scipy.optimize import minimize_scalar

    loss = binary_cross_entropy if labels.ndim == 2 else cross_entropy

    def at(power: float) -> float:
        return loss(labels, logits / np.float32(np.exp(power)))

    found = minimize_scalar(at, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x)) if found.success and found.fun < at(0.0) else 1.0
