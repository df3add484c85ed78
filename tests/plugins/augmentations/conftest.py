"""Shared fixtures: the augmentations that were discovered, and a way to apply one as the training does."""

from __future__ import annotations

import numpy as np
import pytest

from automl_img.plugin import ImageTraits, Space, discover


@pytest.fixture(scope="session")
def registry():
    return discover()


@pytest.fixture
def traits():
    def make(side: int = 28, channels: int = 1) -> ImageTraits:
        return ImageTraits(side, side, channels, 10, 1000)

    return make


@pytest.fixture
def pictures():
    def make(count: int, side: int = 28, channels: int = 1) -> np.ndarray:
        return np.random.default_rng(5).integers(0, 256, (count, side, side, channels)).astype("float32")

    return make


@pytest.fixture
def augment(registry, traits):
    """Give a function of a batch that applies an augmentation in a graph whose batch size is open."""
    import tensorflow as tf

    def make(name: str, side: int = 28, channels: int = 1, seed: int = 3, training: bool = True, **values):
        augmentation = registry.get("augmentation", name)
        image = traits(side, channels)
        space = Space()
        augmentation.space(space, image)
        assert set(values) <= set(space.defaults())
        layers = augmentation.layers({**space.defaults(), **values}, image, seed)

        def apply(images, labels):
            data = {"images": images, "labels": labels} if augmentation.mixes_labels else images
            for layer in layers:
                data = layer(data, training=training)
            return (data["images"], data["labels"]) if augmentation.mixes_labels else (data, labels)

        shape = [tf.TensorSpec((None, side, side, channels)), tf.TensorSpec((None, 10))]
        compiled = tf.function(apply, input_signature=shape)

        def call(images, labels=None):
            if labels is None:
                labels = np.eye(10, dtype="float32")[np.arange(len(images)) % 10]
            changed, mixed = compiled(tf.constant(images), tf.constant(labels))
            changed, mixed = np.asarray(tf.cast(changed, tf.float32)), np.asarray(tf.cast(mixed, tf.float32))
            return (changed, mixed) if augmentation.mixes_labels else changed

        return call

    return make
