"""The whole evidence on one split: figures with their intervals, and the curves behind them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.evaluation.calibration import Reliability, reliability
from automl_img.evaluation.curves import against_the_rest, class_curves, mean_area
from automl_img.evaluation.decision import confidence
from automl_img.evaluation.intervals import by_images, from_confusion
from automl_img.evaluation.metrics import task_metrics
from automl_img.tasks import Task

Labels = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
TOP = (3, 5)


def split_figures(
    task: Task,
    labels: Labels,
    probabilities: Floats,
    thresholds: tuple[float, ...] = (),
    *,
    seed: int = 0,
    prior: npt.NDArray[np.float64] | None = None,
    curves: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the figures of one split, as JSON can hold them.

    Args:
        task: What the labels mean.
        labels: True labels: int64, shape (n,), or for the multilabel task uint8, shape (n, classes).
        probabilities: Shape (n, classes).
        thresholds: For the multilabel and the binary task, of each class; 0.5 unless given.
        seed: Of the bootstrap.
        prior: Share of the training images that are of each class, for the baseline; None: no baseline.
        curves: What :func:`split_curves` has returned for the same answers; None: it is called here.

    Returns:
        What :func:`automl_img.evaluation.metrics.task_metrics` returns, and ``precision_macro``, ``recall_macro``, ``roc_auc_macro``
        and ``average_precision_macro`` (one class against the rest, mean over the classes with images; None where there is none),
        ``calibration_error``, ``intervals`` (95% bootstrap intervals of headline figures) and ``baseline`` (``f1`` and ``accuracy`` of
        always answering what is commonest in training). One label for each image: also ``matthews`` and ``top`` (share of images whose
        class is among the k most probable, by k).
    """
    figures = task_metrics(task, labels, probabilities, thresholds)
    curves = split_curves(task, labels, probabilities, thresholds) if curves is None else curves
    supported = [row for row in figures["per_class"].values() if row["support"]]
    figures["precision_macro"] = float(np.mean([row["precision"] for row in supported])) if supported else 0.0
    figures["recall_macro"] = float(np.mean([row["recall"] for row in supported])) if supported else 0.0
    figures["roc_auc_macro"] = mean_area([curve["area"] for curve in curves["roc"]])
    figures["average_precision_macro"] = mean_area([curve["area"] for curve in curves["precision_recall"]])
    figures["calibration_error"] = curves["reliability"]["error"]
    figures["intervals"] = _intervals(task, labels, probabilities, thresholds, figures, seed)
    if labels.ndim == 1:
        figures["matthews"] = _matthews(labels, task.decide(probabilities, thresholds), task.classes)
        figures["top"] = {str(k): _among_first(labels, probabilities, k) for k in TOP if k < task.classes}
    if prior is not None:
        figures["baseline"] = _baseline(task, labels, prior)
    return figures


def split_curves(
    task: Task, labels: Labels, probabilities: Floats, thresholds: tuple[float, ...] = ()
) -> dict[str, Any]:
    """Return ``roc``, ``precision_recall`` (each a list of curves) and ``reliability`` of one split, as JSON can hold them.

    The arguments are those of :func:`split_figures`.
    """
    roc, precision_recall = class_curves(against_the_rest(labels, task.classes), probabilities, task.class_names)
    return {
        "roc": [asdict(curve) for curve in roc],
        "precision_recall": [asdict(curve) for curve in precision_recall],
        "reliability": asdict(_reliability(task, labels, probabilities, thresholds)),
    }


def _reliability(task: Task, labels: Labels, probabilities: Floats, thresholds: tuple[float, ...]) -> Reliability:
    """One label: of the answers. Several: of every class's yes or no."""
    if labels.ndim == 2:
        return reliability(probabilities.ravel(), labels.ravel() > 0)
    decided = task.decide(probabilities, thresholds)
    return reliability(confidence(probabilities, decided), decided == labels)


def _matthews(labels: Labels, predicted: Labels, classes: int) -> float:
    """As scikit-learn's matthews_corrcoef, which makes a table of all pairs of classes for it."""
    true, found = (np.bincount(one, minlength=classes) for one in (labels, predicted))
    images, right = len(labels), int((labels == predicted).sum())
    together, of_true, of_found = (int(one @ other) for one, other in ((true, found), (true, true), (found, found)))
    spread = math.sqrt((images**2 - of_true) * (images**2 - of_found))
    return (right * images - together) / spread if spread else 0.0


def _among_first(labels: Labels, probabilities: Floats, k: int) -> float:
    first = np.argpartition(-probabilities, k - 1, axis=1)[:, :k]
    return float((first == labels[:, None]).any(axis=1).mean())


def _intervals(
    task: Task, labels: Labels, probabilities: Floats, thresholds: tuple[float, ...], figures: dict[str, Any], seed: int
) -> dict[str, Any]:
    decided = task.decide(probabilities, thresholds)
    if task.kind == "multilabel":
        found = {"f1_macro": by_images(len(labels), lambda drawn: task.f1(labels[drawn], decided[drawn]), seed)}
        exact = (labels == decided).all(axis=1)
        return {
            **found,
            "f1": found["f1_macro"],
            "accuracy": by_images(len(labels), lambda d: float(exact[d].mean()), seed),
        }
    found = from_confusion(figures["confusion"], seed)
    if task.kind == "hierarchical":
        return {**found, "f1": by_images(len(labels), lambda d: task.f1(labels[d], decided[d]), seed)}
    return {**found, "f1": found["f1_macro"]}


def _baseline(task: Task, labels: Labels, prior: npt.NDArray[np.float64]) -> dict[str, float]:
    """Of one label the commonest class; of several those that more than half of the images have, or else the commonest."""
    if task.kind == "multilabel":
        answer = (prior > 0.5) if (prior > 0.5).any() else prior == prior.max()
        decided = np.tile(answer.astype(np.uint8), (len(labels), 1))
        return {"f1": task.f1(labels, decided), "accuracy": float((labels == decided).all(axis=1).mean())}
    always = np.full(len(labels), int(prior.argmax()))
    return {"f1": task.f1(labels, always), "accuracy": float((labels == always).mean())}
