"""Exports the best model of a run, compared on its own images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from automl_img.data.splits import SplitIndices
from automl_img.evaluation.predictor import Predictor
from automl_img.export import Exported, export_model
from automl_img.recipe import recipe_from_mapping
from automl_img.search import run_folder
from automl_img.search.preparation import reopened_store
from automl_img.search.run_folder import RunFolder

EXPORT_FOLDER = "export"


def export_run(path: str | Path, name: str, out: Path | None, images: int) -> Exported:
    """Export the best model of the run in ``path``.

    Args:
        path: The run folder of a search that has ended.
        name: The format.
        out: A new folder; ``export/<format>`` in the run folder unless given.
        images: How many test images, or validation images where there are none, it is compared on.

    Raises:
        RunFolderError: It is no run folder, or its images are no longer there.
        ModelFileError: It has no model, or the export does not answer as it does.
        UsageError: The folder is not empty, or a library is missing.
    """
    folder = RunFolder.open(path)
    predictor = Predictor(folder.path)
    data = folder.read(run_folder.DATA_FILE)
    recipe = recipe_from_mapping(folder.read(run_folder.RECIPE_FILE))
    store, splits = reopened_store(recipe, data, folder.path), SplitIndices.load(folder.splits)
    held_out = splits.test if len(splits.test) else splits.validation
    chosen = np.sort(np.random.default_rng(recipe.seed).permutation(held_out)[:images])
    metrics = folder.read(run_folder.METRICS_FILE) if folder.has(run_folder.METRICS_FILE) else {}
    figures = {split: metrics[split] for split in ("validation", "test") if metrics.get(split)}
    target = out or folder.path / EXPORT_FOLDER / name
    return export_model(predictor, name, target, np.asarray(store.images[chosen]), figures)
