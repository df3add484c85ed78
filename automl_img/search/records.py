"""All trials that a scheduler has handed out, and what it must remember of each beside what the journal has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from automl_img.search.journal import TrialRow
from automl_img.search.trials import FINAL, REPEAT, Record
from automl_img.training.spec import FailureKind, TrialSpec


class Records:
    """The trials by their numbers, and which of them run."""

    def __init__(self) -> None:
        self._records: dict[int, Record] = {}
        self._running: set[int] = set()
        self._unsaved: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._records)

    def __getitem__(self, trial: int) -> Record:
        return self._records[trial]

    def begin(self, record: Record) -> None:
        """A trial is handed out for the first time."""
        self._records[record.spec.trial] = record
        self._unsaved.add(record.spec.trial)
        self._running.add(record.spec.trial)

    def begin_again(self, spec: TrialSpec) -> None:
        """Another attempt at a trial is handed out."""
        self._records[spec.trial].spec = spec
        self._running.add(spec.trial)

    def end(self, trial: int) -> Record:
        """A trial runs no more."""
        self._running.discard(trial)
        return self._records[trial]

    def lose(self, trial: int) -> None:
        """The process that drove the search has ended, and this attempt with it."""
        self._records[trial].lost += 1
        self._unsaved.add(trial)

    def lose_node(self, trial: int) -> None:
        """An attempt has ended with its node."""
        self._records[trial].nodes_lost += 1
        self._unsaved.add(trial)

    # -- what there is -----------------------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether any trial runs."""
        return bool(self._running)

    @property
    def epochs_running(self) -> float:
        """Epochs that the running trials may still come to, all together, beside those of trials that they continue."""
        specs = [self._records[trial].spec for trial in self._running]
        return sum(max(0.0, spec.fidelity.epochs - self.epochs_before(spec.continues)) for spec in specs)

    def epochs_before(self, continues: str) -> float:
        """Epochs that the trial of an attempt which another one continues was trained for; 0 if it has no result."""
        record = self._records.get(int(continues.split("/")[0])) if continues else None
        return 0.0 if record is None or record.result is None else record.result.epochs

    @property
    def exploring(self) -> int:
        """How many trials run that are no final training."""
        return sum(self._records[trial].spec.stage != FINAL for trial in self._running)

    @property
    def probing(self) -> bool:
        """Whether a trial runs that will tell which augmentations suit the images."""
        return any(self._records[trial].spec.probe for trial in self._running)

    @property
    def first_runs(self) -> bool:
        """Whether any trial runs that does not repeat another one under another seed."""
        return any(not self._records[trial].spec.repeats for trial in self._running)

    @property
    def repeated(self) -> int:
        """Trials that repeat another one under another seed."""
        return sum(record.spec.repeats > 0 for record in self._records.values())

    def running_with(self, values: Mapping[str, Any]) -> Record | None:
        """The trial that runs with these hyperparameter values."""
        return next(
            (self._records[trial] for trial in self._running if self._records[trial].spec.values == values), None
        )

    def done(self) -> list[Record]:
        """Those that ended well."""
        return [record for record in self._records.values() if record.result is not None]

    @property
    def architectures(self) -> set[str]:
        """Those that were tried."""
        return {record.spec.architecture for record in self._records.values()}

    @property
    def in_full(self) -> set[str]:
        """Architectures of the final trainings, and of their repetitions."""
        return {record.spec.architecture for stage in (FINAL, REPEAT) for record in self.of_stage(stage)}

    def of_stage(self, stage: str) -> list[Record]:
        """Those of one stage of the search."""
        return [record for record in self._records.values() if record.spec.stage == stage]

    def of_key(self, key: str) -> Record | None:
        """The trial that its strategy knows by this key."""
        return next((record for record in self._records.values() if record.key == key), None)

    def broken(self) -> set[str]:
        """Architectures of which a trial failed by its own fault."""
        own = (FailureKind.RAISED, FailureKind.NONFINITE)
        return {record.spec.architecture for record in self._records.values() if record.failure in own}

    def rename(self) -> None:
        """Give all trials keys that no strategy gives, nor another search that this one learns from."""
        for trial, record in self._records.items():
            record.key = f"before-{trial}"
            self._unsaved.add(trial)

    # -- saving and going on -----------------------------------------------------------------------------------------------------

    def changes(self) -> dict[str, Any]:
        """Return an entry for each trial that has changed since the last call, as JSON can hold it."""
        unsaved = [self._records[trial] for trial in sorted(self._unsaved)]
        self._unsaved.clear()
        return {f"trial/{one.spec.trial}": [one.key, one.fraction, one.lost, one.nodes_lost] for one in unsaved}

    def restore(self, row: TrialRow, entry: Sequence[Any], curve: Sequence[tuple[float, float]]) -> None:
        """Take back a trial of the journal, its entry of :meth:`changes` and its measurements; it does not run."""
        key, fraction, lost, nodes_lost = entry
        failure = FailureKind(row.kind) if row.kind else None
        self._records[row.trial] = Record(row.spec, key, fraction, row.result, failure, lost, nodes_lost, list(curve))
