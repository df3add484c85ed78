"""The compact residual network that set the speed records of small-image training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from automl_img.plugin import Architecture, ImageTraits, Space, hookimpl
from automl_img_architectures._sizes import SMALL_SIDE, TINY_SIDE, stem_stride

LARGEST_FIRST_MAP = 32  # pixels; larger images are shrunk to this before the first residual block
LEAST_POOLED = 3  # pixels


class ResNet9(Architecture):
    """The compact residual network for small images and small machines: three residual blocks with pooling between them.

    Small images: pooling that would leave less than 3 pixels is left out. Images larger than 32 pixels behind the stem pass
    further convolutions of stride 2, so that the last map has 3 to 8 pixels whatever comes in.

    Source: David Page, "How to Train Your ResNet", 2018, and the DAWNBench entries that followed it.
    """

    name = "resnet9"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``width``, the channels of the first block, and ``stem_stride``, by which the stem shrinks the image."""
        hp.Choice("width", [16, 32, 48, 64, 96, 128], default=32)
        hp.Choice("stem_stride", [1, 2], default=stem_stride(image, large=2))

    def build(self, hp: Mapping[str, Any], inputs: Any) -> Any:
        """Return features of shape (batch, rows, columns, 4·width)."""
        from keras import layers

        from automl_img_architectures._layers import conv_bn, side

        width = hp["width"]
        x = conv_bn(inputs, width, 3, hp["stem_stride"])
        while side(x) > LARGEST_FIRST_MAP:
            x = conv_bn(x, width, 3, 2)
        x = _residual_block(x)
        for filters in (2 * width, 4 * width):
            x = conv_bn(x, filters)
            if side(x) // 2 >= LEAST_POOLED:
                x = layers.MaxPooling2D()(x)
            x = _residual_block(x)
        return x

    def members(self, image: ImageTraits) -> Sequence[Mapping[str, Any]]:
        """Return five or six networks, from 16 to 128 channels; the large ones see the image at its full resolution."""
        if image.side < TINY_SIDE:
            return [{"width": width, "stem_stride": 1} for width in (16, 32, 48, 64, 128)]
        full = 1 if image.side < SMALL_SIDE else 2
        return [
            *({"width": width, "stem_stride": 2} for width in (16, 32, 48, 64)),
            {"width": 64 if full == 1 else 96, "stem_stride": full},
            {"width": 128, "stem_stride": full},
        ]


def _residual_block(x: Any) -> Any:
    from keras import layers

    from automl_img_architectures._layers import conv_bn, residual

    filters = x.shape[-1]
    return layers.ReLU()(residual(x, conv_bn(conv_bn(x, filters), filters, activation=None)))


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register the architecture of this module."""
    register(ResNet9())
