"""Curves in a line of text."""

from __future__ import annotations

BLOCKS = "▁▂▃▄▅▆▇█"
CURVE = 24  # characters of a curve


def curve(values: list[float], width: int = CURVE) -> str:
    """The last ``width`` values as a line of blocks, from the lowest to the highest of them."""
    shown = values[-width:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    span = (high - low) or 1.0
    return "".join(BLOCKS[round((value - low) / span * (len(BLOCKS) - 1))] for value in shown)
