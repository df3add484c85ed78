"""Batch normalisation in one pass: while a trial trains, by TensorFlow's fused kernel."""

from __future__ import annotations

import functools
import math
from typing import Any

import keras
import tensorflow as tf

CHANNELS_LAST = (-1, 3)


def fuse_batch_normalization() -> None:
    """Let every ``keras.layers.BatchNormalization`` of this process train by the fused kernel; its results are those of Keras.

    Keras computes moments and normalisation one after the other, and passes over the feature map each time; the memory is what a small
    network on a processor waits for. ``python benchmarks/step.py`` compares our step, this included, with a bare ``model.fit``.
    Layers, weights and predictions stay Keras's own, so that models need nothing of this where they are used.
    """
    layer = keras.layers.BatchNormalization
    plain = layer.call
    if hasattr(plain, "__wrapped__"):
        return

    @functools.wraps(plain)
    def call(self: Any, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if training and mask is None and _fits(self, inputs):
            return _fused(self, inputs)
        return plain(self, inputs, training=training, mask=mask)

    layer.call = call


def _fits(layer: Any, inputs: Any) -> bool:
    """Whether the kernel does what the layer does: over images with their channels last, in a layer that learns, by the batch alone."""
    whole = len(inputs.shape) == 4 and layer.axis in CHANNELS_LAST and None not in inputs.shape[1:]
    return bool(whole and layer.trainable and not layer.synchronized and not layer.renorm)


def _fused(layer: Any, inputs: Any) -> Any:
    channels = inputs.shape[-1]
    gamma = tf.cast(layer.gamma, tf.float32) if layer.scale else tf.ones([channels])
    beta = tf.cast(layer.beta, tf.float32) if layer.center else tf.zeros([channels])
    images = tf.cast(inputs, layer.compute_dtype)
    outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
        images, gamma, beta, epsilon=layer.epsilon, is_training=True
    )
    # The kernel's variance is that of a sample, Keras's that of the batch.
    values = tf.cast(tf.shape(inputs)[0] * math.prod(inputs.shape[1:-1]), tf.float32)
    variance = variance * (values - 1.0) / values
    momentum = tf.cast(layer.momentum, tf.float32)
    for moving, now in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        before = tf.cast(moving, tf.float32)
        moving.assign(before * momentum + tf.cast(now, tf.float32) * (1.0 - momentum))
    return outputs
