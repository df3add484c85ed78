"""CutMix with exact labels."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class CutMix(keras.layers.Layer):
    """Puts a rectangle of another image of the batch into some images, and mixes the labels by its pixels.

    Keras's CutMix mixes the labels by a rectangle with fractions of pixels (wrong by up to a row and a column, which is
    much of an 8×8 image), gives every image of a batch a rectangle, and one exponent to a whole batch.

    Args:
        alpha: Exponent of the beta distribution of the area; 1 makes all areas as likely.
        probability: Share of the images that get a rectangle.
        seed: Seed of everything random in the layer.

    Source: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", 2019.
    """

    def __init__(self, alpha: float = 1.0, probability: float = 0.5, *, seed: int, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.alpha = alpha
        self.probability = probability
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Return images (batch, height, width, channels) and labels (batch, classes), mixed if ``training``."""
        images, labels = (ops.cast(data[key], self.compute_dtype) for key in ("images", "labels"))
        if not training:
            return {**data, "images": images, "labels": labels}
        batch, height, width = ops.shape(images)[0], images.shape[1], images.shape[2]
        other = keras.random.shuffle(ops.arange(batch), seed=self.generator)
        inside_rows, inside_columns = self._rectangle(batch, height, width)
        inside = ops.expand_dims(ops.logical_and(inside_rows[:, :, None], inside_columns[:, None, :]), -1)
        covered = _count(inside_rows) * _count(inside_columns) / (height * width)
        return {
            **data,
            "images": ops.where(inside, ops.take(images, other, axis=0), images),
            "labels": labels * (1.0 - covered) + ops.take(labels, other, axis=0) * covered,
        }

    def _rectangle(self, batch: Any, height: int, width: int) -> tuple[Any, Any]:
        """Which rows (batch, height) and columns (batch, width) of each image lie in its rectangle, if any."""
        draws = keras.random.uniform((batch, 3), dtype="float32", seed=self.generator)
        kept = keras.random.beta((batch, 1), self.alpha, self.alpha, dtype="float32", seed=self.generator)
        side = ops.sqrt(1.0 - kept) * ops.cast(draws[:, 2:] < self.probability, "float32")

        def along(length: int, centre: Any) -> Any:
            pixels = ops.arange(length, dtype="float32") + 0.5
            return ops.abs(pixels - centre * length) < side * (length / 2)

        return along(height, draws[:, :1]), along(width, draws[:, 1:2])

    def compute_output_shape(self, input_shape: dict[str, Any]) -> dict[str, Any]:
        """Return the shapes, which stay as they are."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer anew."""
        own = {"alpha": self.alpha, "probability": self.probability, "seed": self.seed}
        return {**super().get_config(), **own}


def _count(inside: Any) -> Any:
    return ops.sum(ops.cast(inside, "float32"), axis=1, keepdims=True)
