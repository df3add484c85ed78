"""A recorded trial trained again, from its run folder alone."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from automl_img.data.splits import SplitIndices
from automl_img.errors import RunFolderError
from automl_img.evaluation.model_file import other_libraries
from automl_img.executors import Done, Epoch, Failed, LocalExecutor, Message
from automl_img.executors.devices import DevicePool
from automl_img.executors.tasks import Place
from automl_img.plugin import PluginRegistry, discover
from automl_img.plugin.trust import refuse_strange_modules
from automl_img.recipe import recipe_from_mapping
from automl_img.search import run_folder
from automl_img.search.journal import CHOSEN, Journal, TrialRow
from automl_img.search.leaderboard import best_trial
from automl_img.search.preparation import reopened_store
from automl_img.search.run_folder import RunFolder
from automl_img.tasks.scores import share_error
from automl_img.training.hardware import Hardware
from automl_img.training.spec import STOPPED, Fidelity, TrialResult, TrialSpec

POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Reproduction:
    """What came of training a recorded trial again.

    Attributes:
        trial, architecture: Which trial.
        recorded: Its validation F1 in the journal.
        found: Its validation F1 now; None: it failed.
        failure: Why it failed.
        tolerance: By how much the two may differ: nothing if the trial is deterministic, else two standard errors of the difference of
            two shares of the validation images, as if each were drawn anew.
        differences: What is not as it was: libraries, plugins, the machine, how the trial was trained.
    """

    trial: int
    architecture: str
    recorded: float
    found: float | None
    failure: str
    tolerance: float
    differences: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether the F1 is the same within the tolerance."""
        return self.found is not None and abs(self.found - self.recorded) <= self.tolerance


def reproduce(
    path: str | Path, trial: int | None = None, told: Callable[[Epoch], None] = lambda epoch: None
) -> Reproduction:
    """Train a trial of a run again, with all cores and on the same images, for as many steps; the run folder stays as it is.

    Args:
        path: The run folder.
        trial: Number of the trial; the best unless given.
        told: Receives each measurement.

    Raises:
        RunFolderError: It is no run folder, has no such trial, or its images are no longer there or the same.
    """
    folder = RunFolder.open(path)
    row = _row(folder, trial)
    assert row.result is not None
    recipe = recipe_from_mapping(folder.read(run_folder.RECIPE_FILE))
    described = folder.read(run_folder.DATA_FILE)
    store = reopened_store(recipe, described, folder.path)
    refuse_strange_modules(recipe.plugins.modules, where=str(folder.path))
    registry = discover(modules=recipe.plugins.modules, only=recipe.plugins.only, block=recipe.plugins.block)
    mean, std = (tuple(map(float, described[name])) for name in ("mean", "std"))
    place = Place(str(store.folder), str(folder.splits), mean, std, recipe.plugins)
    images = len(SplitIndices.load(folder.splits).validation)
    spec = _again(row.spec, row.result)
    ended = _train(place, spec, DevicePool.of(Hardware.detect(), recipe.compute), told)
    found = ended.result.f1 if isinstance(ended, Done) else None
    return Reproduction(
        trial=row.trial,
        architecture=row.architecture,
        recorded=row.result.f1,
        found=found,
        failure=f"{ended.kind}: {ended.message}" if isinstance(ended, Failed) else "",
        tolerance=0.0 if spec.deterministic else _tolerance(row.result.f1, images),
        differences=(*_different_versions(folder, registry, row.spec), *_different_training(row)),
    )


def _row(folder: RunFolder, trial: int | None) -> TrialRow:
    journal = Journal(folder.path)
    rows, chosen = journal.trials(), journal.meta(CHOSEN)
    journal.close()
    row = best_trial(rows, chosen) if trial is None else next((row for row in rows if row.trial == trial), None)
    if row is None or row.result is None:
        ended = ", ".join(str(row.trial) for row in rows if row.result) or "none"
        problem = "no trial has ended well" if trial is None else f"trial {trial} has not ended well, or there is none"
        raise RunFolderError(problem, where=str(folder.path), allowed=f"trials {ended}")
    return row


def _again(spec: TrialSpec, result: TrialResult) -> TrialSpec:
    """The spec for as many steps as were trained, whatever the time: a machine that is faster must not train longer."""
    epochs = result.epochs if result.why_ended in ("time", STOPPED) or not result.is_whole else spec.fidelity.epochs
    return replace(
        spec,
        attempt=1,
        fidelity=Fidelity(epochs, None),
        deadline=None,
        threads=0,
        probe=(),
        required_epochs=0.0,
        memory_limit=None,
        latency_limit=None,
        continues="",
        promotable=False,
    )


def _train(place: Place, spec: TrialSpec, devices: DevicePool, told: Callable[[Epoch], None]) -> Done | Failed:
    with tempfile.TemporaryDirectory(prefix="automl-img-") as scratch:
        executor = LocalExecutor(place, Path(scratch), 1, devices)
        try:
            executor.submit(spec)
            while True:
                for message in executor.poll(POLL_SECONDS):
                    if isinstance(message, Done | Failed):
                        return message
                    _tell(message, told)
        finally:
            executor.close()


def _tell(message: Message, told: Callable[[Epoch], None]) -> None:
    if isinstance(message, Epoch):
        told(message)


def _tolerance(f1: float, images: int) -> float:
    """By how much the F1 of two trainings may differ where only luck differs: two standard errors of a difference."""
    return 2 * math.sqrt(2) * share_error(f1, images)


def _different_versions(folder: RunFolder, registry: PluginRegistry, spec: TrialSpec) -> list[str]:
    then: Mapping[str, Any] = folder.read(run_folder.VERSIONS_FILE)
    found = [f"{name} {before}, now {now}" for name, before, now in other_libraries(then["libraries"])]
    plugins = registry.versions
    found += [f"{n} {v}, now {plugins.get(n, 'missing')}" for n, v in spec.plugins.items() if plugins.get(n) != str(v)]
    machine, hardware = then["machine"], Hardware.detect()
    here = {"cores": hardware.cores, "gpus": hardware.gpus, "bfloat16": hardware.bfloat16}
    return found + [f"{name} {machine[name]}, now {value}" for name, value in here.items() if machine[name] != value]


def _different_training(row: TrialRow) -> list[str]:
    assert row.result is not None
    if row.result.epochs_before:
        trial = row.spec.continues.split("/")[0]
        before = "another trial" if trial == str(row.trial) else f"trial {trial}"  # its own, after it was cut off
        return [f"it had gone on from {before}, and was trained from the beginning now"]
    if row.result.why_ended == "time" and not row.spec.deterministic:
        return ["its learning rate followed the clock, and follows the steps now"]
    return []
