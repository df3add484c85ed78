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

    A share of 1 / (n + 2) of what is true is given to all classes alike, of several labels to yes and no: by a few images that are all
    answered rightly, the model would otherwise be sure of everything. With many images it changes nothing.

    Args:
        labels: True labels: int64, shape (n,), or 0 and 1, shape (n, classes).
        logits: Shape (n, classes).

    Source:
        Temperature scaling: C. Guo et al., ICML 2017. Targets short of 1: J. Platt, "Probabilistic Outputs for Support Vector Machines",
        1999.
    """
    from scipy.optimize import minimize_scalar

    several = labels.ndim == 2
    loss = binary_cross_entropy if several else cross_entropy
    ahead: npt.NDArray[Any] = (
        logits * (labels - 0.5) if several else logits[np.arange(len(labels)), labels] - logits.mean(axis=1)
    )
    # Cross-entropy is linear in its targets: what the share adds needs no second pass over the images.
    added = float(ahead.mean()) / (len(labels) + 2)

    def at(power: float) -> float:
        heat = float(np.exp(power))
        return loss(labels, logits / np.float32(heat)) + added / heat

    found = minimize_scalar(at, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x)) if found.success and found.fun < at(0.0) else 1.0
