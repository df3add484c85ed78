"""Going on with a search: the recipe that it keeps, and what must not have changed since."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl_img.errors import PluginError, RunFolderError, UsageError
from automl_img.evaluation.model_file import other_libraries
from automl_img.recipe import BudgetSettings, Recipe, recipe_from_mapping
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
    if _has_ended(folder) and not _has_more(recipe.budget, before.budget):
        hint = f"Give it more to spend, such as `{_more_than(before.budget)}`: what was spent counts."
        raise RunFolderError("this search has ended with its budget spent", where=str(path), hint=hint)
    return recipe


def _has_more(budget: BudgetSettings, before: BudgetSettings) -> bool:
    """Whether one of the limits that there were is further away, or gone: a further limit is nothing more to spend."""
    limits = [(getattr(budget, name), getattr(before, name)) for name in BudgetSettings.model_fields]
    return any(old is not None and (new is None or new > old) for new, old in limits)


def _more_than(budget: BudgetSettings) -> str:
    """An option that gives a search twice of what it had."""
    if budget.time is not None:
        return f"--budget {2 * budget.time / 60:g}m"
    if budget.trials is not None:
        return f"--trials {2 * budget.trials}"
    name = "epochs" if budget.epochs is not None else "device_hours"
    return f"--set budget.{name}={2 * getattr(budget, name):g}"


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
    """See that the plugins are those with which it was searched before; libraries of other versions are told.

    Raises:
        RunFolderError: One has another version or is missing, and changes are not accepted.
    """
    if not run.folder.has(run_folder.VERSIONS_FILE):
        return
    before = run.folder.read(run_folder.VERSIONS_FILE)
    _tell_other_libraries(run, before["libraries"])
    now = run.registry.versions
    changed = [
        f"{name} was {then['version']} and is {now.get(name, 'missing')}"
        for name, then in sorted(before["plugins"].items())
        if now.get(name) != then["version"]
    ]
    if changed:
        _refuse_or_tell(run, "plugins have changed since the search began", "; ".join(changed), accept=accept)


def _tell_other_libraries(run: Run, before: Mapping[str, str]) -> None:
    others = [f"{name} was {then or 'missing'} and is {now}" for name, then, now in other_libraries(before)]
    if others:
        run.decided(f"libraries have changed since the search last ran: {'; '.join(others)}")


def images_were_given(run: Run) -> RunFolderError:
    """Say that the images of a search are in no place that its recipe names."""
    return RunFolderError(
        "this search was given its images in Python",
        where=str(run.folder.path),
        hint=f"Give them again: automl_img.fit(images, out={str(run.folder.path)!r}, resume=True).",
    )


def refuse_other_data(run: Run, fingerprint: str) -> None:
    """See that the data is that with which the search began: divided anew, it would judge networks by images that they have learned.

    Raises:
        RunFolderError: It is not.
    """
    before = run.folder.read(run_folder.DATA_FILE)["fingerprint"]
    if before != fingerprint:
        raise RunFolderError(
            "the images or labels have changed since the search began",
            where=str(run.folder.path),
            found=f"{fingerprint[:12]}, before {before[:12]}",
            hint="Its networks have learned images by which they would now be judged. Begin a new search that learns from this one: "
            "`--warm-start RUN`.",
        )


def restore(run: Run, scheduler: Scheduler, *, accept: bool) -> dict[int, TrialResult]:
    """Bring the scheduler of a resumed search to where the journal ends; see :meth:`Scheduler.restore`.

    Trials that were cut short when the search was asked to end go on, as those do whose process was killed.

    Raises:
        RunFolderError: The search space has changed, and changes are not accepted.
    """
    state = run.journal.state()
    if not state:
        return {}
    rows = [row.reopened() if row.interrupted else row for row in run.journal.trials()]
    begun = [row.trial for row in rows if row.status in ("done", "running")]
    gone = [trial for trial in begun if not run.folder.has_checkpoint(trial)]
    try:
        settled = scheduler.restore(
            state, rows, run.elapsed, curves=run.journal.curves(), gone=gone, anew=accept, ended=run.spent_before
        )
    except PluginError as error:
        raise RunFolderError(
            f"the search space has changed since the search began: {error.problem}",
            where=str(run.folder.path),
            hint=ACCEPT,
        ) from error
    for row in run.journal.trials():
        if row.interrupted:
            run.journal.reopen(row.trial)
    run.try_after_all(scheduler.waiting)
    return settled


def _refuse_or_tell(run: Run, problem: str, found: str, *, accept: bool) -> None:
    if not accept:
        raise RunFolderError(problem, where=str(run.folder.path), found=found, hint=ACCEPT)
    run.decided(f"{problem}: {found}; accepted")
