"""Augmentations that change brightness and colour and leave every pixel where it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from automl_img.plugin import Augmentation, ImageTraits, Space, hookimpl
from automl_img_augmentations._seeding import own_seed

BLACK_TO_WHITE = (0, 255)


class Brightness(Augmentation):
    """Makes each image brighter or darker by a random amount."""

    name = "brightness"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``strength``, the largest change as a share of the range from black to white."""
        hp.Float("strength", 0.02, 0.5, default=0.15)

    def layers(self, hp: Mapping[str, Any], image: ImageTraits, seed: int) -> Sequence[Any]:
        """Return one layer."""
        import keras

        return [
            keras.layers.RandomBrightness(
                hp["strength"], value_range=BLACK_TO_WHITE, seed=own_seed(self.name, seed), dtype="float32"
            )
        ]


class Contrast(Augmentation):
    """Stretches or squeezes each image's values about their mean."""

    name = "contrast"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``strength``: 0.25 gives 0.75 to 1.25 times the contrast."""
        hp.Float("strength", 0.05, 0.8, default=0.25)

    def layers(self, hp: Mapping[str, Any], image: ImageTraits, seed: int) -> Sequence[Any]:
        """Return one layer."""
        import keras

        # A single number would only ever raise the contrast: Keras clips its lower end to 0. Two numbers mean both
        # directions.
        return [
            keras.layers.RandomContrast(
                (hp["strength"], hp["strength"]),
                value_range=BLACK_TO_WHITE,
                seed=own_seed(self.name, seed),
                dtype="float32",
            )
        ]


class _OfColour(Augmentation):
    """Base of the augmentations that mean nothing on grey images."""

    def suits(self, image: ImageTraits) -> str:
        """Return a reason for images of one channel."""
        return "" if image.channels == 3 else "the images have no colour"


class Saturation(_OfColour):
    """Makes each image's colours stronger or weaker."""

    name = "saturation"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``strength``: 0.3 gives 0.7 to 1.3 times the distance from grey."""
        hp.Float("strength", 0.05, 0.9, default=0.3)

    def layers(self, hp: Mapping[str, Any], image: ImageTraits, seed: int) -> Sequence[Any]:
        """Return one layer."""
        from automl_img_augmentations import _layers

        return [_layers.Saturation(hp["strength"], seed=own_seed(self.name, seed))]


class Hue(_OfColour):
    """Turns each image's colours on the colour wheel."""

    name = "hue"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``strength``, the largest turn to either side as a share of half a circle."""
        hp.Float("strength", 0.01, 0.5, default=0.08)

    def layers(self, hp: Mapping[str, Any], image: ImageTraits, seed: int) -> Sequence[Any]:
        """Return one layer."""
        import keras

        return [
            keras.layers.RandomHue(
                hp["strength"], value_range=BLACK_TO_WHITE, seed=own_seed(self.name, seed), dtype="float32"
            )
        ]


class Grayscale(_OfColour):
    """Takes the colour out of some images, so that the network cannot lean on it alone."""

    name = "grayscale"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``probability``, the share of the images that lose their colour."""
        hp.Float("probability", 0.05, 0.5, default=0.1)

    def layers(self, hp: Mapping[str, Any], image: ImageTraits, seed: int) -> Sequence[Any]:
        """Return one layer."""
        import keras

        return [keras.layers.RandomGrayscale(hp["probability"], seed=own_seed(self.name, seed), dtype="float32")]


@hookimpl
def register_augmentations(register: Callable[[Augmentation], None]) -> None:
    """Register the augmentations of this module."""
    for augmentation in (Brightness(), Contrast(), Saturation(), Hue(), Grayscale()):
        register(augmentation)
