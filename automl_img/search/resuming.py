"""Going on with a search: the recipe that it keeps, and what must not have changed since."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl_img.errors import PluginError, RunFolderError, UsageError
from automl_img.recipe import Recipe, recipe_from_mapping
from automl_img.search import run_folder
from automl_img.search.journal import JOURNAL_FILE, Journal
from automl_img.search.run import Run
from automl_img.search.run_folder import RunFolder
from automl_img.search.scheduler import Scheduler
from automl_img.training.spec import TrialResult

#: What may differ when a search goes on: how much it may spend, where it runs, and what it leaves.
CHANGEABLE = (
    "budget.time",
    "budget.trials",
    "budget.epochs",
    "budget.device_hours",
    "compute.executor",
    "compute.address",
    "compute.slots",
    "compute.cpus_per_trial",
    "compute.devices_per_trial",
    "compute.trials_per_device",
    "output.keep",
)
ACCEPT = "To go on all the same, accept changes (`--accept-changes`, `accept_changes=True`)."


def recipe_of_run(path: str | Path, overrides: Mapping[str, Any]) -> Recipe:
    """Return the recipe of an earlier search with another budget.

    Args:
        path: The run folder.
        overrides: Values of keys that may change, by dotted name.

    Raises:
        RunFolderError: It is no run folder, an older version has begun its search, or this has ended and no budget was added.
        UsageError: A key may not change.
    """
    folder = RunFolder.open(path)
    for key in overrides:
        if key not in CHANGEABLE:
            raise UsageError(
                "a search that goes on keeps its recipe",
                where=key,
                allowed=CHANGEABLE,
                hint="Begin a new search for other settings.",
            )
    before = recipe_from_mapping(folder.read(run_folder.RECIPE_FILE))
    recipe = recipe_from_mapping(folder.read(run_folder.RECIPE_FILE), overrides)
    if _has_ended(folder) and recipe.budget == before.budget:
        hint = "Give it more to spend, such as `--budget 20m` or `--trials 40`: what was spent counts."
        raise RunFolderError("this search has ended with its budget spent", where=str(path), hint=hint)
    return recipe


def _has_ended(folder: RunFolder) -> bool:
    if not (folder.path / JOURNAL_FILE).is_file():  # its process ended before it had one
        return False
    journal = Journal(folder.path, create=True)
    try:
        if not journal.state() and journal.trials():
            raise RunFolderError(
                "this search was begun with an older version of automl-img, which kept its state otherwise",
                where=str(folder.path),
                hint="Go on with that version, or begin a new search that learns from this one: `--warm-start RUN`.",
            )
        return bool(journal.meta("state") == "ended")
    finally:
        journal.close()


def refuse_other_plugins(run: Run, *, accept: bool) -> None:
    """See that the plugins are those with which the search began; libraries of other versions are told.

    Raises:
        RunFolderError: One has another version or is missing, and changes are not accepted.
    """
    if not run.folder.has(run_folder.VERSIONS_FILE):
        return
    before = run.folder.read(run_folder.VERSIONS_FILE)
    now = {f"{r.kind}/{r.name}": str(r.version) for r in run.registry.records if not r.left_out}
    changed = [
        f"{name} was {then['version']} and is {now.get(name, 'missing')}"
        for name, then in sorted(before["plugins"].items())
        if now.get(name) != then["version"]
    ]
    if changed:
        _refuse_or_tell(run, "plugins have changed since the search began", "; ".join(changed), accept=accept)


def refuse_other_data(run: Run, fingerprint: str, *, accept: bool) -> bool:
    """Return whether the data is that with which the search began.

    Raises:
        RunFolderError: It is not, and changes are not accepted.
    """
    before = run.folder.read(run_folder.DATA_FILE)["fingerprint"]
    if before == fingerprint:
        return True
    problem = "the images or labels have changed since the search began"
    _refuse_or_tell(run, problem, f"{fingerprint[:12]}, before {before[:12]}", accept=accept)
    return False


def restore(run: Run, scheduler: Scheduler, *, accept: bool) -> dict[int, TrialResult]:
    """Bring the scheduler of a resumed search to where the journal ends; see :meth:`Scheduler.restore`.

    Raises:
        RunFolderError: The search space has changed, and changes are not accepted.
    """
    state = run.journal.state()
    if not state:
        return {}
    try:
        return scheduler.restore(state, run.journal.trials(), run.elapsed, curves=run.journal.curves(), anew=accept)
    except PluginError as error:
        raise RunFolderError(
            f"the search space has changed since the search began: {error.problem}",
            where=str(run.folder.path),
            hint=ACCEPT,
        ) from error


def _refuse_or_tell(run: Run, problem: str, found: str, *, accept: bool) -> None:
    if not accept:
        raise RunFolderError(problem, where=str(run.folder.path), found=found, hint=ACCEPT)
    run.decided(f"{problem}: {found}; accepted")
