"""The leaderboard: trials in the order of their worth."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from automl_img.search.journal import TrialRow


@dataclass(frozen=True)
class Entry:
    """One line of the leaderboard.

    Attributes:
        rank: From 1; 0 for a trial without a score.
        trial: Number of the trial; 0 for an architecture that never got one.
        stage: "look", "search", "final", "repeat", or "".
        architecture: Name of the plugin.
        size: What the architecture's own hyperparameters are.
        status: "done", "failed", "skipped", "stopped" or "running".
        f1: Macro-F1 on the validation split; empty without a score.
        val_loss: Cross-entropy there, in nats.
        parameters: Weights of the network.
        epochs: Passes over the training images.
        seconds: Wall time.
        images_per_second: Training speed.
        note: Why it failed or was skipped, or why it was run.
        hyperparameters: Their values by full name, as ``search.fixed`` takes them.
    """

    rank: int
    trial: int
    stage: str
    architecture: str
    size: str
    status: str
    f1: float | None
    val_loss: float | None
    parameters: int | None
    epochs: float | None
    seconds: float | None
    images_per_second: float | None
    note: str
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)


def leaderboard(trials: Iterable[TrialRow], skipped: Iterable[tuple[str, str]] = ()) -> list[Entry]:
    """Order trials by macro-F1, ties by lower loss, then by fewer parameters; those without a score come last.

    Args:
        trials: The trials of the journal.
        skipped: Architectures that never got a trial, with the reason.
    """
    rows = list(trials)
    scored = by_worth(rows)
    entries = [_entry(row, rank) for rank, row in enumerate(scored, start=1)]
    entries += [_entry(row, 0) for row in rows if row.result is None]
    for architecture, reason in skipped:
        entries.append(Entry(0, 0, "", architecture, "", "skipped", None, None, None, None, None, None, reason))
    return entries


def by_worth(trials: Iterable[TrialRow]) -> list[TrialRow]:
    """The trials with a score, the best first."""
    return sorted((row for row in trials if row.result is not None), key=_worth)


def best_trial(trials: Iterable[TrialRow], chosen: int | None = None) -> TrialRow | None:
    """The trial that became the model, if ``chosen`` names it, or else the one at the top; None if none has a score."""
    ranked = by_worth(trials)
    return next((row for row in ranked if row.trial == chosen), next(iter(ranked), None))


def _worth(row: TrialRow) -> tuple[float, float, int, int]:
    assert row.result is not None
    return (-row.result.f1, row.result.val_loss, row.result.parameters, row.trial)


def _entry(row: TrialRow, rank: int) -> Entry:
    result = row.result
    return Entry(
        rank=rank,
        trial=row.trial,
        stage=row.stage,
        architecture=row.architecture,
        size=member_text(row.spec.values),
        status=row.status,
        f1=None if result is None else round(result.f1, 5),
        val_loss=None if result is None else round(result.val_loss, 5),
        parameters=None if result is None else result.parameters,
        epochs=None if result is None else round(result.epochs, 2),
        seconds=None if result is None else round(result.seconds, 1),
        images_per_second=None if result is None else round(result.images_per_second),
        note=f"{row.kind}: {row.message}" if row.message else row.spec.why,
        hyperparameters={name: value for name, value in row.spec.values.items() if name != "architecture"},
    )


def member_text(values: object) -> str:
    """The architecture's own hyperparameters in short: ``width=32 depth=1``."""
    assert isinstance(values, dict)
    prefix = f"{values['architecture']}."
    return " ".join(
        f"{name.removeprefix(prefix)}={_short(value)}" for name, value in values.items() if name.startswith(prefix)
    )


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def to_csv(entries: Sequence[Entry]) -> str:
    """The leaderboard as CSV with a header; the hyperparameters of a trial are JSON in one column."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(Entry.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    for entry in entries:
        values = json.dumps(entry.hyperparameters) if entry.hyperparameters else ""
        writer.writerow({**asdict(entry), "hyperparameters": values})
    return buffer.getvalue()
