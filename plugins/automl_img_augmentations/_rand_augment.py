"""RandAugment in one pass: what an image gets is put into its numbers, not chosen among finished images.

Keras's RandAugment computes all its eleven changes twice for every image and keeps two, the same two for the whole
batch, at strengths no class survives (its default turns by up to half a circle). Here each image draws its own
changes; turns, shears and shifts become one affine transform, and the changes of colour a few numbers for each image.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from automl_img_augmentations._layers import WHITE, RandomImageLayer, luma

#: The changes of the paper without Equalize and Sharpness, which cost more than all others together.
_MOVES = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
_RECOLOURS = ("brightness", "contrast", "auto_contrast", "posterize", "solarize")

#: What the greatest magnitude means, after the paper: radians, slope, share of the side, change of a factor, bits.
_LARGEST = {
    "rotate": math.radians(30),
    "shear_x": 0.3,
    "shear_y": 0.3,
    "translate_x": 0.3,
    "translate_y": 0.3,
    "brightness": 0.9,
    "contrast": 0.9,
    "saturation": 0.9,
    "posterize": 4.0,
    "solarize": 256.0,
}


class RandAugment(RandomImageLayer):
    """Makes a few random changes to each image, all of one magnitude.

    Args:
        operations: How many changes an image gets; one of them may be to leave it as it is.
        magnitude: Their strength, from 0 to 1; 1 is the greatest of the paper (10 of 10).
        seed: Seed of everything random in the layer.

    Source: Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search space", 2019.
    """

    def __init__(self, operations: int = 2, magnitude: float = 0.4, *, seed: int, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.operations = operations
        self.magnitude = magnitude

    def change(self, images: Any) -> Any:
        """Return the changed images: moved first, recoloured then."""
        known = ("identity", *_MOVES, *_RECOLOURS, *(["saturation"] if images.shape[-1] == 3 else []))
        shape = (ops.shape(images)[0], self.operations)
        choice = keras.random.randint(shape, 0, len(known), seed=self.generator)
        sign = ops.sign(keras.random.uniform(shape, -1.0, 1.0, seed=self.generator))

        def amounts(name: str) -> Any:
            """How much of a change each image gets in each round, signed: shape (batch, operations)."""
            chosen = ops.cast(ops.equal(choice, known.index(name)), "float32")
            return chosen * sign * (self.magnitude * _LARGEST.get(name, 1.0))

        images = self._move(images, {name: ops.sum(amounts(name), axis=1, keepdims=True) for name in _MOVES})
        for turn in range(self.operations):
            images = _recolour(images, {name: _of_round(amounts(name), turn) for name in known[1 + len(_MOVES) :]})
        return images

    def _move(self, images: Any, by: dict[str, Any]) -> Any:
        height, width = images.shape[1], images.shape[2]
        cosine, sine = ops.cos(by["rotate"]), ops.sin(by["rotate"])
        # A turn, then the two shears, about the centre of the image: output position → input position.
        a, b = cosine + by["shear_x"] * sine, by["shear_x"] * cosine - sine
        c, d = sine + by["shear_y"] * cosine, cosine - by["shear_y"] * sine
        x, y = (width - 1) / 2, (height - 1) / 2
        left = x - a * x - b * y + by["translate_x"] * width
        top = y - c * x - d * y + by["translate_y"] * height
        zero = ops.zeros_like(a)
        transform = ops.concatenate([a, b, left, c, d, top, zero, zero], axis=1)
        return ops.image.affine_transform(
            images, transform, interpolation="bilinear", fill_mode="nearest", data_format="channels_last"
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer anew."""
        return {**super().get_config(), "operations": self.operations, "magnitude": self.magnitude}


def _of_round(amounts: Any, turn: int) -> Any:
    return ops.reshape(amounts[:, turn], (-1, 1, 1, 1))


def _recolour(images: Any, by: dict[str, Any]) -> Any:
    """Change the colours; an image whose amount is 0 keeps them."""
    # Brightness, contrast and auto-contrast are all of the form factor * x + offset.
    mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    darkest = ops.min(images, axis=(1, 2, 3), keepdims=True)
    span = ops.max(images, axis=(1, 2, 3), keepdims=True) - darkest
    stretch = ops.logical_and(ops.not_equal(by["auto_contrast"], 0.0), span > 1.0)
    factor = (1.0 + by["brightness"]) * (1.0 + by["contrast"])
    factor = ops.where(stretch, WHITE / ops.maximum(span, 1.0), factor)
    offset = ops.where(stretch, -darkest * factor, -mean * by["contrast"])
    images = ops.clip(images * factor + offset, 0.0, WHITE)
    if "saturation" in by:
        grey = luma(images)
        images = ops.clip(grey + (images - grey) * (1.0 + by["saturation"]), 0.0, WHITE)
    step = ops.power(2.0, ops.round(ops.abs(by["posterize"])))
    # Products in place of ops.where, which is slow where one number stands against an image.
    images = images - (images - ops.floor(images / step) * step) * ops.cast(step > 1.0, "float32")
    bright = ops.cast(images > WHITE - ops.abs(by["solarize"]), "float32")
    return images + bright * (WHITE - 2.0 * images)
