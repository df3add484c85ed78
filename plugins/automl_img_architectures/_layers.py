"""Shorthand for layers that several families are made of; each function takes and returns symbolic Keras tensors.

Feature maps have the shape (batch, rows, columns, channels). BatchNormalization has the momentum 0.9, not Keras's 0.99: its moving
averages must settle within the few hundred steps of a short training. Keras is imported inside, so that plugins list fast.
"""

from __future__ import annotations

from typing import Any

from automl_img_architectures._sizes import LEAST_MAP

MOMENTUM = 0.9


def side(x: Any) -> int:
    """Return the shorter side of a feature map in pixels."""
    return min(x.shape[1], x.shape[2])


def halving(x: Any, least: int = LEAST_MAP) -> int:
    """Return the stride that a stage starts with: 2, or 1 where the map would become smaller than ``least`` pixels."""
    return 2 if -(-side(x) // 2) >= least else 1


def norm_act(x: Any, activation: str | None = "relu") -> Any:
    """BatchNormalization and an activation, or None for no activation."""
    from keras import layers

    x = layers.BatchNormalization(momentum=MOMENTUM)(x)
    return layers.Activation(activation)(x) if activation else x


def conv_bn(
    x: Any, filters: int, kernel: int | tuple[int, int] = 3, strides: int = 1, *, activation: str | None = "relu"
) -> Any:
    """A convolution without bias, BatchNormalization and an activation."""
    from keras import layers

    x = layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False, kernel_initializer="he_normal")(
        x
    )
    return norm_act(x, activation)


def depthwise_bn(x: Any, kernel: int, strides: int = 1, *, activation: str | None = "relu") -> Any:
    """A depthwise convolution without bias, BatchNormalization and an activation."""
    from keras import layers

    x = layers.DepthwiseConv2D(
        kernel, strides=strides, padding="same", use_bias=False, depthwise_initializer="he_normal"
    )(x)
    return norm_act(x, activation)


def stem(x: Any, filters: int, stride: int, *, kernel: int = 3, activation: str = "relu") -> Any:
    """A convolution that shrinks the image by 1 or 2; for a stride of 4 a 3×3 maximum pooling follows, as in ResNet."""
    from keras import layers

    x = conv_bn(x, filters, kernel, min(stride, 2), activation=activation)
    return layers.MaxPooling2D(3, strides=2, padding="same")(x) if stride == 4 else x


def squeeze_excite(x: Any, squeezed: int, *, activation: str, gate: str) -> Any:
    """Weights the channels of ``x`` by what is in the whole image.

    Source: Hu et al., "Squeeze-and-Excitation Networks", 2018.
    """
    from keras import layers

    channels = x.shape[-1]
    weights = layers.GlobalAveragePooling2D(keepdims=True)(x)
    weights = layers.Conv2D(squeezed, 1, activation=activation, kernel_initializer="he_normal")(weights)
    weights = layers.Conv2D(channels, 1, activation=gate)(weights)
    return layers.Multiply()([x, weights])


def residual(branch: Any, shortcut: Any) -> Any:
    """The sum of a branch and its shortcut, of the same shape; the one form of addition that stochastic depth finds."""
    from keras import layers

    return layers.Add()([branch, shortcut])


def inverted_residual(
    x: Any,
    filters: int,
    expanded: int,
    *,
    kernel: int = 3,
    strides: int = 1,
    activation: str,
    squeezed: int = 0,
    gate: tuple[str, str] = ("relu", "sigmoid"),
) -> Any:
    """A 1×1 convolution to many channels, a depthwise one there, a 1×1 convolution back to few; with a shortcut if shapes allow.

    Args:
        x: The feature map.
        filters: Channels of the result.
        expanded: Channels inside; without a first convolution if ``x`` has as many.
        kernel, strides: Of the depthwise convolution.
        activation: Of the convolutions inside; the last one has none.
        squeezed: Channels inside squeeze-and-excitation; 0: none.
        gate: The two activations of squeeze-and-excitation.

    Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018.
    """
    branch = x if x.shape[-1] == expanded else conv_bn(x, expanded, 1, activation=activation)
    branch = depthwise_bn(branch, kernel, strides, activation=activation)
    if squeezed:
        branch = squeeze_excite(branch, squeezed, activation=gate[0], gate=gate[1])
    branch = conv_bn(branch, filters, 1, activation=None)
    return residual(branch, x) if strides == 1 and x.shape[-1] == filters else branch
