"""Regularizers that keep the weights small: L1, L2 and decoupled weight decay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from automl_img.plugin import ImageTraits, Regularizer, Space, hookimpl


class L1(Regularizer):
    """Adds the sum of the kernels' absolute values to the loss, which drives unneeded weights to zero.

    Source: Tibshirani, "Regression Shrinkage and Selection via the Lasso", 1996.
    """

    name = "l1"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``amount``, the factor of the sum."""
        hp.Float("amount", 1e-7, 1e-4, sampling="log", default=1e-6)

    def network(self, hp: Mapping[str, Any], model: Any) -> Any:
        """Return ``model`` with the penalty on its kernels."""
        import keras

        from automl_img_regularizers._kernels import penalise

        return penalise(model, keras.regularizers.L1(hp["amount"]))


class L2(Regularizer):
    """Adds the sum of the kernels' squares to the loss; with Adam prefer weight_decay, which acts on all weights alike.

    Source: Krogh and Hertz, "A Simple Weight Decay Can Improve Generalization", 1991.
    """

    name = "l2"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``amount``, the factor of the sum."""
        hp.Float("amount", 1e-6, 1e-3, sampling="log", default=1e-4)

    def network(self, hp: Mapping[str, Any], model: Any) -> Any:
        """Return ``model`` with the penalty on its kernels."""
        import keras

        from automl_img_regularizers._kernels import penalise

        return penalise(model, keras.regularizers.L2(hp["amount"]))


class WeightDecay(Regularizer):
    """Shrinks the weights a little in each step, apart from the gradient and in proportion to the learning rate.

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.
    """

    name = "weight_decay"
    recommended = True

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``amount``; the learning rate times it is the share that a step takes away."""
        hp.Float("amount", 1e-4, 0.2, sampling="log", default=0.02)

    def optimizer(self, hp: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the optimizer's argument."""
        return {"weight_decay": hp["amount"]}


@hookimpl
def register_regularizers(register: Callable[[Regularizer], None]) -> None:
    """Register the regularizers of this module."""
    for regularizer in (L1(), L2(), WeightDecay()):
        register(regularizer)
