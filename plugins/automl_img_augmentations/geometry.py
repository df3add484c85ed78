"""Augmentations that move the pixels: mirror, turn, shift, scale, cut; and RandAugment, which recolours them too.

Where the change uncovers what lies outside the image, the pixel at the border is repeated ("nearest"): a black or
white background goes on as it was, and photographs get no black bars that the network could take for a sign.

Keras's layers compute in the global policy; here always in float32, because bfloat16 rounds positions beyond 128
pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from automl_img.plugin import Augmentation, ImageTraits, Space, hookimpl
from automl_img_augmentations._seeding import own_seed


class HorizontalFlip(Augmentation):
    """Mirrors half of the images left to right; not for digits, letters and other things that have a side."""

    name = "horizontal_flip"
    recommended = True

    def layers(self, hp: Mapping[str, Any], image: ImageTraits, seed: int) -> Sequence[Any]:
        """Return one layer."""
        from automl_img_augmentations._layers import Flip

        return [Flip(2, seed=own_seed(self.name, seed))]


class VerticalFlip(Augmentation):
    """Mirrors half of the images top to bottom; for images without an up and down, as from above or a microscope."""

    name = "vertical_flip"

    def layers(self, hp: Mapping[str, Any], image: ImageTraits, seed: int) -> Sequence[Any]:
        """Return one layer."""
        from automl_img_augmentations._layers import Flip

        return [Flip(1, seed=own_seed(self.name, seed))]


class Rotation(Augmentation):
    """Turns each image about its centre by a random angle."""

    name = "rotation"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``degrees``, the largest angle to either side."""
        hp.Float("degrees", 2.0, 45.0, default=10.0)

    def layers(self, hp: Mapping[str, Any], image: ImageTraits, seed: int) -> Sequence[Any]:
        """Return one layer."""
        import keras

        from automl_img_augmentations._layers import InRange

        turns, own = hp["degrees"] / 360, own_seed(self.name, seed)
        rotation = keras.layers.RandomRotation(turns, fill_mode="nearest", seed=own, dtype="float32")
        return [rotation, InRange(dtype="float32")]


class Translation(Augmentation):
    """Shifts each image by a random number of whole pixels, in both directions.

    Whole pixels, because a shift between pixels would blur small images as well.
    """

    name = "translation"
    recommended = True
    least_passes = 11.0
    natural_affinity = 0.96

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``share``, the largest shift as a share of the side: 0.07 is 2 of 28 pixels."""
        hp.Float("share", 0.02, 0.25, default=0.07)

    def layers(self, hp: Mapping[str, Any], image: ImageTraits, seed: int) -> Sequence[Any]:
        """Return one layer."""
        from automl_img_augmentations._layers import Shift

        rows, columns = (round(hp["share"] * side) for side in (image.height, image.width))
        return [Shift(rows, columns, seed=own_seed(self.name, seed))]


class Scale(Augmentation):
    """Makes each image larger or smaller by a random factor, about its centre."""

    name = "scale"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``strength``: 0.1 gives 0.9 to 1.1 times the size."""
        hp.Float("strength", 0.02, 0.4, default=0.1)

    def layers(self, hp: Mapping[str, Any], image: ImageTraits, seed: int) -> Sequence[Any]:
        """Return one layer."""
        import keras

        from automl_img_augmentations._layers import InRange

        own = own_seed(self.name, seed)
        zoom = keras.layers.RandomZoom(hp["strength"], fill_mode="nearest", seed=own, dtype="float32")
        return [zoom, InRange(dtype="float32")]


class Crop(Augmentation):
    """Cuts a random rectangle out of each image and enlarges it to the full size.

    Source: Szegedy et al., "Going Deeper with Convolutions", 2015, section 6, with a milder default than its 8% of the
    area.
    """

    name = "crop"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``smallest``, the smallest share of the area that is kept."""
        hp.Float("smallest", 0.2, 0.95, default=0.6)

    def layers(self, hp: Mapping[str, Any], image: ImageTraits, seed: int) -> Sequence[Any]:
        """Return one layer."""
        from automl_img_augmentations._layers import ResizedCrop

        return [ResizedCrop(hp["smallest"], seed=own_seed(self.name, seed))]


class RandAugment(Augmentation):
    """Makes a few random changes to each image: turns, shears, shifts, and changes of its colours.

    Source: Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search space", 2019.
    """

    name = "rand_augment"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``operations``, the number of changes, and ``magnitude``, their strength; 1 is the paper's 10."""
        hp.Int("operations", 1, 3, default=2)
        hp.Float("magnitude", 0.1, 1.0, default=0.4)

    def layers(self, hp: Mapping[str, Any], image: ImageTraits, seed: int) -> Sequence[Any]:
        """Return one layer."""
        from automl_img_augmentations import _rand_augment

        return [_rand_augment.RandAugment(hp["operations"], hp["magnitude"], seed=own_seed(self.name, seed))]


@hookimpl
def register_augmentations(register: Callable[[Augmentation], None]) -> None:
    """Register the augmentations of this module."""
    for augmentation in (HorizontalFlip(), VerticalFlip(), Rotation(), Translation(), Scale(), Crop(), RandAugment()):
        register(augmentation)
