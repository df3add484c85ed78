"""Labels that are probably wrong: where a model that has not seen an image is sure of something else than its label."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.evaluation.predictions import Predictions
from automl_img.tasks import Task


@dataclass(frozen=True)
class Suspect:
    """An image whose label is probably wrong.

    Attributes:
        split: In which it is.
        row: Of the prepared store.
        label: What it is called.
        predicted: What the model calls it.
        confidence: Probability of that; of several labels, the highest among those that differ.
        quality: How likely its label is right, 0 to 1.
    """

    split: str
    row: int
    label: str
    predicted: str
    confidence: float
    quality: float


def suspects(predictions: Mapping[str, Predictions], task: Task, thresholds: tuple[float, ...] = ()) -> list[Suspect]:
    """Return the images whose labels are probably wrong, the worst first.

    Only images that the model has not been trained on can be judged: those of the validation and test splits.

    Args:
        predictions: By split.
        task: What the labels mean.
        thresholds: For the multilabel and the binary task, of each class.

    Source:
        Confident learning: C. Northcutt et al., JAIR 70 (2021); cleanlab's find_label_issues and get_label_quality_scores.
    """
    labels = np.concatenate([one.labels for one in predictions.values()])
    probabilities = np.concatenate([one.probabilities for one in predictions.values()]).astype(np.float64)
    places = [(split, int(row)) for split, one in predictions.items() for row in one.indices]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes of few images are judged less surely, which their quality says
        found, quality = (_several_labels if labels.ndim == 2 else _one_label)(labels, probabilities)
    decided = task.decide(probabilities.astype(np.float32), thresholds)
    named, meant = task.names(decided), task.names(labels)
    listed = []
    for place in found:
        confidence = _confidence(labels[place], decided[place], probabilities[place])
        if confidence is not None:
            split, row = places[place]
            listed.append(
                Suspect(split, row, _text(meant[place]), _text(named[place]), confidence, float(quality[place]))
            )
    return listed


def _one_label(labels: npt.NDArray[Any], probabilities: npt.NDArray[np.float64]) -> tuple[Any, Any]:
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    found = find_label_issues(labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    return found, get_label_quality_scores(labels, probabilities, method="self_confidence")


def _several_labels(labels: npt.NDArray[Any], probabilities: npt.NDArray[np.float64]) -> tuple[Any, Any]:
    from cleanlab.filter import find_label_issues
    from cleanlab.multilabel_classification import get_label_quality_scores

    # Of a label that all images have, or none, nothing can be learned; cleanlab refuses it.
    divided = np.flatnonzero(labels.any(axis=0) & ~labels.all(axis=0))
    if not len(divided):
        return [], []
    found: set[int] = set()
    for label in divided:
        there, sure = labels[:, label].astype(np.int64), probabilities[:, label]
        both = np.column_stack([1 - sure, sure])
        found.update(map(int, find_label_issues(there, both, return_indices_ranked_by="self_confidence", n_jobs=1)))
    quality = get_label_quality_scores([np.flatnonzero(row).tolist() for row in labels], probabilities)
    return sorted(found, key=lambda place: (quality[place], place)), quality


def _confidence(label: Any, decided: Any, probabilities: npt.NDArray[np.float64]) -> float | None:
    """How sure the model is of what differs from the label; None where it answers what the label says."""
    if np.ndim(label) == 0:
        return None if label == decided else float(probabilities[decided])
    differs = np.flatnonzero(label != decided)
    sure = np.where(decided[differs] > 0, probabilities[differs], 1 - probabilities[differs])
    return float(sure.max()) if len(differs) else None


def _text(name: Any) -> str:
    return ", ".join(name) or "nothing" if isinstance(name, tuple) else str(name)
