"""Counts the work of a network from its layers, and predicts training speed from it, before anything is compiled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automl_img.training.hardware import Hardware

TRAINING_PASSES = 3  # forward, gradient of the inputs, gradient of the weights
BATCH = 128  # images that share it
DEPTHWISE_SLOWNESS = 200.0  # of depthwise convolutions, with the costly activations that mostly come with them
SEPARABLE_SLOWNESS = 18.0  # of those in separable convolutions
DEPTHWISE_ON_GPU = 10.0
VECTOR = 16  # channels in a processor's vectors
ODD_SLOWNESS = 4.0  # convolutions whose channels fill no whole vectors take a slower way
IMAGE_CHANNELS = 4  # at most, of an image, which none expects to fill a vector


@dataclass(frozen=True)
class Cost:
    """The work of one forward pass of one image.

    Attributes:
        parameters: Weights of the network.
        flops: Floating-point operations, multiply and add counted apart.
        seconds: Predicted time of one training step on one image, in seconds.
        layers: Number of layers; compiling time grows with it.
    """

    parameters: int
    flops: float
    seconds: float
    layers: int


@dataclass(frozen=True)
class Estimate:
    """What came of the estimate of one architecture.

    Attributes:
        architecture: Name of the plugin.
        member: Position of the chosen member among those that were offered; -1 if none could be built.
        members: How many were offered.
        values: The chosen member's hyperparameter values by full name.
        cost: Its work.
        problem: Why none could be built; empty otherwise.
    """

    architecture: str
    member: int
    members: int
    values: Mapping[str, Any]
    cost: Cost | None
    problem: str = ""


def count_cost(model: Any, hardware: Hardware, precision: str) -> Cost:
    """Count the work of a built functional keras.Model.

    A training step's time is the sum of its arithmetic, of the memory traffic of its feature maps, and of a constant. With the
    figures of :class:`Hardware` the predicted speed was within 35% of the measured one for 23 of 27 networks from 0.9 to 90 MFLOP;
    the others, two of efficientnet_v2, a convnext and an xception, were predicted 1.4 to 1.7 times too fast (``benchmarks/cost_model.py``).

    A layer that holds others, such as ``MultiHeadAttention`` or a plugin's own block, counts once: all its kernels at the positions of its
    own output. Of a nested model each layer counts.
    """
    size = 2 if precision.startswith("mixed") else 4
    flops = 0.0
    seconds = hardware.step_seconds / BATCH
    counted = flat_layers(model)
    for layer in counted:
        work, slowed = _layer_flops(layer, gpu=bool(hardware.gpus))
        elements = _elements(_output_shape(layer))
        flops += work
        arithmetic = slowed / hardware.flops
        seconds += TRAINING_PASSES * (arithmetic + 2 * elements * size / hardware.bandwidth)
    return Cost(model.count_params(), flops, seconds, len(counted))


def too_large(cost: Cost, limit: int | None) -> str:
    """Why a network has more weights than ``limit`` allows; an empty text if it has not, or there is no limit."""
    if limit is None or cost.parameters <= limit:
        return ""
    return f"{cost.parameters:,} weights are above the limit of {limit:,}"


def flat_layers(model: Any) -> list[Any]:
    """Return the layers of ``model``, from the input to the output, each once; of a nested model its own ones stand in its place."""
    import keras

    found: dict[int, Any] = {}
    for layer in model.layers:
        graph = isinstance(layer, keras.Model) and any(_output_shape(inner) for inner in layer.layers)
        found |= {id(one): one for one in (flat_layers(layer) if graph else [layer])}
    return list(found.values())


def _layer_flops(layer: Any, *, gpu: bool) -> tuple[float, float]:
    """Return the floating-point operations of a layer for one image, and as how many at the peak they take."""
    kernels = [weight for weight in layer.weights if "kernel" in weight.name and len(weight.shape) >= 2]
    output = _output_shape(layer)
    if not output:
        return 0.0, 0.0
    if not kernels:
        work = (5.0 if layer.weights else 1.0) * _elements(output)
        return work, work
    positions = _elements(output) / max(1, output[-1])
    work = slowed = 0.0
    for kernel in kernels:
        operations = 2.0 * math.prod(kernel.shape) * positions
        work += operations
        slowed += operations * _slowness(layer, kernel, gpu=gpu)
    return work, slowed


def _slowness(layer: Any, kernel: Any, *, gpu: bool) -> float:
    if "Depthwise" in type(layer).__name__ or "depthwise" in kernel.name:
        separable = "Separable" in type(layer).__name__
        return DEPTHWISE_ON_GPU if gpu else SEPARABLE_SLOWNESS if separable else DEPTHWISE_SLOWNESS
    of_features = len(kernel.shape) == 4 and kernel.shape[-2] > IMAGE_CHANNELS
    odd = not gpu and of_features and any(channels % VECTOR for channels in kernel.shape[-2:])
    return ODD_SLOWNESS if odd else 1.0


def _output_shape(layer: Any) -> tuple[int, ...]:
    try:
        output = layer.output
    except (AttributeError, ValueError):
        return ()
    tensor = output[0] if isinstance(output, list | tuple) else output
    return tuple(int(side) for side in tensor.shape[1:] if side is not None)


def _elements(shape: tuple[int, ...]) -> int:
    return math.prod(shape) if shape else 0
