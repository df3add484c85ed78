"""The end of a search: the leaderboard, the best model, its figures, and what is thrown away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from automl_img import events
from automl_img.errors import SearchError
from automl_img.evaluation.model_file import Winner
from automl_img.executors.local import attempt_folder
from automl_img.executors.process import TaskFailed
from automl_img.executors.running import run_tasks
from automl_img.executors.tasks import FinaliseArgument, Place, finalise_best
from automl_img.search import run_folder
from automl_img.search.journal import TrialRow
from automl_img.search.leaderboard import best_trial, leaderboard
from automl_img.search.preparation import PreparedData
from automl_img.search.reporting import write_report
from automl_img.search.run import Run
from automl_img.training.artifacts import WEIGHTS_FILE, sha256_of
from automl_img.training.network import NetworkPlan


def finish(run: Run, data: PreparedData, place: Place, *, interrupted: bool) -> dict[str, Any]:
    """Write the leaderboard, the best model and its figures; return what ``metrics.json`` holds.

    Args:
        run: The search.
        data: Its data.
        place: Where a child process finds the data.
        interrupted: Whether the search was ended early on request.

    Raises:
        SearchError: There is no model.
    """
    rows = run.journal.trials()
    entries = leaderboard(rows, run.skipped)
    run.folder.write_leaderboard(entries)
    best = best_trial(rows)
    if best is None:
        raise SearchError(_why_nothing(run, rows), where=str(run.folder.path))
    figures = _finalise(run, best, data, place)
    if run.recipe.output.keep == "best":
        run.folder.delete_weights()
    metrics = {
        "validation": figures["validation"],
        "test": figures.get("test"),
        "best": {
            "trial": best.trial,
            "architecture": best.architecture,
            "f1": best.result.f1 if best.result else None,
        },
        "trials": len(rows),
        "interrupted": interrupted,
        "wall_s": round(run.elapsed, 1),
    }
    run.folder.write(run_folder.METRICS_FILE, metrics)
    run.journal.set_meta("state", "interrupted" if interrupted else "ended")
    _report(run)
    test = figures.get("test") or {}
    run.say(
        events.SearchEnded,
        run_dir=str(run.folder.path),
        best_trial=best.trial,
        architecture=best.architecture,
        task=data.store.task.kind,
        validation_f1=figures["validation"]["f1"],
        validation_interval=tuple(figures["validation"]["intervals"]["f1"]),
        test_f1=test.get("f1"),
        test_interval=tuple(test["intervals"]["f1"]) if test else None,
        test_accuracy=test.get("accuracy"),
        trials=len(rows),
        failed=sum(row.status == "failed" for row in rows),
        interrupted=interrupted,
        run_bytes=run.folder.size(),
        leaderboard=tuple(entry.__dict__ for entry in entries),
    )
    return metrics


def _report(run: Run) -> None:
    """Write the page on the run; whatever may be wrong with it, the search has its model."""
    try:
        write_report(run.folder.path)
    except Exception as error:
        run.decided(
            f"the report could not be written: {type(error).__name__}: {error}; `automl-img report RUN` tries again"
        )


def _finalise(run: Run, best: TrialRow, data: PreparedData, place: Place) -> dict[str, Any]:
    assert best.result is not None
    plan = NetworkPlan(best.spec.values, data.store.traits, data.mean, data.std, best.spec.weights != "none")
    winner = Winner(
        plan=plan,
        weights=str(_weights(run, best, best.result.weights_sha256)),
        plugins=best.spec.plugins,
        plugin_modules=tuple(run.recipe.plugins.modules),
        trained={"run": run.recipe.name, "trial": best.trial, "seed": run.recipe.seed, **best.result.as_dict()},
    )
    folder = run.folder
    argument = FinaliseArgument(place, winner, str(folder.model), str(folder.evaluation), run.recipe.seed)
    (answer,) = run_tasks(finalise_best, [argument], [run.folder.trials / "finish.txt"])
    if isinstance(answer, TaskFailed):
        raise SearchError(
            f"the best model could not be evaluated: {answer.message}",
            where=str(run.folder.path),
            hint="`automl-img search --resume RUN` tries again.",
        )
    return dict(answer.value)


def _weights(run: Run, best: TrialRow, sha256: str) -> Path:
    """Return the weights of a trial: its own, or the best model's where an earlier process has ended this search with it."""
    own = attempt_folder(run.folder.trials, best.spec) / WEIGHTS_FILE
    kept = run.folder.model / WEIGHTS_FILE
    if not own.is_file() and kept.is_file() and sha256_of(kept) == sha256:
        return kept
    return own


def _why_nothing(run: Run, rows: list[TrialRow]) -> str:
    if not rows:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in run.skipped)
        return f"no trial was run: {reasons}" if reasons else "no trial was run: the budget was too short to begin one"
    reasons = "; ".join(f"{row.trial} ({row.architecture}) {row.kind or row.status}: {row.message}" for row in rows[:5])
    return f"none of {len(rows)} trials gave a model: {reasons}"
