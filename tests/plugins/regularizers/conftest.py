"""Shared fixtures: the regularizers that were discovered, and small networks of each kind."""

from __future__ import annotations

import numpy as np
import pytest

from automl_img.plugin import ImageTraits, Space, discover


@pytest.fixture(scope="session")
def registry():
    return discover()


@pytest.fixture
def regularizer(registry):
    """Give a regularizer and its hyperparameters, the defaults unless told otherwise."""

    def make(name: str, **values):
        found, space = registry.get("regularizer", name), Space()
        found.space(space, ImageTraits(28, 28, 1, 10, 1000))
        assert set(values) <= set(space.defaults())
        return found, {**space.defaults(), **values}

    return make


def plain(keras, inputs):
    layers = keras.layers
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.MaxPooling2D()(x)
    x = layers.SeparableConv2D(12, 3, padding="same", activation="relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    return layers.GlobalAveragePooling2D()(layers.ReLU()(x))


def residual(keras, inputs):
    layers = keras.layers

    def conv(x, filters, strides=1, size=3):
        x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    x = layers.ReLU()(conv(inputs, 8))
    x = layers.ReLU()(layers.Add()([conv(layers.ReLU()(conv(x, 8)), 8), x]))
    # The same shapes on both paths: weights that are handed to the wrong one of the two raise no error.
    x = layers.ReLU()(layers.Add()([conv(x, 8, 2), conv(layers.ReLU()(conv(x, 8, 2)), 8)]))
    return layers.ReLU()(x + conv(layers.ReLU()(conv(x, 8)), 8))


def branched(keras, inputs):
    layers = keras.layers
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs)
    left = layers.Conv2D(4, 1, activation="relu")(x)
    right = layers.Conv2D(4, 3, padding="same", activation="relu")(layers.Conv2D(4, 1, activation="relu")(x))
    x = layers.Concatenate()([left, right])
    return layers.Add()([layers.Conv2D(4, 1)(x), layers.Conv2D(4, 1)(x)])


def nested(keras, inputs):
    layers = keras.layers
    block = keras.Sequential([layers.Conv2D(8, 3, padding="same"), layers.ReLU(), layers.MaxPooling2D()])
    x = layers.Activation("relu")(layers.Conv2D(8, 3, padding="same")(block(inputs)))
    return layers.Dense(6, activation="relu")(layers.Flatten()(x))


KINDS = {"plain": plain, "residual": residual, "branched": branched, "nested": nested}


@pytest.fixture
def network():
    """Give a functional model from images to features, built like one of the architectures."""
    import keras

    def make(kind: str, side: int = 12, channels: int = 1):
        keras.utils.set_random_seed(1)
        inputs = keras.Input((side, side, channels))
        return keras.Model(inputs, KINDS[kind](keras, inputs))

    return make


@pytest.fixture
def pictures():
    def make(count: int = 4, side: int = 12, channels: int = 1) -> np.ndarray:
        return np.random.default_rng(2).normal(size=(count, side, side, channels)).astype("float32")

    return make


@pytest.fixture
def task():
    """Give a classifier and an easy task of three classes: bright top, bright bottom, neither."""
    import keras

    def make(count: int = 384):
        keras.utils.set_random_seed(1)
        random = np.random.default_rng(3)
        labels = np.arange(count) % 3
        images = random.normal(size=(count, 8, 8, 1)).astype("float32")
        images[labels == 0, :4] += 0.7
        images[labels == 1, 4:] += 0.7
        inputs = keras.Input((8, 8, 1))
        x = keras.layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(inputs)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
        x = keras.layers.Dense(24, activation="relu")(keras.layers.Flatten()(x))
        model = keras.Model(inputs, keras.layers.Dense(3)(x))
        return model, images, labels

    return make
