"""Figures of merit of predictions, computed by scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def classification_metrics(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float32], class_names: tuple[str, ...]
) -> dict[str, Any]:
    """Return the figures of one split.

    Args:
        labels: True classes, shape (n,).
        probabilities: Shape (n, classes).
        class_names: One name for each class.

    Returns:
        ``f1_macro``, ``f1_weighted``, ``accuracy``, ``balanced_accuracy``, ``log_loss`` (nats), ``images``, ``per_class`` (precision,
        recall, f1 and support by class name) and ``confusion`` (rows: true classes, columns: predicted).
    """
    from sklearn import metrics

    predicted = probabilities.argmax(1)
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(1, keepdims=True)  # float32 sums to one but for rounding, of which scikit-learn warns
    known = list(range(len(class_names)))
    present = sorted(set(labels.tolist()) | set(predicted.tolist()))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=known, zero_division=0.0
    )
    recalls = recall[support > 0]
    return {
        "f1_macro": float(metrics.f1_score(labels, predicted, labels=present, average="macro", zero_division=0.0)),
        "f1_weighted": float(
            metrics.f1_score(labels, predicted, labels=present, average="weighted", zero_division=0.0)
        ),
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "balanced_accuracy": float(recalls.mean()),
        "log_loss": float(metrics.log_loss(labels, exact, labels=known)),
        "images": len(labels),
        "per_class": {
            name: {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "support": int(support[i]),
            }
            for i, name in enumerate(class_names)
        },
        "confusion": metrics.confusion_matrix(labels, predicted, labels=known).tolist(),
    }
