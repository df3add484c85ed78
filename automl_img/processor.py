"""What the processor can do, as Linux tells it."""

from __future__ import annotations

import platform
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")


def is_x86() -> bool:
    """Whether it is an x86-64."""
    return platform.machine() in ("x86_64", "AMD64")


def x86_flags() -> frozenset[str]:
    """Names of an x86-64's features, such as "avx2" and "avx512f"; none of other processors, or where nothing tells them."""
    if not is_x86():
        return frozenset()
    try:
        info = CPU_INFO.read_text()
    except OSError:
        return frozenset()
    return frozenset(next((line.split() for line in info.splitlines() if line.startswith("flags")), ()))
