"""Where in an image a network found what it answered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.evaluation.array_file import load_arrays
from automl_img.evaluation.decision import confidence
from automl_img.replacing import replacing

ATTENTION_FILE = "attention.npz"
MISTAKES, RIGHT = 12, 12  # images that are looked into: the surest mistakes, and one right answer of so many classes
FINE, COARSE = 16, 4  # places that a map should have, and must have at least


@dataclass(frozen=True, eq=False)
class Attention:
    """Maps of some images.

    Attributes:
        indices: Rows of the prepared store, shape (n,).
        maps: uint8, shape (n, rows, columns): how much each place speaks for the answer, from 0 to 255.
    """

    indices: npt.NDArray[np.int64]
    maps: npt.NDArray[np.uint8]

    def save(self, path: Path) -> None:
        """Write them; a crash leaves the file that was there before."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, indices=self.indices, maps=self.maps)

    @classmethod
    def load(cls, path: Path) -> Attention | None:
        """Read what :meth:`save` wrote; nothing in the file is run. None: it is not there, or no such file."""
        try:
            arrays = load_arrays(path, "indices", "maps")
        except (OSError, ValueError):
            return None
        found = cls(arrays["indices"], arrays["maps"])
        fits = found.maps.ndim == 3 and found.indices.ndim == 1 and len(found.maps) == len(found.indices)
        return found if fits and found.maps.dtype == np.uint8 else None


def examples(
    labels: npt.NDArray[np.int64], decided: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float32]
) -> npt.NDArray[np.int64]:
    """Return the places of the images worth looking into: the surest mistakes, then the surest right answer of each class.

    Args:
        labels, decided: True and predicted labels, shape (n,).
        probabilities: Shape (n, classes).
    """
    order = np.argsort(-confidence(probabilities, decided), kind="stable")
    wrong = order[decided[order] != labels[order]][:MISTAKES]
    right = order[decided[order] == labels[order]]
    _, first = np.unique(labels[right], return_index=True)
    return np.concatenate([wrong, right[np.sort(first)][:RIGHT]])


def grad_cam(
    network: Any, images: npt.NDArray[np.uint8], classes: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32] | None:
    """Return how much each place of the network's last feature maps speaks for a class; shape (n, rows, columns), 0 to 1.

    Args:
        network: From float images (batch, height, width, channels), 0 to 255, to logits (batch, classes).
        images: uint8, shape (n, height, width, channels).
        classes: The class of each image that is asked for, shape (n,).

    Returns:
        The maps; None where the network has none that say where.

    Source:
        R. Selvaraju et al.: Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017.
    """
    from automl_img.training.scoring import VALUES_AT_ONCE

    layer = _last_map(network)
    if layer is None:
        return None
    features = _with_output_of(network, layer)
    size = max(1, VALUES_AT_ONCE // math.prod(images.shape[1:]))
    parts = []
    for start in range(0, len(images), size):
        some = slice(start, start + size)
        found = _lit(features, layer, images[some], classes[some])
        if found is None:
            return None
        parts.append(found)
    together = np.concatenate(parts)
    highest = together.max(axis=(1, 2), keepdims=True)
    shares: npt.NDArray[np.float32] = (together / np.where(highest > 0, highest, 1.0)).astype(np.float32)
    return shares


def _lit(
    features: Any, layer: Any, images: npt.NDArray[np.uint8], classes: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32] | None:
    """The maps of some images, not yet between 0 and 1; None where the answers do not depend on the layer's output."""
    import tensorflow as tf

    # What comes before the layer is not recorded: it would take most of the memory.
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        for weight in layer.weights:
            tape.watch(weight.value)
        maps, logits = features(tf.cast(images, tf.float32), training=False)
        wanted = tf.reduce_sum(tf.gather(tf.cast(logits, tf.float32), classes, axis=1, batch_dims=1))
    slopes = tape.gradient(wanted, maps)
    if slopes is None:
        return None
    weights = tf.reduce_mean(tf.cast(slopes, tf.float32), axis=(1, 2), keepdims=True)
    found: npt.NDArray[np.float32] = tf.nn.relu(tf.reduce_sum(weights * tf.cast(maps, tf.float32), axis=-1)).numpy()
    return found


def _with_output_of(network: Any, layer: Any) -> Any:
    """A model that gives the output of one of the network's layers too.

    A layer that is a model itself has its output in a graph of its own; here its layers are called once more, in one graph.
    """
    import keras

    if not isinstance(layer, keras.Model):
        return keras.Model(network.inputs, [layer.output, network.output])
    given: list[Any] = []

    def call(one: Any, *args: Any, **kwargs: Any) -> Any:
        found = one(*args, **kwargs)
        if one is layer:
            given.append(found)
        return found

    again = keras.models.clone_model(network, clone_function=lambda one: one, call_function=call)
    return keras.Model(again.inputs, [given[-1], again.output])


def _last_map(network: Any) -> Any:
    """The last layer whose output still has places: many of them if there is such a layer, else a few."""
    for least in (FINE, COARSE):
        for layer in reversed(network.layers):
            shape: Sequence[int | None] = getattr(getattr(layer, "output", None), "shape", ())
            places = math.prod(side or 0 for side in shape[1:3])
            if len(shape) == 4 and places >= least and layer.weights:
                return layer
    return None
