"""Measures which augmentations keep images recognisable, so that flips of digits are not learned from and flips of shoes are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from automl_img.plugin import ImageTraits, PluginRegistry, Space
from automl_img.tasks import Task
from automl_img.training.scoring import Scorer

AT_ONCE = 256  # images that are changed at once


def measure_affinity(
    names: Sequence[str],
    registry: PluginRegistry,
    scorer: Scorer,
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[Any],
    image: ImageTraits,
    task: Task,
    seed: int,
) -> dict[str, float]:
    """Return, for each augmentation at its default strength, F1 on changed images over F1 on the images as they are.

    The measure is the affinity of Gontijo-Lopes et al., "Affinity and Diversity: Quantifying Mechanisms of Data Augmentation"
    (2020), with the task's F1 in place of accuracy: near 1 the augmentation keeps to what the network knows of the classes, near 0 it
    makes other images of them.

    Args:
        names: Augmentation plugins; those that mix labels have no affinity and are left out.
        registry: Where they are.
        scorer: A trained network.
        images: Validation images, or a sample of them, uint8, shape (n, height, width, channels).
        labels: Their labels.
        image: Traits of the images.
        task: What the labels mean.
        seed: Seed of the augmentations.
    """
    plain = task.score(labels, scorer.logits(images)).f1
    affinities: dict[str, float] = {}
    for name in names:
        plugin = registry.get("augmentation", name)
        if plugin.mixes_labels or plain == 0:
            continue
        hp = Space()
        plugin.space(hp, image)
        changed = _changed(images, plugin.layers(hp.defaults(), image, seed))
        affinities[name] = round(task.score(labels, scorer.logits(changed)).f1 / plain, 4)
    return affinities


def _changed(images: npt.NDArray[np.uint8], layers: Sequence[Any]) -> npt.NDArray[np.uint8]:
    changed = np.empty_like(images)
    for start in range(0, len(images), AT_ONCE):
        batch = tf.cast(images[start : start + AT_ONCE], tf.float32)
        for layer in layers:
            batch = layer(batch, training=True)
        changed[start : start + AT_ONCE] = np.clip(np.rint(tf.cast(batch, tf.float32).numpy()), 0, 255)
    return changed
