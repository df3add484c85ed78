"""Augmentations that take something of the image away: noise, blur, erasing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from automl_img.plugin import Augmentation, ImageTraits, Space, hookimpl
from automl_img_augmentations._seeding import own_seed


class GaussianNoise(Augmentation):
    """Adds Gaussian noise, of another strength in each image."""

    name = "gaussian_noise"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``deviation``, the largest standard deviation as a share of the range from black to white."""
        hp.Float("deviation", 0.01, 0.2, sampling="log", default=0.04)

    def layers(self, hp: Mapping[str, Any], image: ImageTraits, seed: int) -> Sequence[Any]:
        """Return one layer."""
        from automl_img_augmentations._layers import Noise

        return [Noise(hp["deviation"], seed=own_seed(self.name, seed))]


class Blur(Augmentation):
    """Blurs half of the images, each by a Gaussian of its own width."""

    name = "blur"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``width``, the largest standard deviation as a share of the shorter side."""
        hp.Float("width", 0.01, 0.05, default=0.025)

    def layers(self, hp: Mapping[str, Any], image: ImageTraits, seed: int) -> Sequence[Any]:
        """Return one layer."""
        from automl_img_augmentations import _layers

        # More than four pixels take long and look no different to a network that halves the image several times.
        sigma = min(4.0, max(0.4, hp["width"] * image.side))
        return [_layers.Blur(sigma, seed=own_seed(self.name, seed))]


class Erasing(Augmentation):
    """Covers a random rectangle of some images with grey or with noise.

    Source: Zhong et al., "Random Erasing Data Augmentation", 2017; DeVries and Taylor, "Improved Regularization of
    Convolutional Neural Networks with Cutout", 2017.
    """

    name = "erasing"
    recommended = True
    least_passes = 11.0

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``probability``, ``side`` (the rectangle's largest side as a share of the image's) and ``fill``."""
        hp.Float("probability", 0.1, 1.0, default=0.5)
        hp.Float("side", 0.15, 0.6, default=0.29)
        hp.Choice("fill", ["grey", "noise"])

    def layers(self, hp: Mapping[str, Any], image: ImageTraits, seed: int) -> Sequence[Any]:
        """Return one layer."""
        from automl_img_augmentations._layers import Erase

        largest = max(hp["side"], 2 / image.side)
        own = own_seed(self.name, seed)
        return [Erase(hp["probability"], largest / 3, largest, noise=hp["fill"] == "noise", seed=own)]


@hookimpl
def register_augmentations(register: Callable[[Augmentation], None]) -> None:
    """Register the augmentations of this module."""
    for augmentation in (GaussianNoise(), Blur(), Erasing()):
        register(augmentation)
