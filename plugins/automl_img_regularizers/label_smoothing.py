"""Label smoothing: the network is not asked to be certain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from automl_img.plugin import ImageTraits, Regularizer, Space, hookimpl


class LabelSmoothing(Regularizer):
    """Takes a little probability from the right class and spreads it over all.

    Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016, section 7.
    """

    name = "label_smoothing"
    recommended = True

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``amount``, the probability that is spread."""
        hp.Float("amount", 0.01, 0.2, default=0.05)

    def targets(self, hp: Mapping[str, Any], targets: Any) -> Any:
        """Return ``targets``, shape (batch, classes), mixed with equal probabilities; a single column with one half."""
        classes = targets.shape[-1]
        equal = 1.0 / classes if classes > 1 else 0.5
        return targets * (1.0 - hp["amount"]) + hp["amount"] * equal


@hookimpl
def register_regularizers(register: Callable[[Regularizer], None]) -> None:
    """Register the regularizer of this module."""
    register(LabelSmoothing())
