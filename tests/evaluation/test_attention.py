"""Grad-CAM finds the place that speaks for a class."""

import numpy as np
import pytest

from automl_img.evaluation.attention import Attention, _lit, examples, grad_cam


def bright_patch_network(side=16):
    """A network whose second class is the mean of a map that answers to bright pixels."""
    import keras

    inputs = keras.Input((side, side, 1))
    scaled = keras.layers.Rescaling(1 / 255)(inputs)
    maps = keras.layers.Conv2D(1, 3, padding="same", use_bias=False)(scaled)
    pooled = keras.layers.GlobalAveragePooling2D()(maps)
    logits = keras.layers.Dense(2, use_bias=False)(pooled)
    model = keras.Model(inputs, logits)
    model.set_weights([np.full((3, 3, 1, 1), 1 / 9, np.float32), np.array([[-1.0, 1.0]], np.float32)])
    return model


@pytest.mark.train
def test_the_patch_that_makes_the_class_is_lit():
    images = np.zeros((2, 16, 16, 1), np.uint8)
    images[0, 2:5, 2:5] = 255
    images[1, 10:14, 9:13] = 255
    maps = grad_cam(bright_patch_network(), images, np.array([1, 1]))
    assert maps.shape == (2, 16, 16) and maps.max() == pytest.approx(1.0)
    assert np.unravel_index(maps[0].argmax(), (16, 16)) == (3, 3)
    assert maps[1][10:14, 9:13].mean() > 0.5 and maps[1][:8].max() == 0.0


@pytest.mark.train
def test_a_class_that_the_patch_speaks_against_has_an_empty_map():
    images = np.full((1, 16, 16, 1), 255, np.uint8)
    assert grad_cam(bright_patch_network(), images, np.array([0])).max() == 0.0


@pytest.mark.train
def test_large_images_are_looked_into_a_few_at_a_time(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 1)).astype(np.uint8)
    network, classes = bright_patch_network(), np.array([1, 0, 1, 1, 0])
    together, asked = grad_cam(network, images, classes), []

    def lit(features, layer, images, classes):
        asked.append(len(images))
        return _lit(features, layer, images, classes)

    monkeypatch.setattr("automl_img.training.scoring.VALUES_AT_ONCE", 2 * 16 * 16)
    monkeypatch.setattr("automl_img.evaluation.attention._lit", lit)
    assert grad_cam(network, images, classes) == pytest.approx(together, abs=1e-5)
    assert asked == [2, 2, 1]


@pytest.mark.train
def test_a_model_that_is_a_layer_of_the_network_is_looked_into():
    import keras

    images = np.zeros((1, 16, 16, 1), np.uint8)
    images[0, 10:14, 9:13] = 255
    inner = keras.Input((16, 16, 1))
    part = keras.Model(inner, keras.layers.Conv2D(1, 3, padding="same", use_bias=False)(inner))
    inputs = keras.Input((16, 16, 1))
    pooled = keras.layers.GlobalAveragePooling2D()(part(keras.layers.Rescaling(1 / 255)(inputs)))
    network = keras.Model(inputs, keras.layers.Dense(2, use_bias=False)(pooled))
    whole = bright_patch_network()
    network.set_weights(whole.get_weights())
    assert grad_cam(network, images, np.array([1])) == pytest.approx(grad_cam(whole, images, np.array([1])), abs=1e-5)


@pytest.mark.train
def test_a_network_without_places_has_no_map():
    import keras

    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))
    assert grad_cam(model, np.zeros((1, 8, 8, 1), np.uint8), np.array([0])) is None


def test_the_surest_mistakes_come_first_then_one_right_answer_of_each_class():
    labels = np.array([0, 0, 1, 1, 0])
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.1, 0.9], [0.45, 0.55]], np.float32)
    assert examples(labels, probabilities.argmax(axis=1), probabilities).tolist() == [1, 4, 0, 3]


def test_what_a_threshold_has_decided_is_looked_into_and_not_the_more_probable_class():
    labels = np.array([0, 1, 0])
    probabilities = np.array([[0.6, 0.4], [0.65, 0.35], [0.9, 0.1]], np.float32)
    assert examples(labels, np.array([1, 1, 0]), probabilities).tolist() == [0, 2, 1]


def test_maps_are_kept_and_a_damaged_file_is_none(tmp_path):
    attention = Attention(np.array([3, 5]), np.arange(32, dtype=np.uint8).reshape(2, 4, 4))
    attention.save(tmp_path / "a.npz")
    assert (Attention.load(tmp_path / "a.npz").maps == attention.maps).all()
    (tmp_path / "a.npz").write_bytes(b"torn")
    assert Attention.load(tmp_path / "a.npz") is None
    assert Attention.load(tmp_path / "nowhere.npz") is None
    np.savez(tmp_path / "b.npz", indices=np.array([None], object), maps=attention.maps)
    assert Attention.load(tmp_path / "b.npz") is None, "pickled objects are not read"


@pytest.mark.parametrize("harm", ["cut off", "one byte is another"])
def test_wherever_a_file_of_maps_is_damaged_there_are_none_or_those_that_were_written(tmp_path, harm):
    path = tmp_path / "a.npz"
    attention = Attention(np.array([3, 5]), np.arange(32, dtype=np.uint8).reshape(2, 4, 4))
    attention.save(path)
    whole = path.read_bytes()
    for place in range(len(whole)):
        rest = b"" if harm == "cut off" else bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        path.write_bytes(whole[:place] + rest)
        found = Attention.load(path)
        assert found is None or (found.maps == attention.maps).all()
