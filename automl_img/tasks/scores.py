"""Macro-F1, cross-entropy and thresholds of a whole split, from logits and probabilities."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

TINY = 1e-7  # below which a probability is taken for this, so that its logarithm stays finite


def macro_f1(labels: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], classes: int) -> float:
    """Mean over the classes of F1 = 2·TP / (2·TP + FP + FN).

    As in scikit-learn's ``f1_score(average="macro")``, a class that neither occurs nor is predicted does not count, and one that
    occurs and is never right counts as 0.

    Args:
        labels: True class of each image, shape (n,).
        predicted: Predicted class of each image, shape (n,).
        classes: How many there are.
    """
    true, found, right = (
        np.bincount(each, minlength=classes) for each in (labels, predicted, labels[labels == predicted])
    )
    involved = true + found
    present = involved > 0
    if not present.any():
        return 0.0
    return float(np.mean(2 * right[present] / involved[present]))


def share_error(share: float, images: int) -> float:
    """Return the standard error of a share of ``images``: that of accuracy, and nearly that of macro-F1 where classes are of one size.

    A share of 0 or 1 of few images has an error too: two images more of either kind are counted (Agresti and Coull, 1998).
    """
    adjusted = (share * images + 2) / (images + 4)
    return math.sqrt(adjusted * (1 - adjusted) / (images + 4))


def cross_entropies(labels: npt.NDArray[np.int64], logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return −log p(true class) of each image in nats, shape (n,); ``logits`` of shape (n, classes)."""
    shifted = logits - logits.max(1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(1))
    losses: npt.NDArray[np.float32] = log_sum - shifted[np.arange(len(labels)), labels]
    return losses


def cross_entropy(labels: npt.NDArray[np.int64], logits: npt.NDArray[np.float32]) -> float:
    """Return the mean of :func:`cross_entropies`."""
    return float(np.mean(cross_entropies(labels, logits)))


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probabilities of shape (n, classes) from logits of the same shape."""
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    probabilities: npt.NDArray[np.float32] = (exponentials / exponentials.sum(1, keepdims=True)).astype(np.float32)
    return probabilities


def sigmoid(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return 1 / (1 + exp(−logit)) without overflow; the shape stays."""
    small = np.exp(-np.abs(logits))
    probabilities: npt.NDArray[np.float32] = np.where(logits >= 0, 1 / (1 + small), small / (1 + small)).astype(
        np.float32
    )
    return probabilities


def binary_cross_entropies(labels: npt.NDArray[np.uint8], logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return for each image the mean over the classes of −log p(what is true) in nats, shape (n,); both of shape (n, classes)."""
    values = logits.astype(np.float64)
    losses: npt.NDArray[np.float64] = np.mean(
        np.maximum(values, 0) - values * labels + np.log1p(np.exp(-np.abs(values))), axis=1
    )
    return losses


def binary_cross_entropy(labels: npt.NDArray[np.uint8], logits: npt.NDArray[np.float32]) -> float:
    """Return the mean of :func:`binary_cross_entropies`."""
    return float(np.mean(binary_cross_entropies(labels, logits)))


def best_thresholds(
    labels: npt.NDArray[np.uint8], probabilities: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return for each class the threshold with the best F1, and that F1.

    Every cut between two neighbouring probabilities is tried; the threshold lies half-way between them. A class without images has
    0.5, and the F1 0.

    Args:
        labels: 0 and 1, shape (n, classes).
        probabilities: Shape (n, classes).
    """
    order = np.argsort(-probabilities, axis=0, kind="stable")
    ranked = np.take_along_axis(probabilities.astype(np.float64), order, axis=0)
    right = np.take_along_axis(labels, order, axis=0).cumsum(axis=0, dtype=np.int64)
    taken = np.arange(1, len(labels) + 1)[:, np.newaxis]
    f1 = 2 * right / (taken + right[-1])
    below = np.vstack([ranked[1:], np.zeros_like(ranked[:1])])
    f1[:-1][ranked[:-1] == ranked[1:]] = -1  # equal probabilities cannot be cut apart
    cut = f1.argmax(axis=0)
    columns = np.arange(labels.shape[1])
    thresholds = (ranked[cut, columns] + below[cut, columns]) / 2
    empty = right[-1] == 0
    return np.where(empty, 0.5, thresholds), np.where(empty, 0.0, f1[cut, columns])
