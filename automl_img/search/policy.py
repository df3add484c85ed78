"""Which augmentations a full training has from its start: those that are recommended and leave images recognisable."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from automl_img.search.suggesting import AFFINITY


class AugmentationPolicy:
    """What a search has learned of augmentations.

    Args:
        recommended: Those that a full training may start with.

    Attributes:
        affinity: Of each that was measured: the F1 on changed validation images over that on the images as they are.
    """

    def __init__(self, recommended: Collection[str]) -> None:
        self.affinity: dict[str, float] = {}
        self._recommended = recommended

    def values(self) -> dict[str, Any]:
        """Return the switches that are on."""
        return {f"augmentation.{name}": True for name in self._recognisable() if name in self._recommended}

    def sentence(self, *, late: bool = False) -> str:
        """Say what was found; ``late``: the strategy began without knowing it, and may suggest what is unfit."""
        unfit = [f"{name} ({value:.2f})" for name, value in sorted(self.affinity.items()) if value < AFFINITY]
        suited = ", ".join(self._recognisable()) or "none"
        text = f"augmentations that leave validation images recognisable: {suited}"
        how = "tried only where the strategy, which had begun before, suggests them" if late else "left out"
        return f"{text}; {how}: {', '.join(unfit)}" if unfit else text

    def learn(self, affinity: Mapping[str, float]) -> bool:
        """Take what a trial has measured, if it is the first that has; returns whether it is."""
        if not affinity or self.affinity:
            return False
        self.affinity = dict(affinity)
        return True

    def _recognisable(self) -> list[str]:
        return sorted(name for name, value in self.affinity.items() if value >= AFFINITY)
