"""VGG with BatchNormalization, up to VGG19."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from automl_img.plugin import Architecture, ImageTraits, Space, hookimpl
from automl_img_architectures._sizes import SMALL_SIDE, declare_multipliers, repeated, scaled, stem_stride

STAGES = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))  # channels, convolutions: VGG19


class VGG(Architecture):
    """Stages of 3×3 convolutions with maximum pooling behind each, up to the convolutions of VGG19; with BatchNormalization.

    The paper has no stem; here the first convolution may have a stride, since full resolution is what makes VGG slow. Small images:
    pooling that would leave less than 4 pixels is left out, and so are the last two stages by default.

    Source: Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015.
    """

    name = "vgg"
    weight_sets = ("imagenet",)

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare the multipliers of channels and convolutions, the number of stages, and the first convolution's stride."""
        small = image.side < SMALL_SIDE
        declare_multipliers(hp, width=0.5 if small else 0.25, depth=0.5)
        hp.Int("stages", 2, 5, default=3 if small else 5)
        hp.Choice("stem_stride", [1, 2], default=stem_stride(image, large=2))

    def build(self, hp: Mapping[str, Any], inputs: Any) -> Any:
        """Return features of shape (batch, rows, columns, channels): 512 channels at full size."""
        from keras import layers

        from automl_img_architectures._layers import conv_bn, halving

        x = inputs
        for stage, (channels, convolutions) in enumerate(STAGES[: hp["stages"]]):
            for position in range(repeated(convolutions, hp["depth"])):
                stride = hp["stem_stride"] if stage == position == 0 else 1
                x = conv_bn(x, scaled(channels, hp["width"]), 3, stride)
            if halving(x) == 2:
                x = layers.MaxPooling2D(padding="same")(x)
        return x

    def members(self, image: ImageTraits) -> Sequence[Mapping[str, Any]]:
        """Return five networks, from a narrow one of a few convolutions to VGG19, which needs a lower learning rate."""
        small = image.side < SMALL_SIDE
        stages = 3 if small else 5
        stride = stem_stride(image, large=2)
        return [
            {"width": 0.25, "depth": 0.5, "stages": stages, "stem_stride": stride},
            {"width": 0.5, "depth": 0.5, "stages": stages, "stem_stride": stride},
            {"width": 1.0 if small else 0.75, "depth": 0.5, "stages": stages, "stem_stride": stride},
            {"width": 1.0, "depth": 0.5, "stages": max(4, stages), "stem_stride": stride, "lr": 0.002},
            {"width": 1.0, "depth": 1.0, "stages": 5, "stem_stride": 1, "lr": 0.001},
        ]

    def pretrained(self, hp: Mapping[str, Any], inputs: Any, weights: str | Path | None) -> Any:
        """Return the features of VGG19 without BatchNormalization, as published, shape (batch, rows, columns, 512)."""
        from automl_img_architectures._pretrained import application

        return application("VGG19", inputs, weights, least_side=32, preprocessing="caffe")


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register the architecture of this module."""
    register(VGG())
