"""Networks with given weights: the same features as keras.applications gives, and clear words when the weights are not there."""

import errno
import urllib.error
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.utils import file_utils

from automl_img.plugin import PluginError

SHAPE = (80, 80, 3)  # no network here enlarges it
PUBLISHED = {
    "resnet": ("ResNet50", keras.applications.resnet50),
    "xception": ("Xception", keras.applications.xception),
    "inception": ("InceptionV3", keras.applications.inception_v3),
    "vgg": ("VGG19", keras.applications.vgg19),
    "efficientnet_v2": ("EfficientNetV2B0", keras.applications.efficientnet_v2),
    "mobilenet_v3": ("MobileNetV3Large", keras.applications.mobilenet_v3),
    "convnext": ("ConvNeXtTiny", keras.applications.convnext),
}


@pytest.fixture
def pretrained(registry, space):
    def build(family, shape, weights):
        inputs = keras.Input(shape)
        features = registry.get("architecture", family).pretrained(space(family, shape).defaults(), inputs, weights)
        return keras.Model(inputs, features)

    return build


@pytest.fixture
def published(tmp_path):
    """Give a network of keras.applications with random weights, and the file that they were saved to."""

    def make(name, shape=SHAPE):
        keras.utils.set_random_seed(1)
        theirs = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=shape)
        file = tmp_path / f"{name}.weights.h5"
        theirs.save_weights(file)
        return theirs, file

    return make


def random_pictures(shape):
    return np.random.default_rng(0).integers(0, 256, (2, *shape)).astype("float32")


def assert_close(ours, theirs):
    ours, theirs = (np.asarray(features) for features in (ours, theirs))
    np.testing.assert_allclose(ours, theirs, atol=1e-3 * np.abs(theirs).max())


@pytest.mark.parametrize("family", PUBLISHED)
def test_features_are_those_of_keras_applications_with_the_same_weights(pretrained, published, family):
    name, module = PUBLISHED[family]
    theirs, file = published(name)
    pictures = random_pictures(SHAPE)
    ours = pretrained(family, SHAPE, file)
    assert_close(ours(pictures), theirs(module.preprocess_input(pictures.copy())))
    assert len(ours.layers) >= len(theirs.layers)


def test_small_images_are_enlarged_to_what_the_weights_need(pretrained, published):
    theirs, file = published("Xception", (71, 71, 3))
    pictures = random_pictures((28, 28, 3))
    enlarged = keras.ops.image.resize(pictures, (71, 71)) / 127.5 - 1
    assert_close(pretrained("xception", (28, 28, 3), str(file))(pictures), theirs(enlarged))


def test_enlarging_keeps_the_proportions(pretrained):
    model = pretrained("xception", (28, 56, 3), None)
    (resizing,) = [layer for layer in model.layers if isinstance(layer, keras.layers.Resizing)]
    assert resizing.output.shape == (None, 71, 142, 3)


def test_without_weights_the_structure_alone_is_built_and_can_be_cloned(pretrained):
    model = pretrained("resnet", (32, 32, 3), None)
    clone = keras.models.clone_model(model, call_function=lambda layer, *args, **kwargs: layer(*args, **kwargs))
    clone.set_weights(model.get_weights())
    pictures = random_pictures((32, 32, 3))
    assert_close(clone(pictures), model(pictures))


def test_a_missing_weight_file_is_named(pretrained, tmp_path):
    with pytest.raises(
        PluginError, match=r"VGG19: the weight file is missing; found .*none\.weights\.h5.*save_weights"
    ):
        pretrained("vgg", (32, 32, 3), tmp_path / "none.weights.h5")


def test_a_file_that_is_no_weight_file_is_refused(pretrained, tmp_path):
    (tmp_path / "model.pt").write_bytes(b"")
    with pytest.raises(PluginError, match=r"no weight file; found .*model\.pt.*\.weights\.h5"):
        pretrained("vgg", (32, 32, 3), tmp_path / "model.pt")


def test_the_weight_file_of_another_network_is_refused(pretrained, published):
    _, file = published("MobileNetV3Large")
    with pytest.raises(
        PluginError, match=r"MobileNetV3Large\.weights\.h5: the weight file does not fit EfficientNetV2B0"
    ):
        pretrained("efficientnet_v2", (32, 32, 3), file)


def test_a_damaged_weight_file_is_refused(pretrained, tmp_path):
    (tmp_path / "torn.weights.h5").write_bytes(b"no HDF5")
    with pytest.raises(PluginError, match="does not fit MobileNetV3Large"):
        pretrained("mobilenet_v3", (32, 32, 3), tmp_path / "torn.weights.h5")


def with_keras_home(monkeypatch, folder):
    monkeypatch.setenv("KERAS_HOME", str(folder))
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(folder))  # Keras has read it already


@pytest.mark.parametrize(
    ("family", "file"),
    [
        ("mobilenet_v3", "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5"),
        ("vgg", "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    ],
)
def test_a_failed_download_names_the_file_and_where_keras_looks_for_it(pretrained, monkeypatch, tmp_path, family, file):
    def no_network(*args, **kwargs):
        raise urllib.error.URLError("no network here")

    monkeypatch.setattr(file_utils, "urlretrieve", no_network)
    with_keras_home(monkeypatch, tmp_path)
    with pytest.raises(PluginError, match="could not be downloaded") as caught:
        pretrained(family, (32, 32, 3), "imagenet")
    assert f"Put {file} into {tmp_path / 'models'}, where" in str(caught.value)
    assert "no network here" in str(caught.value)
    assert "path of a weight file" in str(caught.value)


def test_where_keras_may_not_write_its_other_folder_is_named(pretrained, monkeypatch, tmp_path):
    looked_for = []

    def no_network(address, file, *args):
        looked_for.append(Path(file))
        raise urllib.error.URLError("no network here")

    monkeypatch.setattr(file_utils, "urlretrieve", no_network)
    with_keras_home(monkeypatch, tmp_path / "not there")
    with pytest.raises(PluginError) as caught:
        pretrained("mobilenet_v3", (32, 32, 3), "imagenet")
    (file,) = looked_for
    assert tmp_path not in file.parents and f"Put {file.name} into {file.parent}, where" in str(caught.value)


@pytest.mark.parametrize(
    "lack",
    [
        MemoryError(),
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        tf.errors.ResourceExhaustedError(None, None, "out of memory"),
    ],
    ids=["memory", "disk", "quota", "tensorflow"],
)
def test_too_little_memory_or_disk_is_not_blamed_on_the_weights(pretrained, monkeypatch, tmp_path, lack):
    def lacking(*args, **kwargs):
        raise lack

    monkeypatch.setattr(file_utils, "urlretrieve", lacking)
    with_keras_home(monkeypatch, tmp_path)
    with pytest.raises(type(lack)) as caught:
        pretrained("mobilenet_v3", (32, 32, 3), "imagenet")
    assert caught.value is lack
    file = tmp_path / "mobilenet.weights.h5"
    file.write_bytes(b"")
    monkeypatch.setattr(keras.Model, "load_weights", lacking)
    with pytest.raises(type(lack)) as caught:
        pretrained("mobilenet_v3", (32, 32, 3), file)
    assert caught.value is lack
