"""Which GPU each trial gets."""

from __future__ import annotations

from collections import Counter


class DevicePool:
    """Gives each trial the GPU that the fewest others use, so that each has one to itself where there are enough.

    Args:
        gpus: Number of GPUs; 0: trials run on the processor, and get none.
    """

    def __init__(self, gpus: int) -> None:
        self._gpus = range(gpus)
        self._taken: dict[int, int] = {}

    def take(self, trial: int) -> int | None:
        """Return the number of the GPU for a trial, or None without GPUs."""
        if not self._gpus:
            return None
        used = Counter(self._taken.values())
        self._taken[trial] = min(self._gpus, key=lambda gpu: used[gpu])
        return self._taken[trial]

    def give_back(self, trial: int) -> None:
        """A trial has ended."""
        self._taken.pop(trial, None)
