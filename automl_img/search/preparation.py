"""The data of a search: loaded, looked at, described, stored and split, and opened again afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.cache import Keep, cache_folder, entries_of
from automl_img.data.analysis import analyse
from automl_img.data.arrays import validated
from automl_img.data.inspection import Inspection, Limits, inspect_dataset
from automl_img.data.splits import SplitIndices, make_splits
from automl_img.data.store import PreparedStore
from automl_img.errors import (
    AutoMLImageError,
    DataError,
    RecipeError,
    RunFolderError,
)
from automl_img.paths import expanded_path
from automl_img.plugin import DataSource, ImageDataset, PluginRegistry, discover
from automl_img.plugin.trust import refuse_strange_modules
from automl_img.recipe import Recipe, counted

INSPECTION_SHARE = 0.01  # of the time budget, for looking at the images before anything else
INSPECTION_SECONDS = 60.0  # where there is no time budget


@dataclass(frozen=True)
class PreparedData:
    """The data of a search.

    Attributes:
        store: The prepared images.
        splits: Which of them train, validate and test.
        mean, std: Of each channel over the training images, on the scale 0 to 255.
        imbalance: Images of the largest class over those of the smallest.
        notes: What a person should know of the data, a sentence each.
        description: The analysis as plain data.
    """

    store: PreparedStore
    splits: SplitIndices
    mean: tuple[float, ...]
    std: tuple[float, ...]
    imbalance: float
    notes: tuple[str, ...]
    description: dict[str, Any]


def load_dataset(recipe: Recipe, registry: PluginRegistry) -> ImageDataset:
    """Return the images that the recipe names; :func:`check_plugins` has passed before.

    Raises:
        PluginError: The source is unknown.
        RecipeError: The path begins at a home folder that is not there.
        DataError: The images are not there or cannot be read or used.
    """
    source: DataSource = registry.get("source", recipe.data.source, where="data.source")
    given = recipe.data.path
    path = None if given is None else expanded_path(given, where="data.path", error=RecipeError).absolute()
    try:
        return source.load(path, {**recipe.data.options, "task": recipe.data.task})
    except OSError as error:
        if not error.filename:  # it says nothing of a file: a mistake of the source's
            raise
        problem = f"the images cannot be read: {error.strerror or error}"
        raise DataError(problem, where=str(error.filename)) from error


def cache_entries(dataset: ImageDataset) -> set[Path]:
    """The folders of the cache that hold files of these images; one that is mapped into memory can be read when it is gone."""
    files: list[str] = []
    for split in (dataset.train, dataset.validation, dataset.test):
        if split is not None and not isinstance(split.images, np.ndarray):
            files += map(os.fsdecode, split.images)
    return entries_of(files, cache_folder())


def prepare_data(
    recipe: Recipe,
    dataset: ImageDataset,
    progress: Callable[[int, int], None],
    *,
    earlier: Mapping[str, Any] | None = None,
    keep: Keep = lambda folder: None,
) -> PreparedData:
    """Check, describe, store and split the images.

    Args:
        recipe: What to search.
        dataset: The images.
        progress: Called with the images prepared and the images in all.
        earlier: What ``data.json`` says of these images, if they were prepared before: they are not inspected again, and the
            same files stay set aside as long as that store is in the cache.
        keep: Called with each folder of the cache that the images are read from, as soon as it is known.

    Raises:
        DataError: They cannot be used for a search.
    """
    dataset = validated(dataset, recipe.data.task)
    for entry in cache_entries(dataset):
        keep(entry)
    found = None if earlier is not None else _inspected(recipe, dataset)
    analysis = analyse(dataset, seed=recipe.seed)
    if found is not None:  # it has looked at all images for colour, the analysis at some
        analysis = replace(analysis, channels=max(analysis.channels, found.channels))
    elif earlier is not None:
        analysis = replace(analysis, channels=earlier["analysis"]["channels"])
    height, width = recipe.data.size() or (analysis.height, analysis.width)
    channels = analysis.channels if recipe.data.channels == "auto" else recipe.data.channels
    store = PreparedStore.prepare(
        dataset,
        height=height,
        width=width,
        channels=channels,
        progress=progress,
        max_unreadable=recipe.data.max_unreadable,
        limit_bytes=recipe.data.store_gb * 1e9,
        wanted="" if earlier is None else str(earlier.get("fingerprint", "")),
    )
    for entry in store.cache_entries():
        keep(entry)
    splits = make_splits(
        store.labels,
        store.given,
        validation=recipe.data.validation,
        test=recipe.data.test,
        seed=recipe.seed,
        class_names=store.class_names,
        groups=store.groups,
    )
    mean, std = store.channel_statistics(splits.train, seed=recipe.seed)
    if found is None:
        assert earlier is not None
        notes, description = tuple(earlier["notes"]), dict(earlier["analysis"])
    else:
        told = [one for one in found.findings if one.level != "note" or one.kind == "sample"]
        sentences = [one.sentence for one in told if one.kind != "unreadable"]
        notes = (*dataset.notes, *_set_aside(store), *sentences, *splits.notes)
        description = {**analysis.as_dict(), "inspection": found.as_dict()}
    return PreparedData(store, splits, mean, std, analysis.imbalance, notes, description)


def _inspected(recipe: Recipe, dataset: ImageDataset) -> Inspection:
    return inspect_dataset(
        dataset,
        limits=Limits(unreadable=recipe.data.max_unreadable),
        seconds=INSPECTION_SECONDS if recipe.budget.time is None else INSPECTION_SHARE * recipe.budget.time,
        seed=recipe.seed,
    )


def _set_aside(store: PreparedStore) -> tuple[str, ...]:
    if not store.set_aside:
        return ()
    path, reason = store.set_aside[0]
    files = counted(len(store.set_aside), "file is", "files are")
    return (f"{files} set aside as unreadable, see data.json; the first: {path}: {reason}.",)


def reopened_store(recipe: Recipe, described: Mapping[str, Any], folder: Path) -> PreparedStore:
    """Return the images that an earlier run was made from: from the cache, or prepared again from their source.

    Raises:
        RunFolderError: They are no longer there, or are no longer the same.
    """
    named, fingerprint = described.get("store"), described.get("fingerprint")
    if not isinstance(named, str) or not isinstance(fingerprint, str):
        raise RunFolderError("data.json does not say where its images lie", where=str(folder))
    try:
        store = PreparedStore.open(Path(named))
    except DataError:
        store = _prepared_again(recipe, described, folder)
    if store.fingerprint != fingerprint:
        raise RunFolderError("the images are no longer those that this run was made from", where=str(folder))
    return store


def _prepared_again(recipe: Recipe, described: Mapping[str, Any], folder: Path) -> PreparedStore:
    refuse_strange_modules(recipe.plugins.modules, where=str(folder))
    registry = discover(modules=recipe.plugins.modules, only=recipe.plugins.only, block=recipe.plugins.block)
    try:
        dataset = load_dataset(recipe, registry)
    except AutoMLImageError as error:
        raise RunFolderError(f"the images of this run are no longer there: {error}", where=str(folder)) from error
    return prepare_data(recipe, dataset, lambda done, total: None, earlier=described).store
