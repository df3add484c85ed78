"""Exports the best model of a run, compared on its own images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from automl_img.data.splits import SplitIndices
from automl_img.evaluation.predictor import Predictor
from automl_img.export import Exported, Samples, export_model, exporter_of
from automl_img.plugin.exporter import MAX_F1_LOSS
from automl_img.plugin.trust import discover_trusted
from automl_img.recipe import recipe_from_mapping
from automl_img.search import run_folder
from automl_img.search.preparation import reopened_store
from automl_img.search.run_folder import RunFolder

COMPARED = 200  # images
COMPARED_BY_F1 = 1000  # of 200 images one alone moves F1 by half of the loss that is allowed
CALIBRATING = 300


def export_run(
    path: str | Path,
    format: str,
    out: Path | None = None,
    images: int | None = None,
    *,
    max_f1_loss: float = MAX_F1_LOSS,
) -> Exported:
    """Export the best model of the run in ``path``.

    Args:
        path: The run folder of a search that has ended.
        format: The name of the format.
        out: A new folder; ``export/<format>`` in the run folder unless given.
        images: How many test images, or validation images where there are none, it is compared on; 200 unless given, 1000 for a format
            that is judged by its F1.
        max_f1_loss: By how much the F1 of a calibrated format may be below that of Keras.

    Raises:
        RunFolderError: It is no run folder, its images are no longer there, or a link in it leads elsewhere.
        ModelFileError: It has no model, or the export does not answer as it does, or not well enough.
        UsageError: There is no such format, the folder is not empty, or a library is missing.
        PluginError: The exporter was left out, or is in a module that nobody here has named or used.
    """
    folder = RunFolder.open(path)
    if out is None:
        folder.refuse_links()
    recipe = recipe_from_mapping(folder.read(run_folder.RECIPE_FILE))
    # `only` is what the search may use; a format is what a person asks for now.
    registry = discover_trusted(
        recipe.plugins.modules,
        lambda found: format.replace("-", "_") in found.names("exporter"),
        where=str(folder.path),
        block=recipe.plugins.block,
    )
    exporter = exporter_of(format, registry)
    predictor = Predictor(folder.path)
    data = folder.read(run_folder.DATA_FILE)
    store, splits = reopened_store(recipe, data, folder.path), SplitIndices.load(folder.splits)
    random = np.random.default_rng(recipe.seed)
    calibrating = np.sort(random.permutation(splits.validation)[:CALIBRATING])
    held_out = splits.test if len(splits.test) else np.setdiff1d(splits.validation, calibrating)
    count = images or (COMPARED_BY_F1 if exporter.calibrated else COMPARED)
    chosen = np.sort(random.permutation(held_out if len(held_out) else splits.validation)[:count])
    samples = Samples(np.asarray(store.images[chosen]), store.labels[chosen], np.asarray(store.images[calibrating]))
    metrics = folder.read(run_folder.METRICS_FILE) if folder.has(run_folder.METRICS_FILE) else {}
    figures = {split: metrics[split] for split in ("validation", "test") if metrics.get(split)}
    target = out or folder.exports / exporter.format
    return export_model(predictor, exporter, target, samples, figures, max_f1_loss=max_f1_loss)
