"""Which augmentations a full training has from its start: those that are recommended and leave images recognisable."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from automl_img.search.suggesting import AFFINITY
from automl_img.search.trials import Rules


class AugmentationPolicy:
    """What a search has learned of augmentations.

    Args:
        rules: Of the search: which ones a full training may start with, and from how many passes over the data on.
        fixed: Hyperparameters that the recipe fixes: an augmentation that it turns on stays on.

    Attributes:
        affinity: Of each that was measured: the F1 on changed validation images over that on the images as they are.
    """

    def __init__(self, rules: Rules, fixed: Mapping[str, Any]) -> None:
        self.affinity: dict[str, float] = {}
        self._rules, self._fixed = rules, fixed

    def values(self, passes: float) -> dict[str, Any]:
        """Return the switches that are on in a training of so many passes over the data."""
        return {f"augmentation.{name}": True for name in self._suited() if self._least(name) <= passes}

    def too_slow(self, passes: float) -> str:
        """Say what a training of so many passes does without, though it leaves images recognisable; empty: nothing."""
        early = [name for name in self._suited() if self._least(name) > passes]
        without = [name for name in early if f"augmentation.{name}" not in self._fixed]
        if not without:
            return ""
        least = min(map(self._least, without))
        return (
            f"the final training will see each image some {int(passes)} times: it does without {', '.join(without)}, "
            f"which slow learning down at first and pay from {least:.0f} times on"
        )

    def sentence(self, *, late: bool = False) -> str:
        """Say what was found; ``late``: the strategy began without knowing it, and may suggest what is unfit."""
        suited = ", ".join(self._recognisable()) or "none"
        unfit = sorted(name for name, value in self.affinity.items() if value < AFFINITY)
        kept = [name for name in unfit if self._fixed.get(f"augmentation.{name}")]
        others = [name for name in unfit if name not in kept]
        how = "tried only where the strategy, which had begun before, suggests them" if late else "left out"
        said = [f"augmentations that leave validation images recognisable: {suited}"]
        said += [f"{how}: {self._measured(others)}"] if others else []
        said += [f"on all the same, as search.fixed asks: {self._measured(kept)}"] if kept else []
        return "; ".join(said)

    def learn(self, affinity: Mapping[str, float]) -> bool:
        """Take what a trial has measured, if it is the first that has; returns whether it is."""
        if not affinity or self.affinity:
            return False
        self.affinity = dict(affinity)
        return True

    def _recognisable(self) -> list[str]:
        return sorted(name for name, value in self.affinity.items() if value >= AFFINITY)

    def _suited(self) -> list[str]:
        return [name for name in self._recognisable() if name in self._rules.probe]

    def _least(self, name: str) -> float:
        """Passes that a training must have to start with it: none, where the images vary so by themselves."""
        natural = self.affinity[name] >= self._rules.natural_affinity.get(name, math.inf)
        return 0.0 if natural else self._rules.least_passes.get(name, 0.0)

    def _measured(self, names: Collection[str]) -> str:
        return ", ".join(f"{name} ({self.affinity[name]:.2f})" for name in names)
