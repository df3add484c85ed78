"""Runs a search from its recipe to the best model: prepares, plans, drives the trials, and finishes inside the budget."""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from automl_img import events
from automl_img.cache import Keep, in_use
from automl_img.data.splits import SplitIndices
from automl_img.errors import DataError, PluginError, RecipeError, SearchError
from automl_img.evaluation.model_file import library_versions
from automl_img.executors.canary import Canary
from automl_img.executors.choosing import site_of
from automl_img.executors.site import Site
from automl_img.executors.tasks import Place
from automl_img.plugin import ImageDataset, discover
from automl_img.plugin.trust import refuse_strange_modules, remember
from automl_img.quiet import refuse_other_backend
from automl_img.recipe import ComputeSettings, Recipe, duration_text
from automl_img.search import preparation, resuming, run_folder
from automl_img.search.checking import check_plugins
from automl_img.search.deciding import wishes_of
from automl_img.search.driving import Driver
from automl_img.search.finishing import finish
from automl_img.search.interruption import Interruption
from automl_img.search.journal import GIVEN, Journal
from automl_img.search.leaderboard import best_trial
from automl_img.search.planning import make_scheduler
from automl_img.search.preparation import PreparedData
from automl_img.search.progress import FAILED
from automl_img.search.run import Run
from automl_img.search.run_folder import RunFolder
from automl_img.search.space import SearchSpace, build_space

PROGRESS_SECONDS = 0.2  # between two events on the preparation of images


@dataclass(frozen=True)
class SearchOutcome:
    """What a search hands back.

    Attributes:
        folder: The run folder.
        interrupted: Whether it was ended early on request.
        metrics: What ``metrics.json`` holds.
    """

    folder: RunFolder
    interrupted: bool
    metrics: dict[str, Any]


def run_search(
    recipe: Recipe,
    folder: Path | None,
    *,
    dataset: ImageDataset | None = None,
    listener: events.Listener = lambda event: None,
    interruption: Interruption | None = None,
    begun: float | None = None,
    resume: bool = False,
    accept_changes: bool = False,
) -> SearchOutcome:
    """Search under ``recipe`` and leave everything in ``folder``.

    Args:
        recipe: What to search, on which data, under which budget.
        folder: A new run folder, or with ``resume`` that of an earlier search; None: a new one below ``runs``.
        dataset: The images; those of the recipe's source unless given.
        listener: Receives each event, in this thread.
        interruption: Asked between events.
        begun: ``time.monotonic()`` from which the budget counts; now unless given.
        resume: Go on with the search in ``folder``, whose recipe this is but for the budget.
        accept_changes: Go on although plugins or space have changed.

    Raises:
        AutoMLImageError: The recipe, the data or a plugin cannot be used; or, as SearchError, the search ended without a model.
    """
    refuse_other_backend()  # a strategy would fail by it in the middle of the search, and the model at its end
    plugins = recipe.plugins
    if resume:
        refuse_strange_modules(plugins.modules, where=str(folder))
    registry = discover(modules=plugins.modules, only=plugins.only, block=plugins.block)
    remember(plugins.modules)
    check_plugins(recipe, registry, with_source=dataset is None)
    if recipe.search.warm_start is not None and not resume:  # what cannot be read is told before anything is made
        Journal(RunFolder.open(recipe.search.warm_start).path).close()
    begun = time.monotonic() if begun is None else begun
    interruption = interruption or Interruption()
    compute, memory = _compute_of(recipe), recipe.search.limits.memory
    left = math.inf if recipe.budget.time is None else recipe.budget.time - (time.monotonic() - begun)
    with contextlib.closing(site_of(compute, memory, left, lambda: interruption.asked)) as site:
        run = Run(recipe, registry, folder, listener, begun, site, resume=resume, interruption=interruption)
        with _leaving_nothing_if_refused(run), contextlib.closing(run):
            return _search(run, site, dataset, accept=accept_changes)


@contextlib.contextmanager
def _leaving_nothing_if_refused(run: Run) -> Iterator[None]:
    """Let the corrected recipe have the folder of one that was refused before its first trial."""
    try:
        yield
    except (RecipeError, DataError, PluginError):
        if not run.resumed and not run.folder.has_trials():
            run.folder.discard()
        raise


def _compute_of(recipe: Recipe) -> ComputeSettings:
    """The recipe's; of trials side by side, what a strategy suggests would depend on which ends first."""
    if not recipe.train.deterministic or recipe.compute.slots != "auto":
        return recipe.compute
    return recipe.compute.model_copy(update={"slots": 1})


def _search(run: Run, site: Site, dataset: ImageDataset | None, *, accept: bool) -> SearchOutcome:
    recipe = run.recipe
    if dataset is not None:
        run.journal.set_meta(GIVEN, True)
    elif run.journal.meta(GIVEN):
        raise resuming.images_were_given(run)
    with in_use() as keep:
        with contextlib.closing(Canary(run.folder.trials / "canary.txt")) as canary:
            _tell_begun(run, accept=accept)
            _write_versions(run)
            data = _prepare_data(run, dataset, keep)
            wishes_of(recipe.decision, data.store.task)  # a name that is wrong is told before anything is trained
            space = build_space(recipe, run.registry, data.store.traits, data.imbalance)
            for plugin, reason in space.left_out.items():
                run.say(events.PluginLeftOut, plugin.split()[1], plugin.split()[0], "", reason)
            if problem := canary.problem():
                run.decided(
                    f"processes cannot be forked here ({problem}): each trial starts a fresh one, some seconds slower"
                )
            _refuse_idle_gpus(run, canary.gpus)
        return _drive(run, site, data, space, accept=accept)


def _drive(run: Run, site: Site, data: PreparedData, space: SearchSpace, *, accept: bool) -> SearchOutcome:
    place = Place(str(data.store.folder), str(run.folder.splits), data.mean, data.std, run.recipe.plugins)
    scheduler = make_scheduler(run, data, space, place)
    settled = resuming.restore(run, scheduler, accept=accept) if run.resumed else {}
    if run.resumed:
        run.begin()
    executor = site.open(place, run.folder.trials)
    try:
        driver = Driver(run, scheduler, executor)
        driver.settle(settled)
        driver.drive()
    finally:
        executor.close()
    metrics = finish(run, data, place, site, scheduler.failure)
    return SearchOutcome(run.folder, metrics["interrupted"], metrics)


def _refuse_idle_gpus(run: Run, usable: int | None) -> None:
    """A search that was meant for GPUs and runs on the processor would waste its budget, however loudly it said so."""
    present = run.capacity.hardware.gpus
    if run.recipe.compute.executor != "local" or usable is None or usable >= present:
        return
    gpus = "GPU" if present == 1 else "GPUs"
    raise SearchError(
        f"TensorFlow can use {usable} of the {present} NVIDIA {gpus}: CUDA's libraries are missing, or too new for the driver",
        where="this machine",
        hint="Install them with: pip install 'automl-img[gpu]'. Or set CUDA_VISIBLE_DEVICES=-1 to search on the processor.",
    )


def _tell_begun(run: Run, *, accept: bool) -> None:
    recipe, budget = run.recipe, run.recipe.budget
    folder = str(run.folder.path)
    run.say(events.SearchStarted, recipe.name, folder, recipe.seed, budget.time, budget.trials, budget.in_words())
    for record in run.registry.left_out:
        run.say(events.PluginLeftOut, record.name, record.kind, record.distribution, record.left_out)
    if run.resumed:
        _tell_resumed(run)
        resuming.refuse_other_plugins(run, accept=accept)


def _tell_resumed(run: Run) -> None:
    rows = run.journal.trials()
    count = Counter("running" if row.interrupted else row.status for row in rows)
    best = best_trial(rows)
    figures = (best.trial, best.architecture, best.result.f1) if best is not None and best.result is not None else ()
    ended = len(rows) - count["running"]
    run.say(events.SearchResumed, ended, count["running"], count["failed"], count["skipped"], *figures)


def _prepare_data(run: Run, given: ImageDataset | None, keep: Keep) -> PreparedData:
    dataset = given or preparation.load_dataset(run.recipe, run.registry)
    known = run.folder.read(run_folder.DATA_FILE) if run.folder.has(run_folder.DATA_FILE) else None
    data = preparation.prepare_data(run.recipe, dataset, _Progress(run), earlier=known, keep=keep)
    if known is not None:
        resuming.refuse_other_data(run, data.store.fingerprint)
        data = replace(data, splits=SplitIndices.load(run.folder.splits))
    store, splits, traits = data.store, data.splits, data.store.traits
    with run.folder.writing(run_folder.SPLITS_FILE):
        splits.save(run.folder.splits)
    run.folder.write(
        run_folder.DATA_FILE,
        {
            "name": dataset.name,
            "fingerprint": store.fingerprint,
            "task": store.task.kind,
            "class_names": list(store.class_names),
            "store": str(store.folder),
            "mean": data.mean,
            "std": data.std,
            "analysis": data.description,
            "notes": data.notes,
            "set_aside": [{"path": str(path), "reason": reason} for path, reason in store.set_aside],
        },
    )
    run.say(
        events.DataReady,
        dataset.name,
        traits.classes,
        len(splits.train),
        len(splits.validation),
        len(splits.test),
        traits.height,
        traits.width,
        traits.channels,
        data.notes,
        store.task.kind,
    )
    return data


class _Progress:
    """Tells how far the preparation of the images is, not too often, and ends it with the search: by request, or with its time.

    Raises:
        SearchError: The search ends before its images are prepared.
    """

    def __init__(self, run: Run) -> None:
        self._run, self._told = run, -math.inf

    def __call__(self, done: int, total: int) -> None:
        if done < total:
            self._end_with_the_search(done, total)
        if done == total or self._run.elapsed - self._told > PROGRESS_SECONDS:
            self._told = self._run.elapsed
            self._run.say(events.Progress, "preparing images", done, total)

    def _end_with_the_search(self, done: int, total: int) -> None:
        run, budget = self._run, self._run.recipe.budget.time
        if run.interruption.asked:
            problem, more = "the search was asked to end while its images were prepared", ""
        elif budget is not None and run.elapsed >= budget and not run.resumed:
            problem = f"the budget of {duration_text(budget)} has gone with preparing {done:,} of {total:,} images"
            more = f" --budget {math.ceil((budget + run.elapsed * total / max(1, done)) / 60)}m"
        else:
            return
        run.journal.set_meta("state", FAILED)
        hint = f"`automl-img search --resume RUN{more}` goes on, and prepares them anew."
        raise SearchError(problem, where=str(run.folder.path), hint=hint)


def _write_versions(run: Run) -> None:
    used = [record for record in run.registry.records if not record.left_out]
    hardware = run.capacity.hardware
    run.folder.write(
        run_folder.VERSIONS_FILE,
        {
            "libraries": library_versions(),
            "plugins": {f"{r.kind}/{r.name}": {"version": r.version, "from": r.distribution or r.origin} for r in used},
            "machine": {
                "cores": hardware.cores,
                "memory_bytes": hardware.memory,
                "gpus": hardware.gpus,
                "bfloat16": hardware.bfloat16,
                "vector_bits": hardware.vector_bits,
            },
        },
    )
