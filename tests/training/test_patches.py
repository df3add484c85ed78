"""The first convolution begins with the principal components of patches."""

import time
from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest

from automl_img.executors.running import run_tasks
from automl_img.executors.tasks import TrainArgument, train
from automl_img.search.journal import Journal
from automl_img.training.artifacts import WEIGHTS_FILE
from automl_img.training.network import STANDARDISE
from automl_img.training.patches import PATCHES, _components, begin_with_components

pytestmark = pytest.mark.train

DEVIATION = (50.0, 50.0, 50.0)


def photographs(channels=3, count=40, side=12):
    """Images whose neighbouring pixels are alike, as those of photographs are."""
    rng = np.random.default_rng(0)
    smooth = rng.normal(128, 60, (count, side + 4, side + 4, 1)) + rng.normal(
        0, 10, (count, side + 4, side + 4, channels)
    )
    for axis in (1, 2):
        smooth = sum(np.roll(smooth, shift, axis) for shift in range(4)) / 4
    return smooth[:, 4:, 4:].clip(0, 255).astype(np.uint8)


def network(*layers, shape=(12, 12, 3)):
    keras.utils.set_random_seed(3)
    inputs = keras.Input(shape, name="images")
    x = keras.layers.Normalization(mean=[128.0] * shape[-1], variance=[2500.0] * shape[-1], axis=-1, name=STANDARDISE)(
        inputs
    )
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x)


def begin(model, images, seed=0):
    before = model.get_weights()
    begin_with_components(model, images, np.arange(len(images)), DEVIATION[: images.shape[-1]], seed)
    return before


def matrix(layer):
    kernel = np.asarray(layer.kernel)
    return kernel.reshape(-1, kernel.shape[-1])


def test_half_of_the_filters_are_components_and_the_others_their_negatives():
    convolution = keras.layers.Conv2D(16, 3, use_bias=False, kernel_initializer="he_normal")
    model = network(convolution)
    begin(model, photographs())
    filters = matrix(convolution)
    np.testing.assert_allclose(filters[:, :8], -filters[:, 8:])
    gram = filters[:, :8].T @ filters[:, :8]
    np.testing.assert_allclose(gram, np.eye(8) * gram[0, 0], atol=1e-5 * gram[0, 0])


def test_they_are_as_long_as_the_random_filters_were():
    convolution = keras.layers.Conv2D(16, 3, use_bias=False, kernel_initializer="he_normal")
    model = network(convolution)
    (before,) = [weight for weight in begin(model, photographs()) if weight.ndim == 4]
    assert np.square(matrix(convolution)).sum() == pytest.approx(np.square(before).sum(), rel=1e-5)


def test_what_they_find_in_the_images_varies_most_first_and_not_together():
    convolution = keras.layers.Conv2D(16, 3, use_bias=False)
    model, images = network(convolution), photographs(count=250)
    begin(model, images)
    found = np.asarray(model(images.astype(np.float32))).reshape(-1, 16)[:, :8]
    deviations = found.std(axis=0)
    assert (np.diff(deviations) < 0.05 * deviations[0]).all()
    assert deviations[0] > 2 * deviations[-1]
    together = np.corrcoef(found.T) - np.eye(8)
    assert np.abs(together).max() < 0.15


def test_where_there_are_more_filters_than_components_and_negatives_the_rest_stays_random():
    convolution = keras.layers.Conv2D(32, 3, use_bias=False)
    model = network(convolution, shape=(12, 12, 1))
    (before,) = [weight for weight in begin(model, photographs(1)) if weight.ndim == 4]
    filters, random = matrix(convolution), before.reshape(9, 32)
    np.testing.assert_allclose(filters[:, :9], -filters[:, 9:18])
    np.testing.assert_array_equal(filters[:, 18:], random[:, 18:])


def test_the_same_seed_gives_the_same_filters():
    kernels = []
    for seed in (0, 0, 1):
        convolution = keras.layers.Conv2D(16, 3)
        begin(network(convolution), photographs(), seed)
        kernels.append(matrix(convolution))
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert (kernels[0] != kernels[2]).any()


def test_all_that_sees_the_images_is_set_and_nothing_behind():
    inputs = keras.Input((12, 12, 3))
    x = keras.layers.Normalization(mean=[128.0] * 3, variance=[2500.0] * 3, name=STANDARDISE)(inputs)
    first = [keras.layers.Conv2D(8, size, padding="same") for size in (3, 5)]
    behind = keras.layers.Conv2D(8, 3)
    model = keras.Model(inputs, behind(keras.layers.Concatenate()([layer(x) for layer in first])))
    kernel = np.array(behind.kernel)
    begin(model, photographs())
    np.testing.assert_array_equal(behind.kernel, kernel)
    for layer in first:
        np.testing.assert_allclose(matrix(layer)[:, :4], -matrix(layer)[:, 4:])


class Own(keras.layers.Conv2D):
    """A convolution that may do something of its own with its kernel."""


@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.Conv2D(8, 3, kernel_initializer="orthogonal"),
        lambda: keras.layers.Conv2D(8, 3, kernel_initializer=keras.initializers.Constant(0.1)),
        lambda: keras.layers.Conv2D(9, 3, groups=3),
        lambda: keras.layers.Conv2D(8, 3, dilation_rate=2),
        lambda: keras.layers.Conv2D(8, 13, padding="same"),
        lambda: keras.layers.Conv2D(1, 3),
        lambda: keras.layers.DepthwiseConv2D(3),
        lambda: keras.layers.SeparableConv2D(8, 3),
        lambda: Own(8, 3),
        lambda: keras.layers.Dense(8),
    ],
)
def test_what_a_plugin_chose_and_what_components_do_not_fit_stays(layer):
    model = network(layer())
    before = begin(model, photographs())
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_network_without_our_standardisation_stays():
    inputs = keras.Input((12, 12, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(8, 3)(inputs))
    before = begin(model, photographs())
    np.testing.assert_array_equal(before[0], model.get_weights()[0])


def test_images_that_do_not_vary_give_finite_filters():
    convolution = keras.layers.Conv2D(16, 3, use_bias=False)
    begin(network(convolution), np.full((5, 12, 12, 3), 255, np.uint8))
    assert np.isfinite(matrix(convolution)).all()
    assert np.square(matrix(convolution)).sum(axis=0).min() > 0


def test_one_image_is_enough():
    convolution = keras.layers.Conv2D(16, 3)
    begin(network(convolution), photographs(count=1))
    np.testing.assert_allclose(matrix(convolution)[:, :8], -matrix(convolution)[:, 8:])


def test_components_do_not_depend_on_the_order_in_which_patches_are_added():
    patches = np.random.default_rng(0).integers(0, 255, (64 * PATCHES, 3, 3, 3), np.uint8)
    found = _components(patches, DEVIATION)
    np.testing.assert_array_equal(found, _components(patches[::-1], DEVIATION))
    np.testing.assert_allclose(found.T @ found, np.eye(27), atol=1e-12)
    assert (found[np.abs(found).argmax(axis=0), np.arange(27)] > 0).all()


def test_a_trial_begins_with_them(finished, place, tmp_path):
    journal = Journal(finished[0].run_dir)
    spec = journal.trials()[0].spec
    journal.close()
    still = {"optimizer": "sgd", "optimizer.sgd.lr": 1e-12, "optimizer.sgd.momentum": 0.0}
    values = {**spec.values, **still, "regularizer.weight_decay": False, "plainnet.filters": 16}
    spec = replace(spec, values=values, deadline=None, probe=())
    run_tasks(train, [TrainArgument(spec, place, str(tmp_path), time.monotonic())], [tmp_path / "log.txt"])
    with h5py.File(tmp_path / WEIGHTS_FILE) as file:
        kernel = np.asarray(file["layers/conv2d/vars/0"]).reshape(9, 16)
    np.testing.assert_allclose(kernel[:, :8], -kernel[:, 8:], atol=1e-6)
    assert np.linalg.matrix_rank(kernel) == 8
