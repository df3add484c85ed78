"""The last step of a search: the winner becomes a model file, is measured on validation, and once on the test images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from automl_img.data.splits import SplitIndices
from automl_img.data.store import PreparedStore
from automl_img.evaluation.calibration import fit_temperature
from automl_img.evaluation.evidence import split_curves, split_figures
from automl_img.evaluation.model_file import ModelCard, Winner, library_versions, write_model
from automl_img.evaluation.predictions import CURVES_FILE, Predictions
from automl_img.plugin import PluginRegistry
from automl_img.training.artifacts import sha256_of, write_json
from automl_img.training.network import build_network
from automl_img.training.scoring import Scorer


def finalise(
    winner: Winner,
    store: PreparedStore,
    splits: SplitIndices,
    registry: PluginRegistry,
    folder: Path,
    evidence: Path,
    seed: int,
) -> dict[str, Any]:
    """Write the winner's model to ``folder`` and its predictions and curves to ``evidence``; return its figures by split.

    Whether the model averages over an image and its mirror image, the temperature of its probabilities, and the thresholds are decided
    on validation. The test images are read here, once.
    """
    network = build_network(winner.plan, registry).model
    network.load_weights(winner.weights)
    scorer, task = Scorer(network), store.task
    truth = store.labels[splits.validation]
    plain = scorer.logits(store.images, splits.validation)
    both = scorer.logits(store.images, splits.validation, mirrored=True)
    mirrored = task.score(truth, both).f1 > task.score(truth, plain).f1
    chosen = both if mirrored else plain
    temperature = fit_temperature(truth, chosen)
    thresholds = task.thresholds(truth, task.probabilities(chosen / np.float32(temperature)))
    logits = {"validation": (splits.validation, chosen)}
    if len(splits.test):
        logits["test"] = (splits.test, scorer.logits(store.images, splits.test, mirrored=mirrored))
    prior = task.counts(store.labels[splits.train]) / len(splits.train)
    figures: dict[str, Any] = {}
    curves: dict[str, Any] = {}
    for split, (indices, found) in logits.items():
        probabilities = task.probabilities(found / np.float32(temperature))
        labels = store.labels[indices]
        figures[split] = split_figures(task, labels, probabilities, thresholds, seed=seed, prior=prior)
        curves[split] = split_curves(task, labels, probabilities)
        Predictions(indices, labels, probabilities).save(evidence / f"{split}.npz")
    write_json(evidence / CURVES_FILE, curves)
    card = ModelCard(
        plan=winner.plan,
        class_names=store.class_names,
        temperature=temperature,
        thresholds=thresholds,
        plugins=winner.plugins,
        plugin_modules=winner.plugin_modules,
        mirrored=bool(mirrored),
        weights_sha256=sha256_of(Path(winner.weights)),
        trained=winner.trained,
        versions=library_versions(),
    )
    write_model(folder, card, Path(winner.weights))
    return figures
