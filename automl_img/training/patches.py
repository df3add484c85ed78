"""The first convolution begins with what patches of the training images vary by, not with random filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from automl_img.training.network import STANDARDISE

IMAGES = 256  # that patches are taken from
PATCHES = 256  # of each
#: Initializers that say nothing but the size of the numbers; a plugin that chose another one has its reason.
RANDOM = (
    keras.initializers.VarianceScaling,
    keras.initializers.RandomNormal,
    keras.initializers.RandomUniform,
    keras.initializers.TruncatedNormal,
)


def begin_with_components(
    model: Any, images: Any, indices: npt.NDArray[np.int64], deviation: Sequence[float], seed: int
) -> None:
    """Set random kernels of the convolutions that see the images themselves to the principal components of their patches.

    Half of the filters become the first components of the patches under the kernel, the others their negatives, since a ReLU lets
    one sign pass. Where there are more filters than that, the rest stay random. Random filters all see mostly how bright a place is;
    these see one thing each, and the normalisation behind them makes all of it equally strong.

    Args:
        model: A keras.Model as :func:`~automl_img.training.network.build_network` returns it, before it is trained.
        images: All images of the store, uint8, shape (n, height, width, channels); some are read by ``images[positions]``.
        indices: Which of them are for training.
        deviation: What each channel is divided by before the network sees it.
        seed: Of the choice of images and places.

    Source: Coates et al., "An Analysis of Single-Layer Networks in Unsupervised Feature Learning", 2011; Page, "How to Train Your
    ResNet", 2018; with both signs Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024.
    """
    layers = _first_convolutions(model)
    if not layers:
        return
    rng = np.random.default_rng(seed)
    pixels = np.asarray(images[np.sort(rng.permutation(indices)[:IMAGES])])
    for layer in layers:
        kernel = np.asarray(layer.kernel)
        if kernel.shape[0] <= pixels.shape[1] and kernel.shape[1] <= pixels.shape[2]:
            patches = _patches(pixels, kernel.shape[0], kernel.shape[1], rng)
            layer.kernel.assign(_with_components(kernel, _components(patches, deviation)))


def _first_convolutions(model: Any) -> list[Any]:
    """The convolutions over the standardised images whose kernels are random, and as they come out of Keras."""
    names = [layer.name for layer in model.layers]
    if STANDARDISE not in names:
        return []
    standardised = model.get_layer(STANDARDISE).output
    return [
        layer
        for layer in model.layers
        if type(layer) is keras.layers.Conv2D
        and layer.input is standardised
        and isinstance(layer.kernel_initializer, RANDOM)
        and layer.groups == 1
        and tuple(layer.dilation_rate) == (1, 1)
    ]


def _patches(pixels: npt.NDArray[np.uint8], rows: int, columns: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Patches from random places, shape (patches, rows, columns, channels)."""
    count, height, width = pixels.shape[:3]
    top = rng.integers(0, height - rows + 1, (count * PATCHES, 1, 1))
    left = rng.integers(0, width - columns + 1, (count * PATCHES, 1, 1))
    image = np.repeat(np.arange(count), PATCHES)[:, None, None]
    return np.asarray(pixels[image, top + np.arange(rows)[:, None], left + np.arange(columns)])


def _components(patches: npt.NDArray[np.uint8], deviation: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return the principal components of patches as columns, the one of the largest variance first, each of length 1.

    The sums are of whole numbers, so that they are exact, whatever the order in which several cores add them.
    """
    values = patches.reshape(len(patches), -1).astype(np.float64)
    scale = np.broadcast_to(np.asarray(deviation), patches.shape[1:]).reshape(-1)
    total, products = values.sum(axis=0), values.T @ values
    covariance = (len(values) * products - np.outer(total, total)) / len(values) ** 2 / np.outer(scale, scale)
    _, components = np.linalg.eigh(covariance)
    components = components[:, ::-1]
    largest = components[np.abs(components).argmax(axis=0), np.arange(components.shape[1])]
    return np.asarray(components * np.sign(largest))  # an eigenvector has no sign of its own


def _with_components(kernel: npt.NDArray[Any], components: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return a kernel (rows, columns, channels, filters) whose first filters are components and their negatives, as long as before."""
    filters = kernel.reshape(-1, kernel.shape[-1]).astype(np.float64)
    length = np.sqrt(np.square(filters).sum(axis=0).mean())
    first = components[:, : filters.shape[1] // 2] * length
    both = np.concatenate([first, -first], axis=1)
    filters[:, : both.shape[1]] = both
    return filters.reshape(kernel.shape).astype(np.float32)
