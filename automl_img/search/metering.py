"""The device time that trials take: hours of GPUs, or of processor cores where there are none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


class DeviceMeter:
    """Counts device time, and tells when it will be spent. Time comes in as an argument.

    Args:
        limit: Device seconds that may be spent; None: no limit.
        devices: Devices in all.
    """

    def __init__(self, limit: float | None, devices: float) -> None:
        self._limit, self._devices = limit, devices
        self._spent = 0.0
        self._running: dict[int, tuple[float, float]] = {}

    def begin(self, trial: int, elapsed: float, devices: float) -> None:
        """A trial has begun on so many devices; a part of one where trials share it."""
        self._running[trial] = (elapsed, devices)

    def end(self, trial: int, elapsed: float) -> None:
        """A trial has ended, well or not."""
        begun, devices = self._running.pop(trial, (elapsed, 0.0))
        self._spent += max(0.0, elapsed - begun) * devices

    def spent(self, elapsed: float) -> float:
        """Device seconds that were spent, those of running trials included."""
        return self._spent + sum(max(0.0, elapsed - begun) * devices for begun, devices in self._running.values())

    def moment(self, elapsed: float) -> float:
        """Seconds since the search began at which all is spent if every device works from now on; infinite without a limit.

        Trials that end by then stay within the limit, however many begin; while a device is idle the moment moves away.
        """
        if self._limit is None:
            return math.inf
        return elapsed + max(0.0, self._limit - self.spent(elapsed)) / self._devices

    def state(self) -> dict[str, Any]:
        """Return all that :meth:`restore` needs, as JSON can hold it."""
        return {"spent": self._spent, "running": {str(trial): pair for trial, pair in self._running.items()}}

    def restore(self, state: Mapping[str, Any], ended: float) -> None:
        """Go on where another process ended, at ``ended``; what ran then has ended with it."""
        self._spent = state["spent"]
        self._running = {int(trial): (begun, devices) for trial, (begun, devices) in state["running"].items()}
        for trial in list(self._running):
            self.end(trial, ended)
