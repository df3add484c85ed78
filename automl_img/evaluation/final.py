"""The last step of a search: the winner becomes a model file, is measured on validation, and once on the test images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from automl_img.data.splits import SplitIndices
from automl_img.data.store import PreparedStore
from automl_img.evaluation.metrics import task_metrics
from automl_img.evaluation.model_file import ModelCard, Winner, library_versions, write_model
from automl_img.plugin import PluginRegistry
from automl_img.training.artifacts import sha256_of
from automl_img.training.network import build_network
from automl_img.training.scoring import Scorer


def finalise(
    winner: Winner, store: PreparedStore, splits: SplitIndices, registry: PluginRegistry, folder: Path
) -> dict[str, Any]:
    """Write the winner's model to ``folder`` and return its figures on "validation" and "test".

    Whether the model averages over an image and its mirror image, and the thresholds, are decided on validation. The test images are
    read here, once.
    """
    network = build_network(winner.plan, registry).model
    network.load_weights(winner.weights)
    scorer = Scorer(network)
    truth = store.labels[splits.validation]
    plain = scorer.logits(store.images, splits.validation)
    both = scorer.logits(store.images, splits.validation, mirrored=True)
    task = store.task
    mirrored = task.score(truth, both).f1 > task.score(truth, plain).f1
    probabilities = task.probabilities(both if mirrored else plain)
    thresholds = task.thresholds(truth, probabilities)
    figures = {"validation": task_metrics(task, truth, probabilities, thresholds)}
    if len(splits.test):
        logits = scorer.logits(store.images, splits.test, mirrored=mirrored)
        figures["test"] = task_metrics(task, store.labels[splits.test], task.probabilities(logits), thresholds)
    card = ModelCard(
        plan=winner.plan,
        class_names=store.class_names,
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
