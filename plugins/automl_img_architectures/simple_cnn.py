"""A plain convolutional network: the first thing to try, and the yardstick for everything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from automl_img.plugin import Architecture, ImageTraits, Space, hookimpl
from automl_img_architectures._sizes import stem_stride

WIDEST = 512  # channels
FLAT_SIDE = 4  # pixels; larger maps are averaged down to this before they are flattened


class SimpleCNN(Architecture):
    """Blocks of convolutions with BatchNormalization, ReLU and maximum pooling; each block doubles the channels.

    The features are averaged over the image, or flattened and given to a dense layer. Small images: a block whose pooling would
    leave less than 2 pixels does not pool. Large images get more blocks by default.

    Source: the pattern of LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998, with
    Ioffe & Szegedy, "Batch Normalization", 2015.
    """

    name = "simple_cnn"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare the number and the size of the blocks, and what stands behind them."""
        blocks = _blocks(image)
        hp.Int("blocks", 2, 6, default=blocks)
        hp.Int("layers", 1, 3, default=2)
        hp.Choice("filters", [16, 32, 48, 64], default=32)
        hp.Choice("kernel", [3, 5])
        hp.Choice("stem_stride", [1, 2], default=stem_stride(image, large=2))
        hp.Choice("pooling", ["average", "flatten"])
        hp.Int("units", 64, 512, step=64, default=128, when={"pooling": "flatten"})

    def build(self, hp: Mapping[str, Any], inputs: Any) -> Any:
        """Return features of shape (batch, rows, columns, channels), or (batch, units) with ``pooling`` "flatten"."""
        from keras import layers

        from automl_img_architectures._layers import conv_bn, norm_act, side

        x = inputs
        for block in range(hp["blocks"]):
            filters = min(WIDEST, hp["filters"] * 2**block)
            for layer in range(hp["layers"]):
                stride = hp["stem_stride"] if block == layer == 0 else 1
                x = conv_bn(x, filters, hp["kernel"], stride)
            if block < hp["blocks"] - 1 and side(x) >= 4:
                x = layers.MaxPooling2D()(x)
        if hp["pooling"] == "average":
            return x
        if side(x) > FLAT_SIDE:
            x = layers.AveragePooling2D(-(-side(x) // FLAT_SIDE), padding="same")(x)
        x = layers.Dense(hp["units"], use_bias=False, kernel_initializer="he_normal")(layers.Flatten()(x))
        return norm_act(x)

    def members(self, image: ImageTraits) -> Sequence[Mapping[str, Any]]:
        """Return six or seven networks, from 16 channels and one layer a block to 64 channels, three layers and full resolution."""
        blocks = _blocks(image)
        more = min(6, blocks + 1)
        stride = stem_stride(image, large=2)
        return [
            {"blocks": blocks, "layers": 1, "filters": 16, "stem_stride": stride},
            {"blocks": blocks, "layers": 2, "filters": 16, "stem_stride": stride},
            {"blocks": blocks, "layers": 2, "filters": 32, "stem_stride": stride},
            *([{"blocks": blocks, "layers": 2, "filters": 48, "stem_stride": stride}] if stride > 1 else []),
            {"blocks": blocks, "layers": 2 if stride > 1 else 3, "filters": 32, "stem_stride": 1},
            {"blocks": blocks, "layers": 2, "filters": 64, "stem_stride": 1},
            {"blocks": more, "layers": 3, "filters": 64, "stem_stride": 1},
        ]


def _blocks(image: ImageTraits) -> int:
    """How many blocks bring the image down to 3 to 7 pixels."""
    return max(2, min(5, (image.side // 2).bit_length() - 1))


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register the architecture of this module."""
    register(SimpleCNN())
