"""Weight averaging: the model is the mean of the weights that the training went through of late."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from automl_img.plugin import ImageTraits, Regularizer, Space, hookimpl


class WeightAveraging(Regularizer):
    """Validates and keeps a moving average of the weights, while the training goes on with the weights themselves.

    Not Keras's ``use_ema``: its momentum counts steps, so that one value means a long average in a short trial and a
    short one in the final fit, its average is drawn to the random weights that a short training began with, it leaves
    out batch normalisation, and after an early stop ``SwapEMAWeights`` leaves the raw weights in the model.

    Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992; Izmailov et al.,
    "Averaging Weights Leads to Wider Optima and Better Generalization", 2018.
    """

    name = "weight_averaging"
    version = "2"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``horizon``, how far back the average reaches as a share of the training."""
        hp.Float("horizon", 0.005, 0.2, sampling="log", default=0.03)

    def callbacks(self, hp: Mapping[str, Any], model: Any) -> Sequence[Any]:
        """Return one callback; it must come before those that validate or save at the end of an epoch."""
        from automl_img_regularizers._averaging import AveragedWeights

        return [AveragedWeights(model, hp["horizon"])]


@hookimpl
def register_regularizers(register: Callable[[Regularizer], None]) -> None:
    """Register the regularizer of this module."""
    register(WeightAveraging())
