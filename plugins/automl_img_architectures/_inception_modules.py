"""The modules of InceptionV3; each takes a feature map (batch, rows, columns, channels) and returns one.

Channels are those of the paper times ``width``, as multiples of 16 where that is below 1.
Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016, figures 5 to 7 and table 1.
"""

from __future__ import annotations

from typing import Any

from automl_img_architectures._layers import conv_bn, halving, side
from automl_img_architectures._sizes import scaled


def stem(x: Any, width: float, stride: int) -> Any:
    """Shrink the image by ``stride``: 1, 2, 4 or 8, the paper's; the small strides come with a shorter stem."""
    from keras import layers

    x = conv_bn(x, scaled(32, width), 3, min(stride, 2))
    if stride > 2:
        x = conv_bn(x, scaled(32, width))
    x = conv_bn(x, scaled(64, width))
    if stride > 2:
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
        x = conv_bn(conv_bn(x, scaled(80, width), 1), scaled(192, width))
    return layers.MaxPooling2D(3, strides=2, padding="same")(x) if stride > 4 else x


def first_module(x: Any, width: float, pooled: int) -> Any:
    """Branches of 1×1, 5×5, twice 3×3, and pooling with ``pooled`` channels."""
    single = conv_bn(x, scaled(64, width), 1)
    five = conv_bn(conv_bn(x, scaled(48, width), 1), scaled(64, width), 5)
    double = conv_bn(conv_bn(x, scaled(64, width), 1), scaled(96, width))
    double = conv_bn(double, scaled(96, width))
    return _joined(single, five, double, _pooled(x, scaled(pooled, width)))


def first_reduction(x: Any, width: float) -> Any:
    """Halve the map, if it is large enough, by a 3×3, a double 3×3 and a pooling branch."""
    strides = halving(x)
    single = conv_bn(x, scaled(384, width), 3, strides)
    double = conv_bn(conv_bn(x, scaled(64, width), 1), scaled(96, width))
    double = conv_bn(double, scaled(96, width), 3, strides)
    return _joined(single, double, _shrunk(x, strides))


def second_module(x: Any, width: float, channels: int, length: int) -> Any:
    """Branches of 1×1, a factorised convolution of ``length``, two of them, and pooling; ``channels`` inside."""
    inner, outer = scaled(channels, width), scaled(192, width)
    length = _fitting(x, length)
    single = conv_bn(x, outer, 1)
    once = conv_bn(x, inner, 1)
    once = conv_bn(conv_bn(once, inner, (1, length)), outer, (length, 1))
    twice = conv_bn(x, inner, 1)
    twice = conv_bn(conv_bn(twice, inner, (length, 1)), inner, (1, length))
    twice = conv_bn(conv_bn(twice, inner, (length, 1)), outer, (1, length))
    return _joined(single, once, twice, _pooled(x, outer))


def second_reduction(x: Any, width: float, length: int) -> Any:
    """Halve the map, if it is large enough, by a 3×3, a factorised and a pooling branch."""
    strides, inner = halving(x), scaled(192, width)
    length = _fitting(x, length)
    single = conv_bn(conv_bn(x, inner, 1), scaled(320, width), 3, strides)
    long = conv_bn(conv_bn(conv_bn(x, inner, 1), inner, (1, length)), inner, (length, 1))
    return _joined(single, conv_bn(long, inner, 3, strides), _shrunk(x, strides))


def third_module(x: Any, width: float) -> Any:
    """Branches of 1×1, 3×3 split into 1×3 beside 3×1, the same behind a 3×3, and pooling."""
    split = scaled(384, width)
    single = conv_bn(x, scaled(320, width), 1)
    once = conv_bn(x, split, 1)
    twice = conv_bn(conv_bn(x, scaled(448, width), 1), split)
    halves = [conv_bn(branch, split, kernel) for branch in (once, twice) for kernel in ((1, 3), (3, 1))]
    return _joined(single, *halves, _pooled(x, scaled(192, width)))


def _joined(*branches: Any) -> Any:
    from keras import layers

    return layers.Concatenate()(list(branches))


def _pooled(x: Any, filters: int) -> Any:
    from keras import layers

    return conv_bn(layers.AveragePooling2D(3, strides=1, padding="same")(x), filters, 1)


def _shrunk(x: Any, strides: int) -> Any:
    from keras import layers

    return layers.MaxPooling2D(3, strides=strides, padding="same")(x)


def _fitting(x: Any, length: int) -> int:
    """The longest odd length, up to ``length``, that the map has."""
    return min(length, max(3, (side(x) - 1) | 1))
