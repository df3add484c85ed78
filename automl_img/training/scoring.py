"""Runs a network over many images and gives the logits back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

VALUES_AT_ONCE = 6_000_000  # pixels' channels in one call: what a network makes of them takes many times the memory
TIMED = 20  # predictions of one image, by which their time is measured
SMALLEST_BATCH, LARGEST_BATCH = 16, 500


class Scorer:
    """Computes logits in batches, compiled once.

    Args:
        network: From float images (batch, height, width, channels), 0 to 255, to logits (batch, classes).
        batch_size: Images in one call; by their size unless given.
        at_once: Calls side by side.

    Attributes:
        network: The network.
    """

    def __init__(self, network: Any, batch_size: int | None = None, *, at_once: int = 1) -> None:
        self.network = network
        shape = tuple(network.inputs[0].shape[1:])
        self._batch_size = batch_size or max(SMALLEST_BATCH, min(LARGEST_BATCH, VALUES_AT_ONCE // math.prod(shape)))
        self._at_once = at_once
        signature = [tf.TensorSpec((None, *shape), tf.uint8)]
        self._forward = tf.function(
            lambda images: network(tf.cast(images, tf.float32), training=False), input_signature=signature
        )

    def logits(
        self, images: Any, indices: npt.NDArray[np.int64] | None = None, *, mirrored: bool = False
    ) -> npt.NDArray[np.float32]:
        """Return the logits of ``images``, or of those at ``indices``; shape (n, classes), float32.

        Args:
            images: uint8, shape (n, height, width, channels), read a batch at a time.
            indices: Which of them; None: all.
            mirrored: Whether to take the mean over each image and its mirror image.
        """

        def both(batch: npt.NDArray[np.uint8]) -> Any:
            return (self._answer(batch) + self._answer(batch[:, :, ::-1])) / 2

        return self._over(images, indices, both if mirrored else self._answer)

    def mirrored(
        self, images: Any, indices: npt.NDArray[np.int64], plain: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Return what :meth:`logits` does with ``mirrored``, of images whose own logits, ``plain``, are known."""
        flipped = self._over(images, indices, lambda batch: self._answer(batch[:, :, ::-1]))
        return (plain + flipped) / np.float32(2)

    def _over(
        self,
        images: Any,
        indices: npt.NDArray[np.int64] | None,
        answer: Callable[[npt.NDArray[np.uint8]], Any],
    ) -> npt.NDArray[np.float32]:
        n = len(images) if indices is None else len(indices)
        size = max(1, min(self._batch_size, math.ceil(n / self._at_once)))

        def answered(start: int) -> Any:
            span = slice(start, start + size)
            return answer(np.asarray(images[span] if indices is None else images[indices[span]]))

        return np.concatenate(self._each(answered, range(0, n, size))).astype(np.float32)

    def _each(self, answered: Callable[[int], Any], starts: range) -> list[Any]:
        if self._at_once == 1 or len(starts) == 1:
            return [answered(start) for start in starts]
        with ThreadPoolExecutor(self._at_once) as pool:
            return list(pool.map(answered, starts))

    def _answer(self, batch: npt.NDArray[np.uint8]) -> Any:
        return self._forward(tf.constant(np.ascontiguousarray(batch))).numpy()

    def seconds_of_one(self, images: Any, *, mirrored: bool = False) -> float:
        """Return the median time of predicting one image that lies in memory, its mirror image included if ``mirrored``."""
        one = np.asarray(images[:1])  # read before: that of a file takes longer than many a network
        taken = []
        for _ in range(TIMED):
            begin = time.perf_counter()
            self.logits(one, mirrored=mirrored)
            taken.append(time.perf_counter() - begin)
        return float(np.median(taken[TIMED // 4 :]))

    def time_pass(self, images: Any, indices: npt.NDArray[np.int64]) -> float:
        """Compile, and return the seconds that one pass over ``indices`` will take, from one timed batch."""
        first = indices[: self._batch_size]
        self.logits(images, first)
        begin = time.monotonic()
        self.logits(images, first)
        return (time.monotonic() - begin) * len(indices) / len(first)
