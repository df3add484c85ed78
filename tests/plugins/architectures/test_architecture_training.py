"""Every family learns: the loss of one step is finite and its gradient reaches every weight."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_architecture_contract import FAMILIES

SHAPE = (28, 28, 1)


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    return rng.normal(size=(16, *SHAPE)).astype("float32"), rng.integers(0, 10, 16)


@pytest.mark.train
@pytest.mark.parametrize("family", FAMILIES)
def test_one_step_has_a_finite_loss_and_a_gradient_for_every_weight(network, members, pictures, family):
    keras.utils.set_random_seed(0)
    base = network(family, SHAPE, **members(family, SHAPE)[0])
    model = keras.Sequential([base, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)])
    images, labels = pictures
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        loss = keras.ops.mean(keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    assert np.isfinite(float(loss))
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.isfinite(gradient).all(), weight.path
        assert np.abs(gradient).max() > 0, weight.path


@pytest.mark.train
@pytest.mark.parametrize("family", ["simple_cnn", "resnet9", "vgg"])
def test_a_few_steps_fit_a_few_pictures(network, members, pictures, family):
    keras.utils.set_random_seed(0)
    base = network(family, SHAPE, **members(family, SHAPE)[0])
    model = keras.Sequential([base, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)])
    model.compile(keras.optimizers.AdamW(4e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = [float(model.train_on_batch(*pictures)) for _ in range(12)]
    assert losses[-1] < losses[0] / 2
