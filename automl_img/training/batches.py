"""Feeds training: random batches gathered from the prepared images, without end."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf


def training_batches(
    images: Any,
    labels: npt.NDArray[Any],
    indices: npt.NDArray[np.int64],
    *,
    batch_size: int,
    seed: int,
    balance: npt.NDArray[np.float32] | None = None,
    resample: bool = False,
    skip: int = 0,
) -> Any:
    """Return an endless tf.data.Dataset of batches.

    Every image comes once in each pass, unless they are resampled; a batch may span two passes, so that all have the same size. The
    order of a pass follows from the seed and its number alone.

    Args:
        images: All images of the store, uint8, shape (n, height, width, channels); read a batch at a time by ``images[positions]``.
        labels: Their labels, shape (n,) or (n, classes).
        indices: Which of them to train on.
        batch_size: Images in a batch.
        seed: Seed of the order.
        balance: A weight for each image of ``indices``, or None.
        resample: Whether ``balance`` says how often an image is drawn; otherwise it is its weight in the loss.
        skip: Batches that another process has trained on.

    Returns:
        Batches (images uint8, labels) or (images, labels, weights float32).
    """
    shape = (batch_size, *images.shape[1:])
    weights = None if balance is None or resample else _by_position(balance, indices, len(labels))

    def gather(positions: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        return np.ascontiguousarray(images[positions])

    def batch(positions: Any) -> tuple[Any, ...]:
        pixels = tf.ensure_shape(tf.numpy_function(gather, [positions], tf.uint8, stateful=False), shape)
        chosen = tf.gather(all_labels, positions)
        return (pixels, chosen) if weights is None else (pixels, chosen, tf.gather(weights, positions))

    all_labels = tf.constant(labels)
    if balance is not None and resample:
        order = _resampled(indices, balance, batch_size, seed, skip)
    else:
        order = _shuffled(indices, batch_size, seed, skip)
    return order.map(batch, num_parallel_calls=2).prefetch(4).with_options(_without_tuning())


def _without_tuning() -> Any:
    """Return options without tf.data's autotuning, which has nothing to choose here.

    Its thread sleeps up to a minute between two looks at the pipeline. It is woken when an iterator goes, but before it can see that it
    shall end (TensorFlow 2.21 marks a cancellation as done after its callbacks), so it often sleeps on while all Python waits for it.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def _by_position(balance: npt.NDArray[np.float32], indices: npt.NDArray[np.int64], n: int) -> Any:
    weights = np.zeros(n, np.float32)
    weights[indices] = balance
    return tf.constant(weights)


def _shuffled(indices: npt.NDArray[np.int64], batch_size: int, seed: int, skip: int) -> Any:
    """Return batches of positions, pass after pass in an order of its own."""
    places = tf.constant(np.asarray(indices, np.int64))
    first, offset = divmod(skip * batch_size, len(indices))

    def one_pass(number: Any) -> Any:
        shuffled = tf.random.experimental.stateless_shuffle(places, seed=tf.stack([tf.cast(seed, tf.int64), number]))
        return tf.data.Dataset.from_tensor_slices(shuffled)

    return tf.data.Dataset.counter(first).flat_map(one_pass).skip(offset).batch(batch_size, drop_remainder=True)


def _resampled(
    indices: npt.NDArray[np.int64], balance: npt.NDArray[np.float32], batch_size: int, seed: int, skip: int
) -> Any:
    """Return batches of positions drawn with replacement, each with a chance in proportion to its weight."""
    chances = np.cumsum(balance, dtype=np.float64)
    chances, places = tf.constant(chances / chances[-1]), tf.constant(np.asarray(indices, np.int64))

    def draw(number: Any) -> Any:
        points = tf.random.stateless_uniform(
            [batch_size], seed=tf.stack([tf.cast(seed, tf.int64), number]), dtype=tf.float64
        )
        return tf.gather(places, tf.searchsorted(chances, points, side="right"))

    return tf.data.Dataset.counter(skip).map(draw)
