"""Further attempts at trials: which failures deserve one, and how it differs from the last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from automl_img.search.records import Records
from automl_img.search.trials import attempt_name
from automl_img.training.spec import FailureKind, TrialSpec

RETRIES = {FailureKind.CRASHED: 1, FailureKind.OUT_OF_MEMORY: 1, FailureKind.NO_SPACE: 3}
#: After these a trial goes on from its checkpoint, rather than count with the weights that it had saved.
CAUGHT_UP = (FailureKind.CRASHED, FailureKind.NODE_LOST)
NODES_LOST = 3  # times that a trial is begun again because its node has gone; not its fault, and counted apart


class Retries:
    """The attempts that wait for their turn.

    Args:
        records: The trials that were handed out.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._waiting: list[TrialSpec] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __contains__(self, trial: int) -> bool:
        return any(spec.trial == trial for spec in self._waiting)

    def take(self) -> TrialSpec:
        """Return the attempt that has waited longest; it waits no more."""
        return self._waiting.pop(0)

    def after(self, trial: int, kind: FailureKind) -> bool:
        """Let another attempt wait if one that ended with this failure deserves it; returns whether it does."""
        deserved = self.deserves(trial, kind)
        if kind is FailureKind.NODE_LOST:
            self._records.lose_node(trial)
        if deserved:
            self._waiting.append(again(self._records[trial].spec, kind))
        return deserved

    def go_on(self, spec: TrialSpec) -> None:
        """Let an attempt wait that goes on from the checkpoint of ``spec``, which ended with the process that drove the search."""
        self._records.lose(spec.trial)
        self._waiting.append(resumed(spec))

    def forget(self, trial: int) -> None:
        """A trial has ended well: no other attempt at it waits."""
        self._waiting = [spec for spec in self._waiting if spec.trial != trial]

    def deserves(self, trial: int, kind: FailureKind) -> bool:
        """Whether the trial is tried again if its attempt ends with this failure now."""
        record = self._records[trial]
        if kind is FailureKind.NODE_LOST:
            return record.nodes_lost < NODES_LOST
        return record.spec.attempt - record.lost - record.nodes_lost <= RETRIES.get(kind, 0)

    def state(self) -> list[dict[str, Any]]:
        """Return those that wait, as JSON can hold them."""
        return [spec.as_dict() for spec in self._waiting]

    def restore(self, state: Sequence[dict[str, Any]]) -> None:
        """Take back what :meth:`state` returned."""
        self._waiting = [TrialSpec.from_dict(spec) for spec in state]


def again(spec: TrialSpec, kind: FailureKind) -> TrialSpec:
    """The next attempt; after running out of memory with half the batch and the learning rate scaled by √½ (Krizhevsky, 2014).

    With the same batch it goes on from the checkpoint of the last one, if that left any.
    """
    if kind is not FailureKind.OUT_OF_MEMORY:
        return resumed(spec)
    values = dict(spec.values)
    values["batch_size"] = max(1, int(values["batch_size"]) // 2)
    rate = f"optimizer.{values['optimizer']}.lr"
    values[rate] = float(values[rate]) / math.sqrt(2)
    return replace(spec, attempt=spec.attempt + 1, values=values, continues="")


def resumed(spec: TrialSpec) -> TrialSpec:
    """The next attempt, which goes on from the last one's checkpoint, or if that left none, from where that one was to go on from."""
    of_another_trial = bool(spec.continues) and not spec.continues.startswith(f"{spec.trial}/")
    continues = spec.continues if of_another_trial else attempt_name(spec)
    return replace(spec, attempt=spec.attempt + 1, continues=continues)
