"""Which trained model wins: the best, a cheaper one that is as good within the noise, or several together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl_img.evaluation.calibration import fit_temperature
from automl_img.tasks import Task
from automl_img.tasks.scores import TINY, binary_cross_entropies, cross_entropies

Labels = npt.NDArray[np.int64] | npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]

RESAMPLES = 200
CHEAPER = 0.8  # of what the better one costs, from which on a model is worth being preferred
ROUNDS = 12  # members that the greedy selection draws, with replacement


@dataclass(frozen=True)
class Limit:
    """What the members of an ensemble may cost together.

    Attributes:
        of_each: Of each model.
        together: The most that their sum may be.
    """

    of_each: Sequence[float]
    together: float


@dataclass(frozen=True)
class Difference:
    """By how much one model's F1 is above another's on the same images.

    Attributes:
        mean: The difference as measured.
        error: Its standard error.
        interval: 95%.
    """

    mean: float
    error: float
    interval: tuple[float, float]

    @property
    def is_noise(self) -> bool:
        """Whether it is no larger than its own standard error."""
        return self.mean <= self.error


def paired_difference(task: Task, labels: Labels, first: Labels, second: Labels, seed: int) -> Difference:
    """Compare two models' decisions on the same images by a paired bootstrap: what is hard for both cancels out.

    Args:
        task: What the labels mean.
        labels: True labels.
        first, second: What the two models have decided, in the form of the labels.
        seed: Of the draws.

    Source:
        B. Efron, R. Tibshirani: An Introduction to the Bootstrap, 1993, chapter 16.
    """
    rng = np.random.default_rng(seed)
    n = len(labels)
    drawn = (rng.integers(0, n, n) for _ in range(RESAMPLES))
    differences = [task.f1(labels[rows], first[rows]) - task.f1(labels[rows], second[rows]) for rows in drawn]
    low, high = np.quantile(differences, [0.025, 0.975])
    mean = task.f1(labels, first) - task.f1(labels, second)
    return Difference(mean, float(np.std(differences, ddof=1)), (float(low), float(high)))


def paired_gain(labels: Labels, first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Return by how much the first model's cross-entropy is below the second's on the same images, and the error of that, in nats.

    Both are told at the temperature that suits them best, so that a model gains nothing by being less sure of everything. Cross-entropy
    hears of each image how near an answer was; F1 hears of it only where the answer changes, and needs many more images.

    Args:
        labels: True labels.
        first, second: Logits, shape (n, classes).
    """
    losses: Callable[..., npt.NDArray[np.floating]] = binary_cross_entropies if labels.ndim == 2 else cross_entropies
    behind, ahead = (losses(labels, calibrated(labels, one)) for one in (second, first))
    gains = behind.astype(np.float64) - ahead
    return float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else np.inf


def cheapest_of_tied(differences: Sequence[Difference], costs: Sequence[tuple[float, int]]) -> int:
    """Return the place of the winner among models that are ordered by F1, the best first.

    A model whose F1 lies below the best by no more than the standard error of the difference is as good as far as anybody can tell;
    the cheapest of those wins if it is clearly cheaper than the best (the one-standard-error rule of Breiman et al., 1984).

    Args:
        differences: Of the best to each, itself included.
        costs: Seconds, or operations, to predict one image, and weights, of each.
    """
    best_cost = costs[0][0]
    tied = [
        place
        for place, found in enumerate(differences)
        if place == 0 or (found.is_noise and costs[place][0] <= CHEAPER * best_cost)
    ]
    return min(tied, key=lambda place: (costs[place], place))


def greedy_ensemble(
    task: Task,
    labels: Labels,
    logits: Sequence[Logits],
    *,
    first: int = 0,
    most: int = 4,
    limits: Sequence[Limit] = (),
) -> dict[int, float]:
    """Return the shares by which models are averaged, by their places: greedily the one whose answers lower cross-entropy most.

    By F1, few images would choose luck: ``benchmarks/choosing.py`` has the figures.

    Args:
        task: What the labels mean.
        labels: True labels of the validation images.
        logits: Of each model on them, shape (n, classes), at the temperature that suits it best: :func:`calibrated`.
        first: The model to begin with.
        most: The most members.
        limits: That they keep together; the first model is a member in any case.

    Source:
        Selection with replacement: R. Caruana et al., "Ensemble Selection from Libraries of Models", ICML 2004.
    """
    truly = [_given_to_the_truth(labels, task.probabilities(one)) for one in logits]
    counts = {first: 1}
    total = truly[first]
    kept, best = dict(counts), _nats(total)
    for size in range(2, ROUNDS + 1):
        allowed = [place for place in range(len(logits)) if _fits({*counts, place}, most, limits)]
        losses = {place: _nats((total + truly[place]) / size) for place in allowed}
        place = min(losses, key=lambda one: (losses[one], one))
        counts[place] = counts.get(place, 0) + 1
        total = total + truly[place]
        if losses[place] < best:
            best, kept = losses[place], dict(counts)
    return {place: count / sum(kept.values()) for place, count in kept.items()}


def _fits(members: set[int], most: int, limits: Sequence[Limit]) -> bool:
    within = len(members) == 1 or all(sum(one.of_each[place] for place in members) <= one.together for one in limits)
    return len(members) <= most and within


def calibrated(labels: Labels, logits: Logits) -> Logits:
    """Return ``logits`` at the temperature that suits them best, so that a model gains and loses nothing by being less sure of all."""
    return (logits / fit_temperature(labels, logits)).astype(np.float32)


def _given_to_the_truth(labels: Labels, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The probability of what is true: of each image's class, or of each class's being there or not."""
    if labels.ndim == 2:
        return np.where(labels > 0, probabilities, 1 - probabilities).astype(np.float64)
    return probabilities[np.arange(len(labels)), labels].astype(np.float64)


def _nats(given: npt.NDArray[np.float64]) -> float:
    return float(-np.log(np.maximum(given, TINY)).mean())
