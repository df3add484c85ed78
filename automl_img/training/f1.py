"""Macro-F1 and cross-entropy of a whole split, from logits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def confusion_matrix(
    labels: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], classes: int
) -> npt.NDArray[np.int64]:
    """Count images by true class (rows) and predicted class (columns); shape (classes, classes)."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def macro_f1(confusion: npt.NDArray[np.int64]) -> float:
    """Mean over the classes of F1 = 2·TP / (2·TP + FP + FN).

    As in scikit-learn's ``f1_score(average="macro")``, a class that neither occurs nor is predicted does not count, and one that
    occurs and is never right counts as 0.

    Args:
        confusion: Counts by true class (rows) and predicted class (columns).
    """
    right = np.diag(confusion)
    involved = confusion.sum(0) + confusion.sum(1)
    present = involved > 0
    if not present.any():
        return 0.0
    return float(np.mean(2 * right[present] / involved[present]))


def cross_entropy(labels: npt.NDArray[np.int64], logits: npt.NDArray[np.float32]) -> float:
    """Mean of −log p(true class) in nats; ``logits`` of shape (n, classes)."""
    shifted = logits - logits.max(1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(1))
    return float(np.mean(log_sum - shifted[np.arange(len(labels)), labels]))


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probabilities of shape (n, classes) from logits of the same shape."""
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    probabilities: npt.NDArray[np.float32] = (exponentials / exponentials.sum(1, keepdims=True)).astype(np.float32)
    return probabilities
