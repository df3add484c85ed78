"""Where trials run: this machine, or a cluster; and what they find there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from automl_img.executors.base import Executor
from automl_img.executors.tasks import Place
from automl_img.training.hardware import Hardware


@dataclass(frozen=True)
class Capacity:
    """What trials find where they run.

    Attributes:
        hardware: Of the machine on which a trial runs.
        slots: Trials at once when the search begins.
        memory: Bytes of main memory that one trial may allocate; None: no limit.
        memory_alone: The same for a trial that runs alone.
        devices: GPUs in all, or cores where there are none.
        devices_each, devices_alone: Those of a trial beside others, a part of one where several share it, and of one that runs alone.
    """

    hardware: Hardware
    slots: int
    memory: int | None
    memory_alone: int | None
    devices: float
    devices_each: float
    devices_alone: float


class Site(Protocol):
    """A place where trials can run."""

    @property
    def capacity(self) -> Capacity:
        """What trials find there."""
        ...

    def open(self, place: Place, trials: Path) -> Executor:
        """Begin to take trials.

        Args:
            place: Where the driver finds the data.
            trials: Where each attempt gets its own folder, ``<trial>/<attempt>``.
        """
        ...

    def close(self) -> None:
        """Let go of it."""
        ...
