"""How far a search is, read from its run folder while it runs or afterwards."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from automl_img.recipe import recipe_from_mapping
from automl_img.search import run_folder
from automl_img.search.journal import CHOSEN, GIVEN, Journal, TrialRow
from automl_img.search.leaderboard import best_trial
from automl_img.search.lock import driver_of
from automl_img.search.run_folder import RunFolder

ENDED = ("ended", "interrupted")
FAILED = "failed"


@dataclass(frozen=True)
class TrialProgress:
    """A trial that runs, or the best one.

    Attributes:
        trial: Its number.
        stage, architecture: What it is.
        epoch: Passes over the training images so far.
        f1: The last measurement, or of the best trial its own F1; None: there is none yet.
        curve: All measurements.
    """

    trial: int
    stage: str
    architecture: str
    epoch: float
    f1: float | None
    curve: tuple[float, ...]


@dataclass(frozen=True)
class ModelProgress:
    """The model of a search that has ended.

    Attributes:
        validation_f1, test_f1: Its own, with everything that was settled at the end; None: there are no such images.
        members: The trials that it averages, the first with the largest share; often one.
    """

    validation_f1: float
    test_f1: float | None
    members: tuple[int, ...]


@dataclass(frozen=True)
class Progress:
    """How far a search is.

    Attributes:
        name, run_dir: Which search.
        state: "running", "ended", "interrupted" (ended early on request), "failed" (ended without a model), or "cut off" (its process
            has gone).
        driver: Who runs it now.
        elapsed: Seconds of the budget that have gone.
        time, trials, epochs: The budget; None: no limit.
        counts: Trials by status.
        running: Trials that run now.
        best: The best trial so far.
        model: What the search has ended with; None: it goes on, or was cut off.
        remarks: What was decided last.
        given: Whether its images were given in Python: then only that can let it go on.
    """

    name: str
    run_dir: str
    state: str
    driver: str
    elapsed: float
    time: float | None
    trials: int | None
    epochs: int | None
    counts: dict[str, int]
    running: tuple[TrialProgress, ...]
    best: TrialProgress | None
    model: ModelProgress | None
    remarks: tuple[str, ...]
    given: bool = False


def progress_of(path: str | Path, remarks: int = 4) -> Progress:
    """Return how far the search in a run folder is.

    Raises:
        RunFolderError: It is no run folder.
    """
    folder = RunFolder.open(path)
    recipe = recipe_from_mapping(folder.read(run_folder.RECIPE_FILE))
    driver = driver_of(folder.path)
    journal = Journal(folder.path)
    try:
        rows = journal.trials()
        running = [_trial(journal, row) for row in rows if row.status == "running"]
        best = best_trial(rows, journal.meta(CHOSEN))
        state = state_of(journal.meta("state"), driver)
        return Progress(
            name=recipe.name,
            run_dir=str(folder.path),
            state=state,
            driver=driver,
            elapsed=float(journal.meta("elapsed") or 0.0),
            time=recipe.budget.time,
            trials=recipe.budget.trials,
            epochs=recipe.budget.epochs,
            counts=dict(Counter(row.status for row in rows)),
            running=tuple(running),
            best=None if best is None else _trial(journal, best),
            model=_model(folder) if state in ENDED else None,
            remarks=tuple(journal.remarks()[-remarks:]),
            given=bool(journal.meta(GIVEN)),
        )
    finally:
        journal.close()


def state_of(kept: str | None, driver: str) -> str:
    """The state of a search, by what its journal has kept and who drives it now."""
    if driver:
        return "running"
    return kept if kept in (*ENDED, FAILED) else "cut off"


def _model(folder: RunFolder) -> ModelProgress | None:
    if not folder.has(run_folder.METRICS_FILE):
        return None
    metrics = folder.read(run_folder.METRICS_FILE)
    test = (metrics["test"] or {}).get("f1")
    best = metrics["best"]
    return ModelProgress(metrics["validation"]["f1"], test, tuple(best.get("members") or (best["trial"],)))


def _trial(journal: Journal, row: TrialRow) -> TrialProgress:
    epochs = journal.epochs(row.trial)
    last = epochs[-1] if epochs else {"epoch": 0.0, "f1": None}
    f1 = row.result.f1 if row.result else last["f1"]
    curve = tuple(epoch["f1"] for epoch in epochs)
    return TrialProgress(row.trial, row.stage, row.architecture, last["epoch"] or 0.0, f1, curve)
