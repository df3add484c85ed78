"""Everything before the first trial: the data is loaded, described, stored and split; the architectures are estimated."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
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
    PluginError,
    RecipeError,
    RunFolderError,
    named_reason_of,
    nearest,
)
from automl_img.executors.process import TaskDone, TaskFailed
from automl_img.executors.running import LOST, run_tasks
from automl_img.executors.tasks import EstimateArgument, Place, estimate
from automl_img.paths import expanded_path
from automl_img.plugin import DataSource, ImageDataset, PluginRegistry, Problem, discover
from automl_img.plugin.trust import refuse_strange_modules
from automl_img.recipe import Recipe, duration_text
from automl_img.search.space import SearchSpace
from automl_img.search.stages import LEAST_EPOCHS
from automl_img.search.tracking import trackers_of
from automl_img.search.trials import Start
from automl_img.training.cost import Estimate

DEFAULT_SECONDS_PER_IMAGE = (
    1e-3  # a step's time per image that is called affordable where no time budget says otherwise
)

INSPECTION_SHARE = 0.01  # of the time budget, for looking at the images before anything else
INSPECTION_SECONDS = 60.0  # where there is no time budget

CERTAINLY = 2.0  # a prediction this far over the share is sure enough to skip an architecture without a timed step


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


def check_plugins(recipe: Recipe, registry: PluginRegistry, *, with_source: bool = True) -> None:
    """See that the plugins which the recipe names exist, and take the options that it gives them.

    Args:
        recipe: The recipe.
        registry: The plugins.
        with_source: Whether the images come from the recipe's source.

    Raises:
        PluginError: One does not.
        RecipeError: The weights that it names are not there.
    """
    strategy = registry.get("strategy", recipe.search.strategy, where="search.strategy")
    refuse_unknown_options(strategy, "strategy", "search.options", recipe.search.options)
    if with_source:
        source = registry.get("source", recipe.data.source, where="data.source")
        refuse_unknown_options(source, "source", "data.options", recipe.data.options)
    trackers_of(recipe, registry)
    _check_epochs(recipe, registry)
    weights = recipe.train.weights
    if weights.endswith(".h5") and not expanded_path(weights, where="train.weights", error=RecipeError).is_file():
        raise RecipeError("there is no such weights file", where="train.weights", found=weights)
    for kind in ("architecture", "augmentation", "regularizer"):
        wanted = getattr(recipe.search, f"{kind}s")
        for name in () if wanted == "all" else wanted:
            registry.get(kind, name, where=f"search.{kind}s")
    _check_options(recipe, registry)


def refuse_unknown_options(plugin: Any, kind: str, table: str, options: Mapping[str, Any]) -> None:
    """See that a plugin has the options that a recipe gives it.

    Args:
        plugin: A source, or the class of a strategy.
        kind: Which of them: "source" or "strategy".
        table: The table of the recipe that holds the options.
        options: The options.

    Raises:
        PluginError: It does not have one of them.
    """
    known = sorted(plugin.options)
    for key in options:
        if key not in known:
            raise PluginError(
                f"the {kind} {plugin.name} has no option {key!r}",
                where=f"{table}.{key}",
                allowed=known or "none",
                hint=nearest(key, known),
            )


def _check_epochs(recipe: Recipe, registry: PluginRegistry) -> None:
    strategy = registry.get("strategy", recipe.search.strategy, where="search.strategy")
    if recipe.train.epochs < strategy.least_epochs:
        raise RecipeError(
            f"the strategy {recipe.search.strategy} needs more epochs",
            where="train.epochs",
            found=recipe.train.epochs,
            allowed=f"at least {strategy.least_epochs}",
        )


def _check_options(recipe: Recipe, registry: PluginRegistry) -> None:
    """Begin with the strategy on an empty space, if it has options: wrong ones are told before anything is trained."""
    name, options = recipe.search.strategy, recipe.search.options
    if not options:  # most strategies import TensorFlow when they begin
        return
    problem = Problem((), recipe.seed, recipe.budget.trials or 1, recipe.train.epochs, dict(options))
    try:
        registry.get("strategy", name, where="search.strategy")().start(problem)
    except AutoMLImageError:
        raise
    except Exception as error:
        reason = f"the strategy {name} cannot begin with these options: {named_reason_of(error)}"
        raise PluginError(reason, where="search.options", found=options) from error


def load_dataset(recipe: Recipe, registry: PluginRegistry) -> ImageDataset:
    """Return the images that the recipe names; :func:`check_plugins` has passed before.

    Raises:
        PluginError: The source is unknown.
        RecipeError: The path begins at a home folder that is not there.
        DataError: The images are not there or cannot be used.
    """
    source: DataSource = registry.get("source", recipe.data.source, where="data.source")
    given = recipe.data.path
    path = None if given is None else expanded_path(given, where="data.path", error=RecipeError).absolute()
    return source.load(path, {**recipe.data.options, "task": recipe.data.task})


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
        warnings = [one.sentence for one in found.findings if one.level != "note" and one.kind != "unreadable"]
        notes = (*dataset.notes, *_set_aside(store), *warnings, *splits.notes)
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
    counted = "1 file is" if len(store.set_aside) == 1 else f"{len(store.set_aside):,} files are"
    return (f"{counted} set aside as unreadable, see data.json; the first: {path}: {reason}.",)


def estimate_starts(
    names: Sequence[str],
    space: SearchSpace,
    registry: PluginRegistry,
    place: Place,
    *,
    seed_image: Any,
    precision: str,
    seconds_per_image: float,
    weights: str,
    slots: int,
    parameter_limit: int | None = None,
    deadline: float | None = None,
    stop_asked: Callable[[], bool] = lambda: False,
) -> list[Estimate]:
    """Estimate architectures in child processes and choose the member of each that fits.

    Args:
        names: The architectures.
        space: The search space.
        registry: The plugins.
        place: Where the children find data and plugins.
        seed_image: Traits of the images.
        precision: Keras dtype policy.
        seconds_per_image: Longest wanted time of a training step, divided by the batch size.
        weights: "none" or pretrained weights.
        slots: Child processes at once.
        parameter_limit: The most weights that a network may have, or None.
        deadline: Seconds after which children that have not answered are given up, with all that they were to estimate; None: no limit.
        stop_asked: Whether to give all of them up now.
    """
    estimates: list[Estimate] = []
    candidates = []
    for name in names:
        try:
            members = [dict(member) for member in registry.get("architecture", name).members(seed_image)] or [{}]
            values = tuple(space.start(name, member) for member in (members[-1:] if weights != "none" else members))
            candidates.append((name, values))
        except Exception as error:
            estimates.append(Estimate(name, -1, 0, {}, None, named_reason_of(error)))
    shares = [tuple(candidates[i::slots]) for i in range(slots)]
    arguments = [
        EstimateArgument(place, share, precision, seconds_per_image, weights, parameter_limit)
        for share in shares
        if share
    ]
    return estimates + _run_all(arguments, slots, deadline, stop_asked)


def _run_all(
    arguments: Sequence[EstimateArgument], slots: int, deadline: float | None, stop_asked: Callable[[], bool]
) -> list[Estimate]:
    """Estimate each share in a process of its own.

    Where a process is lost, each of its architectures is tried once more by itself: mostly one of them is to blame.
    """
    end = math.inf if deadline is None else time.monotonic() + deadline
    estimates: list[Estimate] = []
    waiting = [(argument, True) for argument in arguments]
    while waiting:
        now, waiting = waiting[:slots], waiting[slots:]
        left = None if deadline is None else max(0.0, end - time.monotonic())
        for (argument, first), answer in zip(now, _answers([one for one, _ in now], left, stop_asked), strict=True):
            if isinstance(answer, TaskDone):
                estimates += answer.value
            elif first and answer.kind in LOST and time.monotonic() < end and not stop_asked():
                waiting += [(replace(argument, candidates=(one,)), False) for one in argument.candidates]
            else:
                problem = f"its estimate failed: {answer.message}"
                estimates += [Estimate(name, -1, 0, {}, None, problem) for name, _ in argument.candidates]
    return estimates


def _answers(
    arguments: Sequence[EstimateArgument], deadline: float | None, stop_asked: Callable[[], bool]
) -> list[TaskDone | TaskFailed]:
    with tempfile.TemporaryDirectory() as folder:
        logs = [Path(folder) / f"{i}.txt" for i in range(len(arguments))]
        return run_tasks(estimate, arguments, logs, deadline=deadline, stop_asked=stop_asked, most=1)


def starts_of(
    estimates: Sequence[Estimate], examples: int, share: float, expected: Mapping[str, float]
) -> tuple[list[Start], list[tuple[str, str]]]:
    """Return the starting points, the most promising first, and the architectures that have no chance, with the reason.

    Args:
        estimates: What each architecture would cost.
        examples: Training images.
        share: Seconds of the longest training that the budget allows.
        expected: What earlier searches say of each; among equals the cheapest comes first.
    """
    usable = [(found, found.cost) for found in estimates if found.cost is not None]
    usable.sort(key=lambda pair: (pair[1].seconds, pair[0].architecture))
    starts: list[Start] = []
    hopeless: list[tuple[str, str]] = []
    for found, cost in usable:
        epoch = cost.seconds * examples
        if starts and LEAST_EPOCHS * epoch > CERTAINLY * share:
            size = f"even at its smallest an epoch takes about {duration_text(epoch)}"
            hopeless.append((found.architecture, f"{size}; its share of the budget is {duration_text(share)}"))
        else:
            size = f"{found.member + 1} of {found.members}"
            promise = expected.get(found.architecture, 0.0)
            starts.append(Start(found.architecture, found.values, cost.seconds, size, promise))
    return sorted(starts, key=lambda start: start.expected), hopeless


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
