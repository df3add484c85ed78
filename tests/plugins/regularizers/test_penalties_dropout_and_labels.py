from dataclasses import replace

import keras
import numpy as np
import pytest

from automl_img.plugin import ImageTraits

TEN = ImageTraits(28, 28, 1, 10, 1000)


def test_l2_adds_the_sum_of_the_squares_of_the_kernels_alone(regularizer, network):
    found, hp = regularizer("l2", amount=1e-3)
    model = network("plain")
    for variable in model.trainable_variables:
        variable.assign(keras.ops.ones_like(variable))
    changed = found.network(hp, model)
    weights = 3 * 3 * 8 + 3 * 3 * 8 + 8 * 12 + 3 * 3 * 12
    assert float(sum(changed.losses)) == pytest.approx(1e-3 * weights, rel=1e-5)


def test_l1_adds_the_sum_of_the_absolute_values(regularizer, network):
    found, hp = regularizer("l1", amount=1e-4)
    model = network("nested")
    changed = found.network(hp, model)
    total = sum(np.abs(v).sum() for v in map(np.asarray, model.trainable_variables) if v.ndim > 1)
    assert float(sum(changed.losses)) == pytest.approx(1e-4 * total, rel=1e-5)


def test_l1_and_l2_together_keep_both_penalties(regularizer, network):
    model = network("plain")
    losses = []
    for name in ("l1", "l2"):
        found, hp = regularizer(name, amount=1e-4)
        losses.append(float(sum(found.network(hp, network("plain")).losses)))
        model = found.network(hp, model)
    assert float(sum(model.losses)) == pytest.approx(sum(losses), rel=1e-5)


def test_the_penalty_reaches_a_model_that_wraps_the_network(regularizer, network):
    class Wrapper(keras.Model):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def call(self, images, training=False):
            return self.inner(images, training=training)

    found, hp = regularizer("l2")
    inner = found.network(hp, network("plain"))
    assert float(sum(Wrapper(inner).losses)) == pytest.approx(float(sum(inner.losses)))


def test_weight_decay_shrinks_weights_that_have_no_gradient(regularizer):
    found, hp = regularizer("weight_decay", amount=0.1)
    variable = keras.Variable(np.ones(3, "float32"))
    optimizer = keras.optimizers.AdamW(0.5, **found.optimizer(hp))
    optimizer.apply([np.zeros(3, "float32")], [variable])
    np.testing.assert_allclose(variable, 1 - 0.5 * 0.1, rtol=1e-5)


def test_smoothed_labels_sum_to_one_and_keep_their_order(regularizer):
    found, hp = regularizer("label_smoothing", amount=0.1)
    smoothed = np.asarray(found.targets_for(hp, keras.ops.eye(10), TEN))
    np.testing.assert_allclose(smoothed.sum(1), 1.0, atol=1e-6)
    np.testing.assert_allclose(np.diag(smoothed), 0.91, atol=1e-6)
    np.testing.assert_allclose(smoothed[0, 1:], 0.01, atol=1e-6)


def test_a_single_column_of_labels_moves_towards_one_half(regularizer):
    found, hp = regularizer("label_smoothing", amount=0.2)
    moved = found.targets_for(hp, keras.ops.array([[0.0], [1.0]]), TEN)
    np.testing.assert_allclose(moved, [[0.1], [0.9]], atol=1e-6)


def test_each_of_several_labels_moves_towards_one_half(regularizer):
    found, hp = regularizer("label_smoothing", amount=0.05)
    labels = keras.ops.array([[0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    smoothed = found.targets_for(hp, labels, replace(TEN, classes=4, task="multilabel"))
    low, high = 0.025, 0.975
    np.testing.assert_allclose(smoothed, [[low, high, high, low], [low] * 4], atol=1e-6)


def test_dropout_switches_features_off_in_training_only(regularizer):
    found, hp = regularizer("dropout", rate=0.4)
    inputs = keras.Input((500,))
    model = keras.Model(inputs, found.features(hp, inputs))
    ones = np.ones((8, 500), "float32")
    np.testing.assert_array_equal(model(ones), ones)
    dropped = np.asarray(model(ones, training=True))
    assert abs((dropped == 0).mean() - 0.4) < 0.05
    assert dropped.mean() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(("kind", "places"), [("plain", 2), ("residual", 2), ("branched", 1), ("nested", 1)])
def test_spatial_dropout_stands_at_the_end_of_each_stage(regularizer, network, kind, places):
    found, hp = regularizer("spatial_dropout")
    changed = found.network(hp, network(kind))
    assert sum(isinstance(layer, keras.layers.SpatialDropout2D) for layer in changed.layers) == places


def test_spatial_dropout_switches_whole_channels_off_in_training_only(regularizer):
    found, hp = regularizer("spatial_dropout", rate=0.4)
    inputs = keras.Input((6, 6, 50))
    same = keras.layers.DepthwiseConv2D(1, depthwise_initializer="ones", use_bias=False)(inputs)
    changed = found.network(hp, keras.Model(inputs, keras.layers.ReLU()(same)))
    ones = np.ones((8, 6, 6, 50), "float32")
    np.testing.assert_array_equal(changed(ones), ones)
    channels = np.asarray(changed(ones, training=True))
    off = (channels == 0).all(axis=(1, 2))
    assert ((channels == 0).any(axis=(1, 2)) == off).all()
    assert abs(off.mean() - 0.4) < 0.1


def test_spatial_dropout_leaves_the_channels_of_the_image_alone(regularizer):
    """As the core makes three of one for networks with given weights."""
    found, hp = regularizer("spatial_dropout")
    inputs = keras.Input((8, 8, 1))
    colour = keras.layers.Concatenate(name="grey_to_rgb")([inputs] * 3)
    features = keras.layers.ReLU(name="end")(keras.layers.Conv2D(4, 3, strides=2)(colour))
    changed = found.network(hp, keras.Model(inputs, features))
    dropouts = [layer.name for layer in changed.layers if isinstance(layer, keras.layers.SpatialDropout2D)]
    assert dropouts == ["end_spatial_dropout"]


def test_a_network_without_a_place_for_spatial_dropout_is_returned_as_it_is(regularizer):
    found, hp = regularizer("spatial_dropout")
    inputs = keras.Input((6, 6, 1))
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs)))
    assert found.network(hp, model) is model
