"""The page on a run: what it shows is read from the run folder, so that it can be written at any time, by anybody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from automl_img.data.splits import SplitIndices
from automl_img.data.store import PreparedStore
from automl_img.errors import AutoMLImageError, RunFolderError
from automl_img.evaluation.attention import ATTENTION_FILE, Attention
from automl_img.evaluation.predictions import CURVES_FILE, Predictions
from automl_img.recipe import recipe_from_mapping
from automl_img.replacing import replacing
from automl_img.report.run_evidence import Measured, RunEvidence, TrialFacts
from automl_img.report.run_page import plain_values, run_page
from automl_img.search import run_folder
from automl_img.search.importance import importance
from automl_img.search.journal import CHOSEN, GIVEN, JOURNAL_FILE, Journal, TrialRow
from automl_img.search.leaderboard import Entry, best_trial, leaderboard
from automl_img.search.lock import driver_of
from automl_img.search.progress import ENDED, state_of
from automl_img.search.run_folder import RunFolder
from automl_img.search.suspecting import suspects_of

LEAST_EXPLAINED = 0.1  # of the differences of F1, below which nothing is said of what mattered
REPORT_FILE = "report.html"


def write_report(path: str | Path, target: Path | None = None) -> Path:
    """Write the page on the run in ``path``, also on one that still runs or has failed; return where it lies.

    Args:
        path: The run folder.
        target: The file; ``report.html`` in the run folder unless given.

    Raises:
        RunFolderError: It is no run folder, a link in it leads elsewhere, or the file cannot be written.
    """
    folder = RunFolder.open(path)
    page = run_page(evidence_of(folder))
    if target is None:
        folder.refuse_links()
    target = target or folder.path / REPORT_FILE
    try:
        with replacing(target) as temporary:
            temporary.write_text(page, encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"the report cannot be written: {error.strerror or error}", where=str(target)) from error
    return target


def evidence_of(folder: RunFolder) -> RunEvidence:
    """Return everything that is known of a run.

    Raises:
        RunFolderError: Its files cannot be read.
    """
    recipe = recipe_from_mapping(folder.read(run_folder.RECIPE_FILE))
    told = _journal(folder)
    data = folder.read(run_folder.DATA_FILE) if folder.has(run_folder.DATA_FILE) else {}
    # Figures from before a search that ended was let go on are of a model which its leaderboard may no longer speak for.
    has_model = told["state"] in ENDED and folder.has(run_folder.METRICS_FILE)
    metrics = folder.read(run_folder.METRICS_FILE) if has_model else {}
    versions = folder.read(run_folder.VERSIONS_FILE) if folder.has(run_folder.VERSIONS_FILE) else {}
    figures = {split: metrics[split] for split in ("validation", "test") if metrics.get(split)}
    files = {split: folder.evaluation / f"{split}.npz" for split in figures}
    answers = {split: Predictions.load(file) for split, file in files.items() if file.is_file()}
    return RunEvidence(
        name=recipe.name,
        folder=str(folder.path),
        budget=recipe.budget.in_words(),
        recipe=json.dumps(recipe.plain(), indent=2, ensure_ascii=False),
        task=data.get("task", ""),
        class_names=data.get("class_names", ()),
        data_name=data.get("name", recipe.data.source),
        counts=_counts(folder),
        notes=data.get("notes", ()),
        figures=figures,
        curves=_curves(folder) if figures else {},
        answers=answers,
        selection=metrics.get("selection", {}),
        repeats=metrics.get("repeats", ()),
        suspects=suspects_of(folder) if figures else (),
        attention=Attention.load(folder.evaluation / ATTENTION_FILE) if figures else None,
        images=_images(data),
        versions=versions.get("libraries", {}),
        machine=_machine(versions.get("machine", {})),
        **told,
    )


def _journal(folder: RunFolder) -> dict[str, Any]:
    if not (folder.path / JOURNAL_FILE).is_file():
        return {"state": "cut off", "elapsed": 0.0, "trials": (), "remarks": (), "best": 0}
    journal = Journal(folder.path)
    try:
        rows = journal.trials()
        ended = {row.trial: row.ended for row in rows}
        kept = journal.meta("state")
        skipped = [(name, reason) for name, reason in journal.meta("skipped") or []]
        trials = [_trial(entry, ended.get(entry.trial), journal) for entry in leaderboard(rows, skipped)]
        best = best_trial(rows, journal.meta(CHOSEN))
        return {
            # A driver that writes the page at its end still drives, and one that has not let the search go on yet changes nothing.
            "state": kept if kept in ENDED else state_of(kept, driver_of(folder.path)),
            "elapsed": float(journal.meta("elapsed") or 0.0),
            "trials": trials,
            "remarks": journal.remarks(),
            "best": best.trial if best else 0,
            "given": bool(journal.meta(GIVEN)),
            **_importance(rows),
        }
    finally:
        journal.close()


def _importance(rows: list[TrialRow]) -> dict[str, Any]:
    """By the trials of every configuration once; values under the names that a person knows."""
    known = [(row.spec.values, row.result.epochs, row.result.f1) for row in rows if row.result and not row.spec.repeats]
    found, explained = importance([(plain_values(values), epochs, f1) for values, epochs, f1 in known])
    if explained < LEAST_EXPLAINED:
        return {}
    return {"importance": [(one.name, one.share) for one in found], "explained": explained}


def _trial(entry: Entry, ended: float | None, journal: Journal) -> TrialFacts:
    measured = journal.measurements(entry.trial)
    curve = [Measured(one["epoch"], one["f1"], one["loss"], one["val_loss"]) for one in measured]
    return TrialFacts(
        rank=entry.rank,
        trial=entry.trial,
        stage=entry.stage,
        architecture=entry.architecture,
        size=entry.size,
        status=entry.status,
        f1=entry.f1,
        val_loss=entry.val_loss,
        parameters=entry.parameters,
        epochs=entry.epochs,
        seconds=entry.seconds,
        note=entry.note,
        ended=ended,
        values=entry.hyperparameters,
        curve=curve,
    )


def _counts(folder: RunFolder) -> dict[str, int]:
    if not folder.splits.is_file():
        return {}
    splits = SplitIndices.load(folder.splits)
    counts = {"training": len(splits.train), "validation": len(splits.validation), "test": len(splits.test)}
    return {name: count for name, count in counts.items() if count}


def _curves(folder: RunFolder) -> dict[str, Any]:
    path = folder.evaluation / CURVES_FILE
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a run of an older version has none
        return {}
    return found


def _images(data: dict[str, Any]) -> Any:
    """The prepared images as long as they are in the cache, unchanged; a page without pictures is better than none."""
    try:
        store = PreparedStore.open(Path(data["store"]))
    except (AutoMLImageError, KeyError, TypeError, OSError):
        return None
    return store.images if store.fingerprint == data.get("fingerprint") else None


def _machine(facts: dict[str, Any]) -> str:
    if not facts:
        return ""
    gpus = f", {facts['gpus']} GPUs" if facts.get("gpus") else ""
    return f"{facts['cores']} cores{gpus}, {facts['memory_bytes'] / 2**30:.0f} GiB"
