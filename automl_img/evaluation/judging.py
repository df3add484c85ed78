"""The evidence on a model's answers to a split: figures, curves, parts of the images, and the answers themselves."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.data.splits import SplitIndices
from automl_img.data.store import PreparedStore
from automl_img.evaluation.decision import Decision, coverage_curve, decision_figures
from automl_img.evaluation.evidence import split_curves, split_figures
from automl_img.evaluation.predictions import CURVES_FILE, Predictions
from automl_img.evaluation.slices import properties_of, slices_of
from automl_img.training.artifacts import write_json

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Judge:
    """Judges a model's answers.

    Attributes:
        store, splits: The images.
        thresholds: Of the model, for the multilabel and the binary task.
        decision: Of the model.
        evidence: Folder where answers and curves are kept.
        seed: Of the bootstrap.
    """

    store: PreparedStore
    splits: SplitIndices
    thresholds: tuple[float, ...]
    decision: Decision
    evidence: Path
    seed: int

    def split(self, name: str, indices: npt.NDArray[np.int64], probabilities: Floats, energy: Floats) -> dict[str, Any]:
        """Keep the evidence on one split, and return its figures, as JSON can hold them.

        Args:
            name: "validation" or "test".
            indices: Rows of its images, shape (n,).
            probabilities: Of the classes, calibrated, shape (n, classes).
            energy: Shape (n,).
        """
        task, labels = self.store.task, self.store.labels[indices]
        prior = task.counts(self.store.labels[self.splits.train]) / len(self.splits.train)
        curves = split_curves(task, labels, probabilities, self.thresholds)
        figures = split_figures(
            task, labels, probabilities, self.thresholds, seed=self.seed, prior=prior, curves=curves
        )
        decided = task.decide(probabilities, self.thresholds)
        if labels.ndim == 1:
            curves["coverage"] = coverage_curve(labels, decided, probabilities)
        if not self.decision.is_plain:
            figures["decision"] = decision_figures(task, labels, probabilities, energy, self.decision, self.thresholds)
        parts = slices_of(task, labels, decided, properties_of(self.store, indices))
        curves["slices"] = [asdict(one) for one in parts]
        Predictions(indices, labels, probabilities, decided).save(self.evidence / f"{name}.npz")
        self._keep(name, curves)
        return figures

    def _keep(self, name: str, curves: dict[str, Any]) -> None:
        """Put the curves of a split beside those of the splits that were judged before it; validation comes first."""
        path = self.evidence / CURVES_FILE
        before = json.loads(path.read_text(encoding="utf-8")) if name != "validation" and path.is_file() else {}
        write_json(path, {**before, name: curves})
