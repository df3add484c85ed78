"""Runs trials on this machine, each attempt in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from automl_img.executors.base import Done, Epoch, Failed, Message, Saved, Started
from automl_img.executors.devices import DevicePool
from automl_img.executors.process import ChildProcess, TaskDone, TaskFailed, wait_for_news
from automl_img.executors.site import Capacity
from automl_img.executors.tasks import Place, TrainArgument, train
from automl_img.recipe import ComputeSettings
from automl_img.training.hardware import Hardware
from automl_img.training.spec import EpochReport, TrialResult, TrialSpec

DEADLINE_GRACE = 3.0  # seconds that a trial may run over its deadline before it is ended


class LocalExecutor:
    """Runs up to ``slots`` trials at once.

    Args:
        place: Where the trials find their data and plugins.
        folder: Where each attempt gets its own folder, ``<trial>/<attempt>``.
        slots: Trials at once.
        devices: The GPUs that they get; none unless given.
    """

    def __init__(self, place: Place, folder: Path, slots: int, devices: DevicePool | None = None) -> None:
        self._place, self._folder, self._slots = place, folder, slots
        self._devices = devices or DevicePool()
        self._running: dict[int, ChildProcess] = {}

    def slots(self) -> int:
        """How many trials run at once."""
        return self._slots

    def submit(self, spec: TrialSpec) -> None:
        """Start a trial. Its deadline runs from now."""
        folder = attempt_folder(self._folder, spec)
        folder.mkdir(parents=True, exist_ok=True)
        devices = self._devices.take(spec.trial, alone=spec.threads == 0)
        argument = TrainArgument(spec, self._place, str(folder), time.monotonic(), devices)
        deadline = None if spec.deadline is None else spec.deadline + DEADLINE_GRACE
        self._running[spec.trial] = ChildProcess(train, argument, folder / "log.txt", deadline)

    def poll(self, timeout: float) -> Sequence[Message]:
        """Return what has happened, waiting up to ``timeout`` seconds for something to happen."""
        wait_for_news(list(self._running.values()), timeout)
        messages: list[Message] = []
        for trial, child in list(self._running.items()):
            for news in child.news():
                messages.append(message_of(trial, news))
                if isinstance(news, TaskDone | TaskFailed):
                    del self._running[trial]
                    self._devices.give_back(trial)
        return messages

    def stop(self, trial: int) -> None:
        """Ask a trial to end in good order, with the best it has."""
        if trial in self._running:
            self._running[trial].stop()

    def cancel(self, trial: int) -> None:
        """End a trial at once; nothing more is heard of it."""
        child = self._running.pop(trial, None)
        if child is not None:
            child.end()
            self._devices.give_back(trial)

    def close(self) -> None:
        """End everything."""
        for trial in list(self._running):
            self.cancel(trial)


class LocalSite:
    """This machine."""

    def __init__(self, compute: ComputeSettings, memory: int | None) -> None:
        self._compute = compute
        hardware = Hardware.detect()
        each, sharing = compute.devices_per_trial, compute.trials_per_device
        slots = hardware.slots(compute.slots, devices_per_trial=each, trials_per_device=sharing)
        whole = memory or hardware.memory_for_trials
        gpus, cores = hardware.gpus, hardware.cores
        devices = gpus or cores
        used = min(each, gpus) if gpus else max(1, cores // slots)  # by a trial beside others, if there is one for each
        self._capacity = Capacity(
            hardware=hardware,
            slots=slots,
            memory=memory or (whole // slots if whole else None),
            memory_alone=whole,
            devices=devices,
            devices_each=min(used, devices / slots),
            devices_alone=used if gpus else cores,
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


def attempt_folder(trials: Path, spec: TrialSpec) -> Path:
    """The folder of one attempt."""
    return trials / str(spec.trial) / str(spec.attempt)


def message_of(trial: int, news: object) -> Message:
    """What a child process of a trial has said, as the search hears it."""
    if isinstance(news, TaskDone):
        return Done(trial, news.value)
    if isinstance(news, TaskFailed):
        return Failed(trial, news.kind, news.message, news.traceback)
    if isinstance(news, EpochReport):
        return Epoch(trial, news)
    if isinstance(news, TrialResult):
        return Saved(trial, news)
    return Started(trial)
