"""Label smoothing: the network is not asked to be certain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from automl_img.plugin import ImageTraits, Regularizer, Space, hookimpl


class LabelSmoothing(Regularizer):
    """Takes a little probability from the right class and spreads it over all.

    Where an image may have several labels, each is a question of its own, whose answer moves towards one half.

    Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016, section 7.
    """

    name = "label_smoothing"
    version = "2"
    recommended = True

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``amount``, the probability that is spread."""
        hp.Float("amount", 0.01, 0.2, default=0.05)

    def targets_for(self, hp: Mapping[str, Any], targets: Any, image: ImageTraits) -> Any:
        """Return ``targets``, shape (batch, classes), mixed with equal probabilities; several labels, or one column, with one half."""
        classes = targets.shape[-1]
        equal = 0.5 if image.task == "multilabel" or classes == 1 else 1.0 / classes
        return targets * (1.0 - hp["amount"]) + hp["amount"] * equal


@hookimpl
def register_regularizers(register: Callable[[Regularizer], None]) -> None:
    """Register the regularizer of this module."""
    register(LabelSmoothing())
