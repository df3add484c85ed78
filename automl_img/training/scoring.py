"""Runs a network over many images and gives the logits back."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf


class Scorer:
    """Computes logits in batches, compiled once.

    Args:
        network: From float images (batch, height, width, channels), 0 to 255, to logits (batch, classes).
        batch_size: Images in one call.
    """

    def __init__(self, network: Any, batch_size: int = 500) -> None:
        self._batch_size = batch_size
        shape = tuple(network.inputs[0].shape[1:])
        signature = [tf.TensorSpec((None, *shape), tf.uint8)]
        self._forward = tf.function(
            lambda images: network(tf.cast(images, tf.float32), training=False), input_signature=signature
        )

    def logits(
        self, images: npt.NDArray[np.uint8], indices: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.float32]:
        """Return the logits of ``images``, or of those at ``indices``; shape (n, classes), float32."""
        n = len(images) if indices is None else len(indices)
        parts = []
        for start in range(0, n, self._batch_size):
            span = slice(start, start + self._batch_size)
            batch = images[span] if indices is None else images[indices[span]]
            parts.append(self._forward(tf.constant(np.ascontiguousarray(batch))).numpy())
        return np.concatenate(parts).astype(np.float32)

    def time_pass(self, images: npt.NDArray[np.uint8], indices: npt.NDArray[np.int64]) -> float:
        """Compile, and return the seconds that one pass over ``indices`` will take, from one timed batch."""
        first = indices[: self._batch_size]
        self.logits(images, first)
        begin = time.monotonic()
        self.logits(images, first)
        return (time.monotonic() - begin) * len(indices) / len(first)
