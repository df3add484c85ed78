"""ResNet with bottleneck blocks, up to ResNet50."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from automl_img.plugin import Architecture, ImageTraits, Space, hookimpl
from automl_img_architectures._sizes import (
    SMALL_SIDE,
    declare_multipliers,
    declare_stem_stride,
    repeated,
    scaled,
    stem_stride,
)

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))  # channels of the bottleneck, blocks: ResNet50
EXPANSION = 4  # channels of a block's output over those of its bottleneck


class ResNet(Architecture):
    """Residual network of bottleneck blocks (1×1, 3×3, 1×1 convolution), up to ResNet50.

    Small images: the stem is one 3×3 convolution of stride 1 or 2 in place of 7×7 and pooling, and a stage whose map would become
    smaller than 4 pixels keeps its size. The stride stands in the 3×3 convolution.

    Source: He et al., "Deep Residual Learning for Image Recognition", 2016.
    """

    name = "resnet"
    version = "2"
    weight_sets = ("imagenet",)

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare the multipliers of channels and blocks, the number of stages, and the stride of the stem."""
        declare_multipliers(hp, width=0.25, depth=0.25)
        hp.Int("stages", 2, 4, default=3 if image.side < SMALL_SIDE else 4)
        declare_stem_stride(hp, image)

    def build(self, hp: Mapping[str, Any], inputs: Any) -> Any:
        """Return features of shape (batch, rows, columns, channels): 2048 channels at full size."""
        from automl_img_architectures._layers import halving, stem

        stride = hp["stem_stride"]
        x = stem(inputs, scaled(64, hp["width"]), stride, kernel=7 if stride == 4 else 3)
        for stage, (channels, blocks) in enumerate(STAGES[: hp["stages"]]):
            filters = scaled(channels, hp["width"])
            for block in range(repeated(blocks, hp["depth"])):
                x = _bottleneck(x, filters, halving(x) if stage > 0 and block == 0 else 1)
        return x

    def members(self, image: ImageTraits) -> Sequence[Mapping[str, Any]]:
        """Return six networks, from three stages of one narrow block to ResNet50."""
        small = image.side < SMALL_SIDE
        stages, full = 3 if small else 4, stem_stride(image, large=4)
        return [
            {"width": 0.125, "depth": 0.25, "stages": stages},
            {"width": 0.25, "depth": 0.25, "stages": stages},
            {"width": 0.5, "depth": 0.25, "stages": stages},
            {"width": 0.75, "depth": 0.5 if small else 0.25, "stages": stages},
            {"width": 0.75, "depth": 0.5, "stages": 4, "stem_stride": full},
            {"width": 1.0, "depth": 1.0, "stages": 4, "stem_stride": full},
        ]

    def pretrained(self, hp: Mapping[str, Any], inputs: Any, weights: str | Path | None) -> Any:
        """Return the features of ResNet50, shape (batch, rows, columns, 2048)."""
        from automl_img_architectures._pretrained import application

        return application("ResNet50", inputs, weights, least_side=32, preprocessing="caffe")


def _bottleneck(x: Any, filters: int, strides: int) -> Any:
    from keras import layers

    from automl_img_architectures._layers import conv_bn, residual

    shortcut = x
    if strides > 1 or x.shape[-1] != filters * EXPANSION:
        shortcut = conv_bn(x, filters * EXPANSION, 1, strides, activation=None)
    x = conv_bn(x, filters, 1)
    x = conv_bn(x, filters, 3, strides)
    x = conv_bn(x, filters * EXPANSION, 1, activation=None)
    return layers.ReLU()(residual(x, shortcut))


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register the architecture of this module."""
    register(ResNet())
