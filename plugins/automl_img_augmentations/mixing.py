"""Augmentations that mix two images and their labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from automl_img.plugin import Augmentation, ImageTraits, Space, hookimpl
from automl_img_augmentations._seeding import own_seed


class MixUp(Augmentation):
    """Lays another image of the batch over each image, half transparent, and mixes the labels alike.

    Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018.
    """

    name = "mixup"
    mixes_labels = True

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``alpha``: the smaller, the less is seen of one image; at 1 all mixtures are as likely.

        Not below 0.2: Keras divides a gamma draw by the sum of two, which are both 0 in float32 in one image of 34 million at 0.1.
        """
        hp.Float("alpha", 0.2, 1.0, default=0.2)

    def layers(self, hp: Mapping[str, Any], image: ImageTraits, seed: int) -> Sequence[Any]:
        """Return one layer."""
        import keras

        from automl_img_augmentations._layers import InRange

        # In a 16-bit policy Keras's layer fails: it multiplies 16-bit labels with a 32-bit weight.
        mixup = keras.layers.MixUp(hp["alpha"], seed=own_seed(self.name, seed), dtype="float32")
        return [mixup, InRange(dtype="float32")]


class CutMix(Augmentation):
    """Puts a rectangle of another image of the batch into some images, and mixes the labels by its area.

    Source: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", 2019.
    """

    name = "cutmix"
    mixes_labels = True

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``probability``, the share of images with a rectangle, and ``alpha``, the exponent of its area."""
        hp.Float("probability", 0.1, 1.0, default=0.5)
        hp.Float("alpha", 0.2, 1.0, default=1.0)

    def layers(self, hp: Mapping[str, Any], image: ImageTraits, seed: int) -> Sequence[Any]:
        """Return one layer."""
        from automl_img_augmentations import _cut_mix

        return [_cut_mix.CutMix(hp["alpha"], hp["probability"], seed=own_seed(self.name, seed))]


@hookimpl
def register_augmentations(register: Callable[[Augmentation], None]) -> None:
    """Register the augmentations of this module."""
    for augmentation in (MixUp(), CutMix()):
        register(augmentation)
