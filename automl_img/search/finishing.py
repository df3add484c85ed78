"""The end of a search: the leaderboard, the best model, its figures, and what is thrown away."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from automl_img import events
from automl_img.errors import SearchError, named_reason_of
from automl_img.evaluation.model_file import Candidate
from automl_img.evaluation.terms import Terms
from automl_img.executors.local import attempt_folder
from automl_img.executors.process import TaskFailed
from automl_img.executors.running import run_tasks
from automl_img.executors.site import Site
from automl_img.executors.tasks import FinaliseArgument, Place, finalise_best
from automl_img.recipe import duration_text
from automl_img.search import run_folder
from automl_img.search.budget import Budget
from automl_img.search.deciding import wishes_of
from automl_img.search.journal import CHOSEN, TrialRow
from automl_img.search.leaderboard import Entry, by_worth, leaderboard
from automl_img.search.learning import keep_experience
from automl_img.search.preparation import PreparedData
from automl_img.search.progress import FAILED
from automl_img.search.refitting import measured, refit
from automl_img.search.reporting import write_report
from automl_img.search.run import Run
from automl_img.search.stages import SHORTEST_LOOK, figures_seconds, overhead_of
from automl_img.search.suspecting import CHECK_FILE, SUSPECTS, write_suspects
from automl_img.tasks.scores import share_error
from automl_img.training.artifacts import WEIGHTS_FILE, sha256_of
from automl_img.training.network import NetworkPlan

CANDIDATES = 8  # trials that are compared on the validation images
CANDIDATES_BYTES = 1.5e9  # of their weights together, for they are in memory at once
INTERRUPTED_SECONDS = 10.0  # for the comparison, where a person has asked the search to end
LEAST_DIFFERENCE = 0.01  # of F1, below which a trial is always worth comparing
CLEAR_ERRORS = 3.0  # standard errors of a share, beyond which it is not
SUSPECTS_SECONDS = 8.0  # of a time budget that must be left to look for wrong labels, and as many more as figures take
LEAST_RESERVE, MOST_RESERVE = 1.5, 6.0  # seconds of a time budget that are kept for the figures, the report and the end
RESERVE_SHARE = (
    0.5  # that this is of what a trial takes beside its training: both build a network, compile it, and write
)


def finish(run: Run, data: PreparedData, place: Place, site: Site, failure: str = "") -> dict[str, Any]:
    """Write the leaderboard, the best model and its figures; return what ``metrics.json`` holds.

    Args:
        run: The search.
        data: Its data.
        place: Where a child process finds the data.
        site: Where its trials ran.
        failure: Why the search went on without its strategy; empty: it did not.

    Raises:
        SearchError: There is no model.
    """
    rows = run.journal.trials()
    entries = leaderboard(rows, run.skipped)
    run.folder.write_leaderboard(entries)
    candidates = _candidates(run, rows, data)
    interrupted = run.interruption.asked
    if not candidates:
        run.journal.set_meta("state", FAILED)
        raise _no_model(run, rows, failure, interrupted=interrupted)
    refitting = run.recipe.final.refit and not interrupted
    if refitting and run.recipe.final.ensemble > 1:
        run.decided("one network is chosen, to be trained again on all images: final.ensemble is left aside")
    begun = run.elapsed
    figures = _finalise(run, candidates, data, place, interrupted=interrupted, test=not refitting)
    evaluation, selection = run.elapsed - begun, figures["selection"]
    best = next(row for row in rows if row.trial == selection["trial"])
    for sentence in selection["sentences"]:
        run.decided(sentence)
    _tell_wishes(run, selection["wishes"])
    refitted = refitting and refit(run, data, place, site, best)
    if refitting:
        begun = run.elapsed
        figures["test"] = measured(run, place)
        evaluation += run.elapsed - begun
    interrupted = run.interruption.asked  # perhaps since then
    if run.recipe.output.keep == "best":
        # Weights that are no longer in the model are needed if the search goes on.
        # Of a search that may go on, promising trials may be promoted from their checkpoints.
        unfinished = [
            row.trial
            for row in rows
            if row.status == "running" or row.interrupted or (interrupted and row.spec.promotable)
        ]
        run.folder.delete_weights(
            but=attempt_folder(run.folder.trials, best.spec) if refitted else None, unfinished=unfinished
        )
    metrics = {
        "validation": figures["validation"],
        "test": figures.get("test") or None,
        "best": {
            "trial": best.trial,
            "architecture": best.architecture,
            "f1": best.result.f1 if best.result else None,
            "members": selection["members"],
        },
        "selection": selection,
        "repeats": _repeats(rows),
        "trials": len(rows),
        "interrupted": interrupted,
        "evaluation_s": round(evaluation, 1),
        "wall_s": round(run.elapsed, 1),
    }
    run.folder.write(run_folder.METRICS_FILE, metrics)
    run.journal.set_meta(CHOSEN, best.trial)
    run.journal.set_meta("state", "interrupted" if interrupted else "ended")
    keep_experience(run, rows, data)
    _look_for_wrong_labels(run, data)
    _report(run)
    _tell_ended(run, metrics, entries, data.store.task.kind)
    return metrics


def _tell_ended(run: Run, metrics: Mapping[str, Any], entries: Sequence[Entry], task: str) -> None:
    best, validation, test = metrics["best"], metrics["validation"], metrics["test"] or {}
    run.say(
        events.SearchEnded,
        run_dir=str(run.folder.path),
        best_trial=best["trial"],
        architecture=best["architecture"],
        task=task,
        validation_f1=validation["f1"],
        validation_interval=tuple(validation["intervals"]["f1"]),
        test_f1=test.get("f1"),
        test_interval=tuple(test["intervals"]["f1"]) if test else None,
        test_accuracy=test.get("accuracy"),
        trials=metrics["trials"],
        failed=sum(entry.status == "failed" for entry in entries),
        interrupted=metrics["interrupted"],
        run_bytes=run.folder.size(),
        leaderboard=tuple(entry.__dict__ for entry in entries),
        members=tuple(best["members"]),
    )


def _no_model(run: Run, rows: Sequence[TrialRow], failure: str, *, interrupted: bool) -> SearchError:
    hint = ""
    if interrupted and all(row.status == "running" for row in rows):
        hint = "What was prepared is kept: `automl-img search --resume RUN` goes on."
    elif not rows and _too_late_to_begin(run):
        hint = "What was prepared is kept: `automl-img search --resume RUN --budget 10m` goes on."
    return SearchError(_why_nothing(run, rows, failure, interrupted=interrupted), where=str(run.folder.path), hint=hint)


def _look_for_wrong_labels(run: Run, data: PreparedData) -> None:
    """List the images whose labels are probably wrong, if there is time; `automl-img suspects RUN` does so at any time."""
    (run.folder.evaluation / CHECK_FILE).unlink(missing_ok=True)  # by a model from before the search went on
    if Budget.of(run.recipe.budget).seconds_left(run.elapsed) < SUSPECTS_SECONDS + _figures_seconds(data):
        return
    try:
        write_suspects(run.folder.path, SUSPECTS)
    except Exception as error:
        run.decided(f"labels were not looked through: {named_reason_of(error)}; `automl-img suspects RUN` tries again")


def _report(run: Run) -> None:
    """Write the page on the run; whatever may be wrong with it, the search has its model."""
    try:
        write_report(run.folder.path)
    except Exception as error:
        run.decided(f"the report could not be written: {named_reason_of(error)}; `automl-img report RUN` tries again")


def _candidates(run: Run, rows: list[TrialRow], data: PreparedData) -> tuple[Candidate, ...]:
    """The trials that may become the model, the best first: their weights are there, and their F1 is not clearly lower."""
    kept = _kept_weights(run)
    found: list[Candidate] = []
    best, size = 0.0, 0
    for row in by_worth(rows):
        assert row.result is not None
        own = attempt_folder(run.folder.trials, row.spec) / WEIGHTS_FILE
        whole = own.is_file() and sha256_of(own) == row.result.weights_sha256
        weights = own if whole else kept.get(row.result.weights_sha256)
        if weights is None:
            if own.is_file():
                run.decided(f"the weights of trial {row.trial} are torn: it cannot become the model")
            continue
        best = best or row.result.f1
        if found and best - row.result.f1 > _clearly(best, len(data.splits.validation)):
            break
        plan = NetworkPlan(row.spec.values, data.store.traits, data.mean, data.std, row.spec.weights != "none")
        found.append(Candidate(row.trial, plan, str(weights), row.spec.plugins, row.result.as_dict(), row.spec.seed))
        size += weights.stat().st_size
        if len(found) > 1 and size > CANDIDATES_BYTES:
            return tuple(found[:-1])
        if len(found) == CANDIDATES:
            break
    return tuple(found)


def _clearly(f1: float, images: int) -> float:
    """A difference of F1 over which two networks are not as good as one another: some standard errors of a share."""
    return max(LEAST_DIFFERENCE, CLEAR_ERRORS * share_error(f1, images))


def _kept_weights(run: Run) -> dict[str, Path]:
    """Weights by their SHA-256, of a model with which an earlier process has ended this search."""
    return {sha256_of(path): path for path in run.folder.model.glob("*.weights.h5")}


def _finalise(
    run: Run, candidates: tuple[Candidate, ...], data: PreparedData, place: Place, *, interrupted: bool, test: bool
) -> dict[str, Any]:
    folder, recipe, budget = run.folder, run.recipe, run.recipe.budget.time
    reserve = _reserve(run.journal.trials()) + _figures_seconds(data)
    left = math.inf if budget is None else budget - run.elapsed - reserve
    terms = Terms(
        settings=recipe.final if test else recipe.final.model_copy(update={"ensemble": 1}),  # only one is trained again
        wishes=wishes_of(recipe.decision, data.store.task),
        seed=recipe.seed,
        latency=recipe.search.limits.latency,
        # Who has asked for the end waits for it. The process that compares them starts after this moment.
        until=time.monotonic() + (min(left, INTERRUPTED_SECONDS) if interrupted else left),
        test=test,
        deterministic=recipe.train.deterministic,
        modules=tuple(recipe.plugins.modules),
        run=recipe.name,
    )
    argument = FinaliseArgument(place, candidates, str(folder.model), str(folder.evaluation), terms)
    (answer,) = run_tasks(finalise_best, [argument], [folder.trials / "finish.txt"])
    if isinstance(answer, TaskFailed):
        raise SearchError(
            f"the best model could not be evaluated: {answer.message}",
            where=str(run.folder.path),
            hint="`automl-img search --resume RUN` tries again.",
        )
    return dict(answer.value)


def _reserve(rows: Sequence[TrialRow]) -> float:
    """Seconds to keep for what follows the comparison, by how quickly trials began and ended on this machine."""
    beside = [row.result.seconds - row.result.training_seconds for row in rows if row.result and row.spec.attempt == 1]
    return min(MOST_RESERVE, max(LEAST_RESERVE, RESERVE_SHARE * min(beside, default=MOST_RESERVE)))


def _figures_seconds(data: PreparedData) -> float:
    return figures_seconds(len(data.splits.validation) + len(data.splits.test), data.store.task.classes)


def _tell_wishes(run: Run, wishes: list[dict[str, Any]]) -> None:
    for wish in wishes:
        if wish["reached"] is None:
            run.decided(f"wish {wish['wish']}: no validation image is of the class, so it changes nothing")
            continue
        state = "holds on validation" if wish["kept"] else "cannot be kept; the nearest on validation"
        run.decided(f"wish {wish['wish']}: {state} ({wish['reached']:.4f})")


def _repeats(rows: list[TrialRow]) -> list[dict[str, Any]]:
    """The configurations that were trained under several seeds, each with the F1 of all its trainings."""
    groups: dict[int, list[TrialRow]] = {}
    for row in rows:
        if row.result is not None:
            groups.setdefault(row.spec.repeats or row.trial, []).append(row)
    return [
        {
            "trial": first,
            "trials": [row.trial for row in group],
            "f1": [row.result.f1 for row in group if row.result is not None],
        }
        for first, group in groups.items()
        if len(group) > 1
    ]


def _too_late_to_begin(run: Run) -> bool:
    return Budget.of(run.recipe.budget).seconds_left(run.elapsed) < SHORTEST_LOOK + overhead_of(run.capacity.hardware)


def _why_nothing(run: Run, rows: Sequence[TrialRow], failure: str = "", *, interrupted: bool = False) -> str:
    budget = run.recipe.budget.time
    if interrupted and not rows:
        return "no trial was run: the search was asked to end before the first one began"
    if interrupted and all(row.status == "running" for row in rows):
        return "there is no model yet: the search was asked to end before any of its trials had come to one"
    if not rows and failure:
        return f"no trial was run: {failure}"
    if not rows and budget is not None and _too_late_to_begin(run):
        used = f"{duration_text(run.elapsed)} of a budget of {duration_text(budget)} had gone"
        return f"no trial was run: {used} when the first one could have begun"
    if not rows:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in run.skipped)
        return f"no trial was run: {reasons}" if reasons else "no trial was run: the budget was too short to begin one"
    reasons = "; ".join(f"{row.trial} ({row.architecture}) {row.kind or row.status}: {row.message}" for row in rows[:5])
    return f"none of {len(rows)} trials gave a model: {reasons}"
