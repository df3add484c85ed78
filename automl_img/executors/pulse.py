"""Whether a process still works: one that uses no processor time for minutes neither computes nor will end by itself."""

from __future__ import annotations

import time

import psutil

STILL_SECONDS = (
    120.0  # without any processor time; a disk or a network that answers late uses some with each part it hands over
)


class Pulse:
    """Watches the processor time of a process and its children.

    Time in which nobody looked counts for little: a machine that slept, or a driver that was stopped with its children, shall not find
    all of them still.

    Args:
        pid: The process.
    """

    def __init__(self, pid: int | None) -> None:
        self._pid = pid
        self._used = -1.0
        self._looked = time.monotonic()
        self._still = 0.0

    def still_for(self, longest: float) -> bool:
        """Look, and return whether the process has been seen to use no processor time for ``longest`` seconds."""
        now, used = time.monotonic(), self._processor_seconds()
        unseen, self._looked = now - self._looked, now
        self._still = self._still + min(unseen, longest / 4) if used == self._used else 0.0
        self._used = used
        return self._still >= longest

    def _processor_seconds(self) -> float:
        try:
            process = psutil.Process(self._pid)
            family = [process, *process.children(recursive=True)]
            return float(sum(sum(member.cpu_times()[:4]) for member in family))
        except psutil.Error:
            return -2.0 - time.monotonic()  # it has gone, or may not be looked at: other words say so
