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
from automl_img.training.artifacts import replacing

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
    import keras
    import tensorflow as tf

    layer = _last_map(network)
    if layer is None:
        return None
    features = keras.Model(network.inputs, [layer.output, network.output])
    inputs = tf.cast(images, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        maps, logits = features(inputs, training=False)
        wanted = tf.reduce_sum(tf.gather(tf.cast(logits, tf.float32), classes, axis=1, batch_dims=1))
    slopes = tape.gradient(wanted, maps)
    if slopes is None:
        return None
    weights = tf.reduce_mean(tf.cast(slopes, tf.float32), axis=(1, 2), keepdims=True)
    found = tf.nn.relu(tf.reduce_sum(weights * tf.cast(maps, tf.float32), axis=-1)).numpy()
    highest = found.max(axis=(1, 2), keepdims=True)
    shares: npt.NDArray[np.float32] = found / np.where(highest > 0, highest, 1.0)
    return shares


def _last_map(network: Any) -> Any:
    """The last layer whose output still has places: many of them if there is such a layer, else a few."""
    for least in (FINE, COARSE):
        for layer in reversed(network.layers):
            shape: Sequence[int | None] = getattr(getattr(layer, "output", None), "shape", ())
            places = math.prod(side or 0 for side in shape[1:3])
            if len(shape) == 4 and places >= least and layer.weights:
                return layer
    return None
