"""Figures of merit of predictions, as scikit-learn computes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.tasks import Hierarchical, Task

Labels = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]


def f1_name(kind: str) -> str:
    """Return what the F1 is called that a task of this kind is judged by."""
    return "hierarchical F1" if kind == "hierarchical" else "macro-F1"


def task_metrics(
    task: Task, labels: Labels, probabilities: Floats, thresholds: tuple[float, ...] = ()
) -> dict[str, Any]:
    """Return the figures of one split.

    Args:
        task: What the labels mean.
        labels: True labels: int64, shape (n,), or for the multilabel task uint8, shape (n, classes).
        probabilities: Shape (n, classes).
        thresholds: For the multilabel and the binary task, of each class; 0.5 unless given.

    Returns:
        Always ``f1``, the figure that the task is judged by, ``f1_macro``, ``f1_weighted``, ``accuracy`` (multilabel: all labels of an
        image right), ``log_loss`` (nats; multilabel: mean over the classes), ``images`` and ``per_class`` (precision, recall, f1 and
        support by class name). One label for each image: also ``balanced_accuracy`` and ``confusion``, as :func:`confusion` returns it.
        Multilabel: ``f1_micro``, ``hamming_loss``, and each class's threshold in ``per_class``. Hierarchical: ``f1_hierarchical``,
        ``precision_hierarchical``, ``recall_hierarchical``, and ``levels`` with macro-F1 and accuracy of each.
    """
    if labels.ndim == 2:
        return _several_labels(task, labels, probabilities, thresholds)
    predicted = task.decide(probabilities, thresholds)
    figures = _one_label(task, labels, probabilities, predicted)
    if isinstance(task, Hierarchical):
        figures.update(_hierarchy(task, labels, predicted))
    return figures


def _one_label(task: Task, labels: Labels, probabilities: Floats, predicted: Labels) -> dict[str, Any]:
    from sklearn import metrics

    # As in scikit-learn's log_loss, whose table of all images and classes takes eight times the memory of the probabilities.
    given = probabilities[np.arange(len(labels)), labels] / probabilities.sum(axis=1, dtype=np.float64)
    known = list(range(task.classes))
    present = sorted(set(labels.tolist()) | set(predicted.tolist()))
    per_class = _per_class(task.class_names, labels, predicted, known)
    macro = _f1(labels, predicted, present, "macro")
    return {
        "task": task.kind,
        "f1": macro,
        "f1_macro": macro,
        "f1_weighted": _f1(labels, predicted, present, "weighted"),
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "balanced_accuracy": float(np.mean([row["recall"] for row in per_class.values() if row["support"]])),
        "log_loss": float(-np.log(np.maximum(given, np.finfo(np.float64).eps)).mean()),
        "images": len(labels),
        "per_class": per_class,
        "confusion": confusion(labels, predicted, task.classes),
    }


def confusion(labels: Labels, predicted: Labels, classes: int) -> list[list[int]]:
    """Return the cells of the confusion matrix that are not 0, in the order of the classes: true class, predicted class, images.

    Of ten thousand classes the whole matrix would take a gigabyte; of these cells there are no more than images.

    Args:
        labels, predicted: Shape (n,).
        classes: How many there are.
    """
    pairs, counts = np.unique(labels * classes + predicted, return_counts=True)
    cells: list[list[int]] = np.column_stack([*np.divmod(pairs, classes), counts]).tolist()
    return cells


def _several_labels(task: Task, labels: Labels, probabilities: Floats, thresholds: tuple[float, ...]) -> dict[str, Any]:
    from sklearn import metrics

    predicted = task.decide(probabilities, thresholds)
    present = np.flatnonzero(labels.any(axis=0) | predicted.any(axis=0)).tolist()
    per_class = _per_class(task.class_names, labels, predicted, list(range(task.classes)))
    for name, limit in zip(task.class_names, thresholds or (0.5,) * task.classes, strict=True):
        per_class[name]["threshold"] = limit
    clipped = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    surprise = -np.where(labels > 0, np.log(clipped), np.log1p(-clipped))
    macro = _f1(labels, predicted, present, "macro") if present else 0.0
    return {
        "task": task.kind,
        "f1": macro,
        "f1_macro": macro,
        "f1_weighted": _f1(labels, predicted, present, "weighted") if present else 0.0,
        "f1_micro": _f1(labels, predicted, present, "micro") if present else 0.0,
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "hamming_loss": float(metrics.hamming_loss(labels, predicted)),
        "log_loss": float(surprise.mean()),
        "images": len(labels),
        "per_class": per_class,
    }


def _hierarchy(task: Hierarchical, labels: Labels, predicted: Labels) -> dict[str, Any]:
    from sklearn import metrics

    precision, recall, f1 = task.precision_recall_f1(labels, predicted)
    levels = []
    for level, nodes in enumerate(task.levels):
        place = task.at_level(level)
        true, found = place[labels], place[predicted]
        present = sorted(set(true.tolist()) | set(found.tolist()))
        levels.append(
            {
                "nodes": len(nodes),
                "f1_macro": _f1(true, found, present, "macro"),
                "accuracy": float(metrics.accuracy_score(true, found)),
            }
        )
    return {
        "f1": f1,
        "f1_hierarchical": f1,
        "precision_hierarchical": precision,
        "recall_hierarchical": recall,
        "levels": levels,
    }


def _f1(labels: Labels, predicted: Labels, present: list[int], average: str) -> float:
    from sklearn import metrics

    return float(metrics.f1_score(labels, predicted, labels=present, average=average, zero_division=0.0))


def _per_class(names: tuple[str, ...], labels: Labels, predicted: Labels, known: list[int]) -> dict[str, Any]:
    from sklearn import metrics

    columns = metrics.precision_recall_fscore_support(labels, predicted, labels=known, zero_division=0.0)
    rows = zip(names, *columns, strict=True)
    return {
        name: {"precision": float(precision), "recall": float(recall), "f1": float(f1), "support": int(support)}
        for name, precision, recall, f1, support in rows
    }
