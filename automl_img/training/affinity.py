"""Measures which augmentations keep images recognisable, so that flips of digits are not learned from and flips of shoes are."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from automl_img.errors import AutoMLImageWarning, named_reason_of
from automl_img.plugin import ImageTraits, PluginRegistry, Space
from automl_img.plugin.choosing import RAISED
from automl_img.plugin.oracle import active
from automl_img.tasks import Task
from automl_img.training.scoring import Scorer

AT_ONCE = 256  # images that are changed at once, if they are small
VALUES_AT_ONCE = 2**24  # pixels' channels of them: 64 MB, and an augmentation may hold several times as much


def measure_affinity(
    names: Sequence[str],
    registry: PluginRegistry,
    scorer: Scorer,
    images: Any,
    labels: npt.NDArray[Any],
    indices: npt.NDArray[np.int64],
    image: ImageTraits,
    task: Task,
    seed: int,
) -> dict[str, float]:
    """Return, for each augmentation at its default strength, F1 on changed images over F1 on the images as they are.

    The measure is the affinity of Gontijo-Lopes et al., "Affinity and Diversity: Quantifying Mechanisms of Data Augmentation"
    (2020), with the task's F1 in place of accuracy: near 1 the augmentation keeps to what the network knows of the classes, near 0 it
    makes other images of them. One that raises has 0, and a warning says why.

    Args:
        names: Augmentation plugins; those that mix labels have no affinity and are left out.
        registry: Where they are.
        scorer: A trained network.
        images: uint8, shape (n, height, width, channels), read some at a time.
        labels: Their labels.
        indices: Validation images, or a sample of them.
        image: Traits of the images.
        task: What the labels mean.
        seed: Seed of the augmentations.
    """
    labels = labels[indices]
    plain = task.score(labels, scorer.logits(images, indices)).f1
    affinities: dict[str, float] = {}
    for name in names:
        plugin = registry.get("augmentation", name)
        if plugin.mixes_labels or plain == 0:
            continue
        try:
            hp = Space()
            plugin.space(hp, image)
            changed = _logits_of_changed(scorer, images, indices, plugin.layers(active(hp, {}), image, seed))
            affinities[name] = round(task.score(labels, changed).f1 / plain, 4)
        except RAISED as error:
            affinities[name] = 0.0
            problem = f"the augmentation {name} is left out: on validation images it raised {named_reason_of(error)}"
            warnings.warn(problem, AutoMLImageWarning, stacklevel=2)
    return affinities


def _logits_of_changed(
    scorer: Scorer, images: npt.NDArray[np.uint8], indices: npt.NDArray[np.int64], layers: Sequence[Any]
) -> npt.NDArray[np.float32]:
    at_once = max(1, min(AT_ONCE, VALUES_AT_ONCE // math.prod(images.shape[1:])))
    starts = range(0, len(indices), at_once)
    return np.concatenate(
        [scorer.logits(_changed(images[indices[start : start + at_once]], layers)) for start in starts]
    )


def _changed(images: npt.NDArray[np.uint8], layers: Sequence[Any]) -> npt.NDArray[np.uint8]:
    batch = tf.cast(images, tf.float32)
    for layer in layers:
        batch = layer(batch, training=True)
    changed: npt.NDArray[np.uint8] = np.clip(np.rint(tf.cast(batch, tf.float32).numpy()), 0, 255).astype(np.uint8)
    return changed
