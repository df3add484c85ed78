"""Feeds training: shuffled batches gathered from the memory-mapped store, without end."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf


def training_batches(
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    indices: npt.NDArray[np.int64],
    *,
    batch_size: int,
    seed: int,
    class_weights: npt.NDArray[np.float32] | None = None,
) -> Any:
    """Return an endless tf.data.Dataset of batches.

    Every image comes once in each pass; a batch may span two passes, so that all batches have the same size.

    Args:
        images: All images of the store, shape (n, height, width, channels); may be memory-mapped, is read a batch at a time.
        labels: Their labels, shape (n,).
        indices: Which of them to train on.
        batch_size: Images in a batch.
        seed: Seed of the order.
        class_weights: Weight of each class in the loss, shape (classes,), or None.

    Returns:
        Batches (images uint8, labels int64) or (images, labels, weights float32).
    """
    shape = (batch_size, *images.shape[1:])

    def gather(positions: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        return np.ascontiguousarray(images[positions])

    def batch(positions: Any) -> tuple[Any, ...]:
        pixels = tf.ensure_shape(tf.numpy_function(gather, [positions], tf.uint8, stateful=False), shape)
        chosen = tf.gather(all_labels, positions)
        if class_weights is None:
            return pixels, chosen
        return pixels, chosen, tf.gather(weights, chosen)

    all_labels = tf.constant(labels)
    weights = tf.constant(class_weights) if class_weights is not None else None
    order = tf.data.Dataset.from_tensor_slices(np.asarray(indices, np.int64))
    order = order.shuffle(len(indices), seed=seed, reshuffle_each_iteration=True).repeat()
    return order.batch(batch_size, drop_remainder=True).map(batch, num_parallel_calls=1).prefetch(4)


def balanced_class_weights(labels: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float32]:
    """Return n / (classes · n of the class), scikit-learn's "balanced"; 0 for a class without images."""
    counts = np.bincount(labels, minlength=classes)
    return np.where(counts > 0, len(labels) / (classes * np.maximum(counts, 1)), 0).astype(np.float32)
