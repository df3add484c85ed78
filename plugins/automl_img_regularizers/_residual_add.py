"""The layer of stochastic depth."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="automl_img")
class ResidualAdd(keras.layers.Layer):
    """Adds a shortcut and a residual branch; in training it leaves the branch out for some images.

    A branch that stays is divided by the probability that it does, so that nothing has to change for prediction.
    Stands in the place of Keras's Add rather than before it: one more layer in the branch can change the order in which
    the weights are stored, and those of the shortcut are then loaded into the branch without an error.

    Args:
        rate: Probability that the branch is left out, from 0 to below 1.
        branch: Which of the two inputs is the branch, 0 or 1.
    """

    def __init__(self, rate: float, branch: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.branch = branch
        self.generator = keras.random.SeedGenerator()

    def call(self, inputs: list[Any], training: bool = False) -> Any:
        """Return the sum of two tensors of one shape (batch, ...)."""
        branch, shortcut = inputs[self.branch], inputs[1 - self.branch]
        if training and self.rate > 0:
            alone = (ops.shape(branch)[0],) + (1,) * (len(branch.shape) - 1)
            branch = keras.random.dropout(branch, self.rate, noise_shape=alone, seed=self.generator)
        return ops.add(shortcut, branch)

    def for_prediction(self) -> Any:
        """Return Keras's layer that does the same in prediction, so that a saved model needs no layer of ours."""
        return keras.layers.Add(name=self.name, dtype=self.dtype_policy)

    def compute_output_shape(self, input_shape: list[Any]) -> Any:
        """Return the shape of either input."""
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer anew."""
        return {**super().get_config(), "rate": self.rate, "branch": self.branch}
