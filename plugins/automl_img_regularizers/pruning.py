"""Pruning: weights that matter little are taken out while the network learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from automl_img.plugin import ImageTraits, Regularizer, Space, hookimpl


class Pruning(Regularizer):
    """Takes the smallest weights out of each kernel, up to a given share; they stay 0 in the finished model.

    The share is reached after 70% of the training; the model is what one of the measurements from there on has seen. Of a
    pretrained network only the layers that learn are pruned.

    Source: Zhu and Gupta, "To prune, or not to prune: exploring the efficacy of pruning for model compression", 2017.
    """

    name = "pruning"
    version = "3"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``sparsity``, the share of the weights of each kernel that learns which is 0 in the end."""
        hp.Float("sparsity", 0.1, 0.9, default=0.5)

    def callbacks(self, hp: Mapping[str, Any], model: Any) -> Sequence[Any]:
        """Return one callback; it must come before those that validate or save at the end of an epoch."""
        from automl_img_regularizers._pruner import Pruner

        return [Pruner(model, hp["sparsity"])]


@hookimpl
def register_regularizers(register: Callable[[Regularizer], None]) -> None:
    """Register the regularizer of this module."""
    register(Pruning())
