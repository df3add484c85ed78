"""Xception: a network of depthwise separable convolutions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from automl_img.plugin import Architecture, ImageTraits, Space, hookimpl
from automl_img_architectures._sizes import SMALL_SIDE, declare_stem_stride, scaled, stem_stride

ENTRY = (128, 256, 728)  # channels of the entry flow's blocks; the middle flow keeps the last
MIDDLE = 8  # blocks of the middle flow
EXIT = (1024, 1536, 2048)  # channels of the exit flow


class Xception(Architecture):
    """Separable convolutions with residual connections in three parts: entry, middle and exit flow.

    Small images: the stem's stride is searched, and a block whose pooling would leave less than 4 pixels keeps the size of its map.
    Smaller members have fewer blocks in the entry and the middle flow, and may have no middle flow.

    Source: Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", 2017.
    """

    name = "xception"
    version = "2"
    weight_sets = ("imagenet",)

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare the multiplier of channels, the blocks of the entry and the middle flow, and the stride of the stem."""
        hp.Float("width", 0.125, 1.0, step=0.125, default=0.25)
        hp.Int("entry", 1, len(ENTRY), default=2 if image.side < SMALL_SIDE else 3)
        hp.Int("middle", 0, MIDDLE, default=1)
        declare_stem_stride(hp, image)

    def build(self, hp: Mapping[str, Any], inputs: Any) -> Any:
        """Return features of shape (batch, rows, columns, channels): 2048 channels at full size."""
        from automl_img_architectures._layers import conv_bn, residual, stem

        width = hp["width"]
        x = stem(inputs, scaled(32, width), hp["stem_stride"])
        x = conv_bn(x, scaled(64, width))
        for block, channels in enumerate(ENTRY[: hp["entry"]]):
            filters = scaled(channels, width)
            x = _shrinking_block(x, (filters, filters), starts_active=block == 0)
        filters = x.shape[-1]
        for _ in range(hp["middle"]):
            branch = x
            for _ in range(3):
                branch = _active_separable(branch, filters)
            x = residual(branch, x)
        x = _shrinking_block(x, (filters, scaled(EXIT[0], width)))
        for channels in EXIT[1:]:
            x = _separable_bn(x, scaled(channels, width), activation="relu")
        return x

    def members(self, image: ImageTraits) -> Sequence[Mapping[str, Any]]:
        """Return five networks, from one block of an eighth of the channels to Xception as published."""
        small = image.side < SMALL_SIDE
        full = stem_stride(image, large=2)
        return [
            {"width": 0.125, "entry": 1 if small else 2, "middle": 0},
            {"width": 0.25, "entry": 2, "middle": 0},
            {"width": 0.5, "entry": 2, "middle": 1},
            {"width": 0.75, "entry": 3, "middle": 2, "stem_stride": full},
            {"width": 1.0, "entry": 3, "middle": 8, "stem_stride": full},
        ]

    def pretrained(self, hp: Mapping[str, Any], inputs: Any, weights: str | Path | None) -> Any:
        """Return the features of Xception, shape (batch, rows, columns, 2048)."""
        from automl_img_architectures._pretrained import application

        return application("Xception", inputs, weights, least_side=71, preprocessing="symmetric")


def _separable_bn(x: Any, filters: int, *, activation: str | None = None) -> Any:
    from keras import layers

    from automl_img_architectures._layers import norm_act

    x = layers.SeparableConv2D(
        filters,
        3,
        padding="same",
        use_bias=False,
        depthwise_initializer="he_normal",
        pointwise_initializer="he_normal",
    )(x)
    return norm_act(x, activation)


def _active_separable(x: Any, filters: int) -> Any:
    from keras import layers

    return _separable_bn(layers.ReLU()(x), filters)


def _shrinking_block(x: Any, channels: tuple[int, int], *, starts_active: bool = False) -> Any:
    """Two separable convolutions and pooling beside a 1×1 convolution; without a first ReLU where ``x`` has had one."""
    from keras import layers

    from automl_img_architectures._layers import conv_bn, halving, residual

    strides = halving(x)
    shortcut = conv_bn(x, channels[1], 1, strides, activation=None)
    x = _separable_bn(x, channels[0]) if starts_active else _active_separable(x, channels[0])
    x = _active_separable(x, channels[1])
    if strides == 2:
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    return residual(x, shortcut)


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register the architecture of this module."""
    register(Xception())
