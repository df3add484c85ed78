"""Hyperparameters as MLflow takes them: names of few characters, values as text, nothing too long."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

LONGEST_NAME = 250
LONGEST_VALUE = 6000
LARGEST_BATCH = 100

Item = TypeVar("Item")


def params(values: Mapping[str, Any]) -> dict[str, str]:
    """Return hyperparameters by names that MLflow allows; names that it cannot tell apart get a number.

    Args:
        values: Hyperparameters by full name.
    """
    found: dict[str, str] = {}
    for name, value in values.items():
        # MLflow allows slashes and points too, but refuses names that are paths to elsewhere, such as "../x" or "a//b".
        plain = re.sub(r"^\.+", "_", re.sub(r"[^\w.\- ]", "_", name))[:LONGEST_NAME].rstrip() or "_"
        number = 1
        while plain in found:
            number += 1
            plain = f"{plain[: LONGEST_NAME - 10]}_{number}"
        found[plain] = _text(value)
    return found


def _text(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Yield the items in parts that MLflow takes at once."""
    for start in range(0, len(items), LARGEST_BATCH):
        yield items[start : start + LARGEST_BATCH]
