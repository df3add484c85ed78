"""A run as one HTML page: the answer first, then the evidence for it."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_img.evaluation.metrics import f1_name
from automl_img.recipe import counted, duration_text
from automl_img.report.answers import AnswerPictures
from automl_img.report.facts import Fact
from automl_img.report.plots import Chart, Series, line_chart, parallel_coordinates, steps
from automl_img.report.rendering import render
from automl_img.report.run_evidence import RunEvidence, TrialFacts

TEMPLATE = "run.html.j2"
SCRIPT = Path(__file__).parent / "templates" / "run.js"
PICTURE_BYTES = 3_000_000
FEW_CURVES = 8  # classes with a curve of their own
SHOWN_SLICES = 24

#: Names of figures, as they stand in the table.
FIGURES = {
    "f1": "F1 that the task is judged by",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "precision_macro": "Precision, mean over classes",
    "recall_macro": "Recall, mean over classes",
    "f1_weighted": "F1, weighted by class size",
    "f1_micro": "F1, micro",
    "roc_auc_macro": "ROC AUC, one against the rest",
    "average_precision_macro": "Average precision",
    "matthews": "Matthews correlation",
    "log_loss": "Log loss (nats)",
    "calibration_error": "Calibration error",
}


@dataclass(frozen=True)
class FigureRow:
    """One figure on each split: its name, its values, their intervals, and the commonest answer's."""

    name: str
    values: tuple[str, ...]
    intervals: tuple[str, ...]
    baseline: str


@dataclass(frozen=True)
class Family:
    """What one architecture has cost and brought."""

    name: str
    trials: int
    failed: int
    seconds: float
    best: float | None


def run_page(evidence: RunEvidence, *, picture_bytes: int = PICTURE_BYTES) -> str:
    """Return a page on a run that needs nothing from outside: text, charts and small pictures in one file.

    Args:
        evidence: What is known of the run.
        picture_bytes: What all pictures together may take.
    """
    script = SCRIPT.read_text(encoding="utf-8")
    pictures = None
    if evidence.judged in evidence.answers and evidence.task != "multilabel":
        answers = evidence.answers[evidence.judged]
        pictures = AnswerPictures(answers, evidence.class_names, evidence.images, picture_bytes)
    return render(
        TEMPLATE,
        run=evidence,
        best=_best(evidence),
        facts=tuple(_facts(evidence)),
        rows=_figure_rows(evidence),
        per_class=_per_class(evidence),
        families=_families(evidence.trials),
        skipped=[trial for trial in evidence.trials if trial.status in ("failed", "skipped")],
        learning=_learning(evidence),
        losses=_losses(evidence),
        over_time=_over_time(evidence),
        parallel=parallel_coordinates(_strands(evidence.trials)),
        roc=_class_curves(evidence, "roc", "False positive rate", "Recall"),
        precision_recall=_class_curves(evidence, "precision_recall", "Recall", "Precision"),
        reliability=_reliability(evidence),
        matrix=pictures.matrix() if pictures else [],
        coverage=_coverage(evidence),
        slices=evidence.curves.get(evidence.judged, {}).get("slices", ())[:SHOWN_SLICES],
        contestants=_contestants(evidence),
        decision=evidence.figures.get(evidence.judged, {}).get("decision"),
        suspects=pictures.suspects(evidence.suspects) if pictures else [],
        looked=pictures.looked_into(evidence.attention) if pictures and evidence.attention else [],
        mistakes=pictures.mistakes() if pictures else [],
        classes=pictures.of_classes() if pictures else [],
        confused=pictures.confused() if pictures else [],
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _best(evidence: RunEvidence) -> TrialFacts | None:
    return next((trial for trial in evidence.trials if trial.trial == evidence.best and evidence.best), None)


def _facts(evidence: RunEvidence) -> Iterator[Fact]:
    for split in ("test", "validation"):
        figures = evidence.figures.get(split)
        if figures:
            between = _between(figures["intervals"].get("f1"))
            yield Fact(f"{_capital(f1_name(evidence.task))}, {split}", f"{figures['f1']:.4f}", between)
    figures = evidence.figures.get(evidence.judged)
    if figures:
        yield Fact(
            f"Accuracy, {evidence.judged}",
            f"{figures['accuracy']:.2%}",
            _between(figures["intervals"].get("accuracy"), "{:.2%}"),
        )
        if "baseline" in figures:
            yield Fact("Always the commonest", f"{figures['baseline']['f1']:.4f}", "F1 of a model that learned nothing")
    trials = [trial for trial in evidence.trials if trial.trial]
    failed = sum(trial.status == "failed" for trial in trials)
    spent = f"of {evidence.budget}; {counted(len(trials), 'trial')}, {failed} failed"
    yield Fact("Cost", duration_text(evidence.elapsed), spent)
    best = _best(evidence)
    weights = sum(one["parameters"] for one in _contestants(evidence) if one["share"]) or (best and best.parameters)
    if weights:
        yield Fact("Weights", f"{weights:,}", f"{weights * 4 / 1e6:.1f} MB as float32")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _between(interval: Sequence[float] | None, form: str = "{:.4f}") -> str:
    return f"95%: {form.format(interval[0])} to {form.format(interval[1])}" if interval else ""


def _figure_rows(evidence: RunEvidence) -> list[FigureRow]:
    rows = []
    for key, name in FIGURES.items():
        values = [figures.get(key) for figures in evidence.figures.values()]
        if all(value is None for value in values):
            continue
        intervals = [figures["intervals"].get(key) for figures in evidence.figures.values()]
        baseline = evidence.figures[evidence.judged].get("baseline", {}).get(key)
        rows.append(
            FigureRow(
                name,
                tuple("" if value is None else f"{value:.4f}" for value in values),
                tuple(_between(interval).removeprefix("95%: ") for interval in intervals),
                "" if baseline is None else f"{baseline:.4f}",
            )
        )
    tops = {k for figures in evidence.figures.values() for k in figures.get("top", {})}
    for k in sorted(tops, key=int):
        shares = tuple(f"{figures['top'][k]:.4f}" for figures in evidence.figures.values())
        rows.append(FigureRow(f"True class among the first {k}", shares, ("",) * len(shares), ""))
    return rows


def _per_class(evidence: RunEvidence) -> list[tuple[str, Mapping[str, Any]]]:
    """The classes with their figures, the worst F1 first; those without images, of which nothing is known, last."""
    figures = evidence.figures.get(evidence.judged)
    rows = figures["per_class"].items() if figures else ()
    return sorted(rows, key=lambda row: (not row[1]["support"], row[1]["f1"]))


def _families(trials: Sequence[TrialFacts]) -> list[Family]:
    found = []
    for name in dict.fromkeys(trial.architecture for trial in trials if trial.trial):
        mine = [trial for trial in trials if trial.architecture == name and trial.trial]
        scores = [trial.f1 for trial in mine if trial.f1 is not None]
        failed = sum(trial.status == "failed" for trial in mine)
        found.append(
            Family(name, len(mine), failed, sum(trial.seconds or 0.0 for trial in mine), max(scores, default=None))
        )
    return sorted(found, key=lambda family: -(family.best or 0.0))


def _learning(evidence: RunEvidence) -> Chart | None:
    """F1 of each trial over its passes, the best one last and above the others."""
    order = sorted(evidence.trials, key=lambda trial: trial.trial == evidence.best)
    series = [
        Series(
            f"trial {trial.trial}, {trial.architecture}",
            [(one.epoch, one.f1) for one in trial.curve],
            "best" if trial.trial == evidence.best else "other",
            f"trial-{trial.trial}",
        )
        for trial in order
    ]
    scores = sorted(one.f1 for trial in evidence.trials for one in trial.curve)
    lowest = scores[len(scores) // 20] if scores else 0.0  # the first steps of a few trials would flatten all others
    highest = scores[-1] if scores else 1.0
    span = max(0.02, highest - lowest)
    return line_chart(
        f"{_capital(f1_name(evidence.task))} on validation images over passes, a line for each trial",
        series,
        "passes over the training images",
        "F1 on validation",
        y_range=(max(0.0, lowest - 0.05 * span), min(1.0, highest + 0.05 * span)) if highest > lowest else None,
    )


def _losses(evidence: RunEvidence) -> Chart | None:
    """The losses of the best trial over its passes, in training and on validation."""
    best = _best(evidence)
    if best is None:
        return None
    lines = {
        "training": _known((one.epoch, one.loss) for one in best.curve),
        "validation": _known((one.epoch, one.validation_loss) for one in best.curve),
    }
    # The first steps would flatten all others.
    later = [loss for points in lines.values() for _, loss in points[len(points) // 10 :]]
    lowest, highest = min(later, default=0.0), max(later, default=0.0)
    margin = 0.05 * (highest - lowest)
    return line_chart(
        f"Loss of trial {best.trial}, {best.architecture}, in training and on validation images over passes",
        [Series(name, points, f"class-{place}") for place, (name, points) in enumerate(lines.items())],
        "passes over the training images",
        "loss",
        y_range=(lowest - margin, highest + margin) if margin > 1e-9 else None,
    )


def _known(points: Iterable[tuple[float, float | None]]) -> list[tuple[float, float]]:
    """Return the points whose height is a number."""
    return [(x, y) for x, y in points if y is not None and math.isfinite(y)]


def _over_time(evidence: RunEvidence) -> Chart | None:
    """The best F1 so far over the search's time."""
    scored = [(trial.ended, trial.f1) for trial in evidence.trials if trial.f1 is not None]
    ended = sorted((at, f1) for at, f1 in scored if at is not None)
    # An older version did not keep when trials ended, and a part of them would be a curve below the best.
    if len(ended) < len(scored):
        return None
    best: list[tuple[float, float]] = []
    for at, f1 in ended:
        if not best or f1 > best[-1][1]:
            best.append((at / 60, f1))
    if not best:
        return None
    points = [Series("best so far", steps(best, ended[-1][0] / 60), "best")]
    dots = [Series(f"F1 {f1:.4f}", [(at / 60, f1), (at / 60, f1)], "dot") for at, f1 in ended if f1 >= best[0][1] - 0.2]
    title = f"Best {f1_name(evidence.task)} on validation images over time"
    return line_chart(title, [*dots, *points], "minutes", "best F1 so far")


def _strands(trials: Sequence[TrialFacts]) -> list[tuple[str, str, Mapping[str, Any], float]]:
    return [
        (
            f"trial-{trial.trial}",
            f"trial {trial.trial}, {trial.architecture}: F1 {trial.f1:.4f}",
            plain_values(trial.values),
            trial.f1,
        )
        for trial in trials
        if trial.f1 is not None and trial.trial
    ]


def plain_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return hyperparameters with the learning rate under one name, whichever optimizer has it."""
    own = f"optimizer.{values.get('optimizer')}.lr"
    return {("learning rate" if name == own else name): value for name, value in values.items()}


def _class_curves(evidence: RunEvidence, kind: str, x: str, y: str) -> Chart | None:
    """The curves of the classes with the smallest areas; of few classes, of all."""
    curves = evidence.curves.get(evidence.judged, {}).get(kind, ())
    chosen = sorted(curves, key=lambda curve: curve["area"])[:FEW_CURVES]
    series = [
        Series(
            f"{curve['name']} ({curve['area']:.3f})", list(zip(curve["x"], curve["y"], strict=True)), f"class-{place}"
        )
        for place, curve in enumerate(chosen)
    ]
    if kind == "roc" and series:
        series.insert(0, Series("chance", [(0.0, 0.0), (1.0, 1.0)], "guide"))
    return line_chart(f"{y} over {x.lower()}", series, x, y, x_range=(0.0, 1.0), y_range=(0.0, 1.0))


def _contestants(evidence: RunEvidence) -> list[dict[str, Any]]:
    """The trials that were compared at the end, each with its share of the model."""
    selection = evidence.selection
    shares = dict(zip(selection.get("members", ()), selection.get("shares", ()), strict=False))
    names = {trial.trial: f"{trial.architecture} {trial.size}".strip() for trial in evidence.trials}
    return [
        {**one, "name": names.get(one["trial"], ""), "share": shares.get(one["trial"])}
        for one in selection.get("contestants", ())
    ]


def _coverage(evidence: RunEvidence) -> Chart | None:
    found = evidence.curves.get(evidence.judged, {}).get("coverage")
    if not found:
        return None
    points = [
        (share, accuracy) for share, accuracy in zip(found["coverage"], found["accuracy"], strict=True) if share >= 0.1
    ]
    return line_chart(
        "Accuracy of the surest answers, by how many are given",
        [Series("answers", points, "best")],
        "share of the images that get an answer",
        "share that is right",
        x_range=(0.0, 1.0),
    )


def _reliability(evidence: RunEvidence) -> Chart | None:
    found = evidence.curves.get(evidence.judged, {}).get("reliability")
    if not found:
        return None
    points = list(zip(found["confidence"], found["accuracy"], strict=True))
    series = [Series("as sure as right", [(0.0, 0.0), (1.0, 1.0)], "guide"), Series("answers", points, "best")]
    series += [
        Series(f"{count:,} answers", [point, point], "dot") for point, count in zip(points, found["count"], strict=True)
    ]
    title, square = "How often answers are right, by how sure they are", (0.0, 1.0)
    return line_chart(title, series, "confidence", "share that is right", x_range=square, y_range=square)
