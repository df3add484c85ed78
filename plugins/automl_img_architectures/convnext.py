"""ConvNeXt, up to ConvNeXt-Tiny."""

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

STAGES = ((96, 3), (192, 3), (384, 9), (768, 3))  # channels, blocks: ConvNeXt-Tiny
EXPANSION = 4  # channels inside a block over those outside
EPSILON = 1e-6  # of LayerNormalization


class ConvNeXt(Architecture):
    """Large depthwise convolutions, LayerNormalization and GELU in the manner of a vision transformer, up to ConvNeXt-Tiny.

    Small images: the patches of the stem have a side of 1 (then a 3×3 convolution) or 2 pixels in place of 4, and a stage whose map
    would become smaller than 4 pixels keeps its size. The layer scale starts at 0.1 by default, not at the paper's 1e-6: a
    short training of a few blocks would not leave the identity otherwise (as in CaiT, Touvron et al., 2021, up to 18 blocks).

    Source: Liu et al., "A ConvNet for the 2020s", 2022.
    """

    name = "convnext"
    version = "2"
    weight_sets = ("imagenet",)

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare the multipliers, the number of stages, the depthwise kernel, the layer scale, and the stride of the stem."""
        small = image.side < SMALL_SIDE
        declare_multipliers(hp, width=0.25, depth=0.25)
        hp.Int("stages", 2, 4, default=3 if small else 4)
        hp.Choice("kernel", [3, 5, 7], default=3 if small else 7)
        hp.Float("layer_scale", 1e-6, 1.0, sampling="log", default=0.1)
        declare_stem_stride(hp, image)

    def build(self, hp: Mapping[str, Any], inputs: Any) -> Any:
        """Return features of shape (batch, rows, columns, channels): 768 channels at full size."""
        from keras import layers

        from automl_img_architectures._layers import halving

        x = inputs
        for stage, (channels, blocks) in enumerate(STAGES[: hp["stages"]]):
            filters = scaled(channels, hp["width"])
            if stage == 0:
                patch = hp["stem_stride"]
                x = layers.Conv2D(filters, patch if patch > 1 else 3, strides=patch, padding="same")(x)
                x = layers.LayerNormalization(epsilon=EPSILON)(x)
            else:
                patch = halving(x)
                x = layers.LayerNormalization(epsilon=EPSILON)(x)
                x = layers.Conv2D(filters, patch, strides=patch, padding="same")(x)
            for _ in range(repeated(blocks, hp["depth"])):
                x = _block(x, hp["kernel"], hp["layer_scale"])
        return layers.LayerNormalization(epsilon=EPSILON)(x)

    def members(self, image: ImageTraits) -> Sequence[Mapping[str, Any]]:
        """Return five networks, from three stages of one narrow block to ConvNeXt-Tiny, which needs a lower learning rate."""
        small = image.side < SMALL_SIDE
        stages = 3 if small else 4
        return [
            {"width": 0.25, "depth": 0.25, "stages": stages},
            {"width": 0.5, "depth": 0.25, "stages": stages},
            {"width": 0.75, "depth": 0.25, "stages": stages},
            {"width": 0.75, "depth": 0.5, "stages": 4, "kernel": 7, "lr": 0.002},
            {
                "width": 1.0,
                "depth": 1.0,
                "stages": 4,
                "kernel": 7,
                "layer_scale": 1e-6,
                "stem_stride": stem_stride(image, large=4),
                "lr": 0.001,
            },
        ]

    def pretrained(self, hp: Mapping[str, Any], inputs: Any, weights: str | Path | None) -> Any:
        """Return the features of ConvNeXt-Tiny, shape (batch, rows, columns, 768)."""
        from automl_img_architectures._pretrained import application

        return application("ConvNeXtTiny", inputs, weights, least_side=32, preprocessing="built in")


def _block(x: Any, kernel: int, scale: float) -> Any:
    from keras import initializers, layers

    from automl_img_architectures._layers import residual

    filters = x.shape[-1]
    branch = layers.DepthwiseConv2D(kernel, padding="same")(x)
    branch = layers.LayerNormalization(epsilon=EPSILON)(branch)
    branch = layers.Dense(EXPANSION * filters, activation="gelu")(branch)
    branch = layers.Dense(filters)(branch)
    # The layer scale, one learned factor for each channel, as a layer that Keras knows (EinsumDense is ten times slower to train).
    factors = layers.DepthwiseConv2D(1, use_bias=False, depthwise_initializer=initializers.Constant(scale))
    return residual(factors(branch), x)


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register the architecture of this module."""
    register(ConvNeXt())
