"""Which GPUs each trial gets, and how much of their memory."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from automl_img.recipe import ComputeSettings
from automl_img.training.hardware import Hardware

CONTEXT_BYTES = 2**29  # of a GPU's memory that CUDA takes for each process beside what TensorFlow allocates


@dataclass(frozen=True)
class Devices:
    """The GPUs of one trial.

    Attributes:
        gpus: Their numbers; empty: it runs on the processor. With several the trial trains on all of them together.
        memory: Bytes of each that it may take; None: as much as it needs.
    """

    gpus: tuple[int, ...] = ()
    memory: int | None = None


class DevicePool:
    """Gives each trial the GPUs that the fewest others use, so that each has its own where there are enough.

    Args:
        memory: Bytes of each GPU, 0 where they are unknown; empty: trials run on the processor, and get none.
        per_trial: GPUs that a trial gets; all of them if there are fewer.
        sharing: Trials that share a GPU; each gets an equal part of its memory.
    """

    def __init__(self, memory: Sequence[int] = (), per_trial: int = 1, sharing: int = 1) -> None:
        self._memory, self._sharing = tuple(memory), sharing
        self._per_trial = min(per_trial, len(self._memory))
        self._taken: dict[int, tuple[int, ...]] = {}

    @classmethod
    def of(cls, hardware: Hardware, compute: ComputeSettings) -> DevicePool:
        """The GPUs of this machine, shared as the recipe says, or by as many trials as it wants to run at once."""
        sharing = compute.trials_per_device
        if hardware.gpus and compute.slots != "auto":
            sharing = max(sharing, math.ceil(compute.slots * compute.devices_per_trial / hardware.gpus))
        memory = hardware.gpu_memory() if sharing > 1 else (0,) * hardware.gpus
        return cls(memory, compute.devices_per_trial, sharing)

    def take(self, trial: int, *, alone: bool = False) -> Devices:
        """Return the GPUs for a trial; one that runs alone may take all of their memory."""
        used = Counter(gpu for gpus in self._taken.values() for gpu in gpus)
        order = sorted(range(len(self._memory)), key=lambda gpu: (used[gpu], gpu))
        gpus = tuple(sorted(order[: self._per_trial]))
        self._taken[trial] = gpus
        return Devices(gpus, None if alone else self._share(gpus))

    def give_back(self, trial: int) -> None:
        """A trial has ended."""
        self._taken.pop(trial, None)

    def _share(self, gpus: Sequence[int]) -> int | None:
        return part_of(min((self._memory[gpu] for gpu in gpus), default=0), self._sharing)


def part_of(memory: int, sharing: int) -> int | None:
    """Bytes of a GPU that each of ``sharing`` trials may take; None: as much as it needs, or the GPU's memory (0) is unknown."""
    if sharing < 2 or not memory:
        return None
    return max(CONTEXT_BYTES, memory // sharing - CONTEXT_BYTES)
