"""Where trials run: this machine, or a cluster; and what they find there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from automl_img.executors.base import Executor
from automl_img.executors.devices import DevicePool
from automl_img.executors.local import LocalExecutor
from automl_img.executors.tasks import Place
from automl_img.recipe import ComputeSettings
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
        devices_each, devices_alone: Those of a trial beside others, and of one that runs alone.
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


def site_of(compute: ComputeSettings, memory: int | None) -> Site:
    """Return where the recipe wants trials to run.

    Args:
        compute: The recipe's ``[compute]``.
        memory: Bytes of main memory that each trial may take; None: its share.

    Raises:
        SearchError: The cluster does not answer, or none of its nodes can run a trial.
    """
    if compute.executor == "local":
        return LocalSite(compute, memory)
    from automl_img.executors.ray_cluster import RaySite  # Ray is an extra

    return RaySite(compute, memory)


class LocalSite:
    """This machine."""

    def __init__(self, compute: ComputeSettings, memory: int | None) -> None:
        self._compute = compute
        hardware = Hardware.detect()
        each, sharing = compute.devices_per_trial, compute.trials_per_device
        slots = hardware.slots(compute.slots, devices_per_trial=each, trials_per_device=sharing)
        whole = memory or hardware.memory_for_trials
        self._capacity = Capacity(
            hardware=hardware,
            slots=slots,
            memory=memory or (whole // slots if whole else None),
            memory_alone=whole,
            devices=hardware.gpus or hardware.cores,
            devices_each=each / sharing if hardware.gpus else 1.0,
            devices_alone=each if hardware.gpus else hardware.cores,
        )

    @property
    def capacity(self) -> Capacity:
        """What trials find here."""
        return self._capacity

    def open(self, place: Place, trials: Path) -> LocalExecutor:
        """Begin to take trials."""
        devices = DevicePool.of(self._capacity.hardware, self._compute)
        return LocalExecutor(place, trials, self._capacity.slots, devices)

    def close(self) -> None:
        """There is nothing to let go of."""
