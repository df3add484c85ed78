"""What a search can learn from another run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_img.plugin import Outcome
from automl_img.search import run_folder
from automl_img.search.journal import Journal, TrialRow
from automl_img.search.leaderboard import best_trial
from automl_img.search.run_folder import RunFolder
from automl_img.search.space import SearchSpace
from automl_img.search.trials import Start


@dataclass(frozen=True)
class Learned:
    """What another run is worth to this one.

    Attributes:
        start: Its best configuration, to be tried first; None: this search's space has no such architecture.
        outcomes: Its trials of configurations that this search's space has, for the strategy to learn from; none where it was about
            other images, whose F1 tells nothing here.
        sentence: What was taken over, for people.
    """

    start: Start | None
    outcomes: tuple[Outcome, ...]
    sentence: str


def learned_from(path: str | Path, space: SearchSpace, fingerprint: str) -> Learned:
    """Return what the run in ``path`` has learned, in the values of ``space``.

    Args:
        path: Its run folder.
        space: This search's space. In the start, hyperparameters and values that it does not have are left out, and those that it has
            more take their default.
        fingerprint: Of this search's images.

    Raises:
        RunFolderError: It is no run folder.
    """
    folder = RunFolder.open(path)
    journal = Journal(folder.path)
    try:
        rows = [row for row in journal.trials() if row.result is not None and _fits(row.spec.values, space)]
    finally:
        journal.close()
    same = folder.read(run_folder.DATA_FILE)["fingerprint"] == fingerprint
    outcomes = tuple(_outcomes(rows, space)) if same else ()
    best = best_trial(rows)
    if best is None:
        return Learned(None, (), f"nothing could be taken over from {folder.path}: no trial of it fits this search")
    assert best.result is not None
    start = Start(best.architecture, _values(best, space), 1.0 / max(1e-9, best.result.images_per_second), "taken over")
    told = f"; the strategy is told of {len(outcomes)} of its trials" if same else "; its images were others"
    return Learned(
        start, outcomes, f"begins with the best of {folder.path}, {best.architecture} of trial {best.trial}{told}"
    )


def _outcomes(rows: Iterable[TrialRow], space: SearchSpace) -> Iterable[Outcome]:
    for row in rows:
        assert row.result is not None
        values = _values(row, space)
        if _but_off(values) == _but_off(row.spec.values):
            yield Outcome(f"earlier-{row.trial}", values, row.result.f1)


def _but_off(values: Mapping[str, Any]) -> dict[str, Any]:
    """All but the switches that are off: one that a space does not have is off in it."""
    return {name: value for name, value in values.items() if value is not False}


def _values(row: TrialRow, space: SearchSpace) -> dict[str, Any]:
    known = {parameter.name: parameter for parameter in space.parameters}
    return space.complete({n: v for n, v in row.spec.values.items() if n in known and known[n].accepts(v)})


def _fits(values: Mapping[str, Any], space: SearchSpace) -> bool:
    return any(p.name == "architecture" and p.accepts(values["architecture"]) for p in space.parameters)
