"""Durations, sizes and counts as people write them: "10m", "1h30m", "90s", "4GB", "50ms", "1 trial"."""

from __future__ import annotations

import math
import re
from decimal import Decimal

NUMBER = r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)"  # 1.2e+06 stands in runs of earlier versions
SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
BYTES = {"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30, "tib": 2.0**40}


def duration_seconds(value: object) -> float:
    """Return the seconds of a duration such as ``"10m"``, ``"1h30m"`` or ``"90s"``.

    Raises:
        ValueError: There is no unit, an unknown one, or the duration is not positive.
    """
    text = str(value).strip().lower().replace(" ", "")
    parts = re.findall(NUMBER + "([a-z]+)", text)
    if isinstance(value, bool) or not parts or "".join(map("".join, parts)) != text:
        raise ValueError('a duration is a number with its unit, such as "90s", "10m", "1h30m" or "2d"')
    unknown = [unit for _, unit in parts if unit not in SECONDS]
    if unknown:
        raise ValueError(f"unknown unit {unknown[0]!r} in a duration; the units are ms, s, m, h and d")
    seconds = sum(float(number) * SECONDS[unit] for number, unit in parts)
    if not 0 < seconds < math.inf:
        raise ValueError("a duration must be longer than nothing, and end")
    return seconds


def size_bytes(value: object) -> int:
    """Return the bytes of a size such as ``"4GB"`` or ``"512 MiB"``.

    Raises:
        ValueError: There is no unit, an unknown one, or the size is not positive.
    """
    found = re.fullmatch(NUMBER + "([a-z]+)", str(value).strip().lower().replace(" ", ""))
    if isinstance(value, bool) or found is None or found[2] not in BYTES:
        raise ValueError('a size is a number with its unit, such as "500MB", "4GB" or "2GiB"')
    size = float(found[1]) * BYTES[found[2]]
    if not 0.5 < size < math.inf:
        raise ValueError("a size must be more than nothing, and finite")
    return round(size)


def duration_plain(seconds: float) -> str:
    """Return a duration that :func:`duration_seconds` reads as the same number of seconds, such as ``1209600s``."""
    return f"{_digits(Decimal(repr(seconds)))}s"


def size_plain(size: int) -> str:
    """Return a size that :func:`size_bytes` reads as the same number of bytes, such as ``2147.483648MB``."""
    return f"{_digits(Decimal(size) / 10**6)}MB"


def _digits(number: Decimal) -> str:
    """All digits of a number, without an exponent."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def counted(count: float, one: str, many: str = "") -> str:
    """Return a count with its noun, such as ``1 trial`` and ``1,200 trials``; the plural ends in s unless ``many`` gives it."""
    number = f"{count:,}" if isinstance(count, int) else f"{count:g}"
    return f"{number} {one if count == 1 else many or f'{one}s'}"


def duration_text(seconds: float) -> str:
    """Return a duration for people: ``9.4 s``, ``5m 10s``, ``1h 30m``, ``2d 4h``."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600}h"
