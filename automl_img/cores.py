"""How many processor cores this process may use."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")  # where a container sees its own limits
#: Files with a quota and the period that it is of, in the second version of cgroups and in the first.
QUOTAS = (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))


def cores() -> int:
    """Number of cores that this process may use: those that it may run on, or fewer where a container's limit is less."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([usable, *_container_limits()])


def _container_limits() -> list[int]:
    limits = []
    for files in QUOTAS:
        with contextlib.suppress(OSError, ValueError):  # no such file, or "max"
            quota, period = (int(number) for file in files for number in (CGROUP / file).read_text().split())
            if quota > 0:  # -1: no limit
                limits.append(math.ceil(quota / period))
    return limits
