"""What tf.data data sets become."""

import io
import os

import numpy as np
import pytest
import tensorflow as tf
from automl_img_sources._tf_elements import is_batched
from automl_img_sources.tf_data import SPEC, TfData
from PIL import Image

from automl_img.data.arrays import validated
from automl_img.plugin import DataError

X = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), np.uint8)
Y = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_IMG_CACHE", str(tmp_path / "cache"))


def data(x=X, y=Y):
    return tf.data.Dataset.from_tensor_slices((x, y))


def convert(dataset, **options):
    return TfData().convert(dataset, options)


def refused(dataset, **options):
    with pytest.raises(DataError) as caught:
        convert(dataset, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("batch", [0, 4, 1])
def test_images_come_batched_or_one_by_one(batch):
    dataset = data().batch(batch) if batch else data()
    assert TfData().accepts_object(dataset) and not TfData().accepts_object({}) and not TfData().accepts_object(X)
    found = convert(dataset, class_names="a,b,c")
    assert np.array_equal(found.train.images, X) and found.train.labels.tolist() == Y.tolist()
    assert validated(found).class_names == ("a", "b", "c")


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_floats_are_bytes_again_and_the_rule_is_told(scale):
    found = convert(data((X / 255.0 * scale).astype(np.float32)).batch(2))
    assert np.array_equal(found.train.images, X)
    assert any(f"0 to {scale:g}" in note for note in found.notes)


def test_dark_images_at_the_start_do_not_decide_what_floats_mean():
    dark = np.concatenate([np.zeros((1, 5, 4, 3)), X[1:]]).astype(np.float32)
    assert np.array_equal(convert(data(dark)).train.images[1:], X[1:])
    found = convert({"test": data(dark[:1], Y[:1]), "train": data(dark)})
    assert np.array_equal(found.train.images[1:], X[1:]), "the images to train on decide"
    late = np.concatenate([np.zeros((70, 2, 2, 1)), np.full((2, 2, 2, 1), 200)])
    message = refused(data(late, np.arange(72) % 2))
    assert "image 70 are out of range" in message and "as the first 64 images are" in message


def test_floats_a_little_above_one_are_refused_and_do_not_turn_black():
    message = refused(data((X / X.max() * 1.5).astype(np.float32)))
    assert message.startswith("tf_data: the values are a little too large for 0 to 1")
    assert "found 'values up to 1.5'" in message and "np.clip(x, 0, 1)" in message


def test_booleans_are_black_and_white():
    assert set(np.unique(convert(data(X > 100)).train.images)) == {0, 255}


@pytest.mark.parametrize(
    ("image", "label", "batched"),
    [
        ((None, 28, 28), (None,), True),
        ((None, 28, 3), (None,), True),
        ((None, None, 3), (None,), False),
        ((None, None, 3), (), False),
        ((10, 10, 4), (10,), False),
        ((None, None, None), (None,), True),
        ((None, None, None), (5,), False),
        ((28, 28), (10,), False),
        ((None, 8, 8, 3), (None, 5), True),
    ],
)
def test_what_elements_hold_is_seen_by_their_shapes(image, label, batched):
    assert is_batched(image, label, encoded=False) is batched


def test_lists_of_labels_of_several_lengths_are_multilabel():
    numbers = tf.ragged.constant([[0], [1, 2], [], [0], [1], [2]])
    found = validated(convert(data(y=numbers), class_names=["a", "b", "c"]))
    assert found.task == "multilabel" and found.class_names == ("a", "b", "c")
    assert found.train.labels.tolist()[:3] == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
    texts = tf.ragged.constant([["a"], ["b", "ü"], [], ["a"], ["b"], ["ü"]])
    assert convert(data(y=texts)).train.labels[1] == ("b", "ü")
    assert "no class name; found 2" in refused(data(y=numbers), class_names="a,b")


def test_grey_images_without_a_channel_axis_come_batched_or_not():
    grey = X[:, :, :, 0]
    assert convert(data(grey)).train.images.shape == (6, 5, 4, 1)
    assert np.array_equal(convert(data(grey).batch(3)).train.images[..., 0], grey)


def test_one_hot_labels_are_classes_and_several_are_multilabel():
    assert validated(convert(data(y=np.eye(3, dtype=np.float32)[Y]))).train.labels.tolist() == Y.tolist()
    several = np.array([[1, 1, 0], [0, 0, 0], [0, 1, 0], [1, 0, 1], [0, 0, 1], [1, 0, 0]])
    assert validated(convert(data(y=several))).task == "multilabel"
    assert convert(data(y=Y[:, np.newaxis])).train.labels.tolist() == Y.tolist()


def test_dictionaries_texts_weights_and_splits_are_understood():
    named = tf.data.Dataset.from_tensor_slices({"picture": X, "kind": np.array(["a", "b", "ü"] * 2)})
    found = convert({"train": named, "val": named.take(2)}, image="picture", label="kind")
    assert list(found.train.labels) == ["a", "b", "ü"] * 2 and len(found.validation) == 2
    weighted = tf.data.Dataset.from_tensor_slices((X, Y, np.ones(6)))
    assert any("weights" in note for note in convert(weighted).notes)


def test_encoded_files_and_images_of_many_sizes_are_kept_as_files():
    def encoded(image):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        return buffer.getvalue()

    contents = [encoded(image) for image in X]
    for dataset in (data(contents), data(contents).batch(4)):
        assert [path.read_bytes() for path in convert(dataset).train.images] == contents

    def sizes():
        for n in range(3):
            yield np.full((4 + n, 4, 3), n, np.uint8), n

    spec = (tf.TensorSpec((None, None, 3), tf.uint8), tf.TensorSpec((), tf.int64))
    found = convert(tf.data.Dataset.from_generator(sizes, output_signature=spec))
    assert [Image.open(path).height for path in found.train.images] == [4, 5, 6]


def test_saved_folders_are_read(tmp_path):
    data().save(str(tmp_path / "one"))
    for split in ("train", "test"):
        data().save(str(tmp_path / "several" / split))
    assert TfData().accepts(tmp_path / "one") and TfData().accepts(tmp_path / "several")
    assert np.array_equal(TfData().load(tmp_path / "one", {}).train.images, X)
    assert len(TfData().load(tmp_path / "several", {}).test) == 6
    assert not TfData().accepts(tmp_path)
    with pytest.raises(DataError, match=r"no folder that Dataset\.save wrote"):
        TfData().load(tmp_path, {})
    for part in (tmp_path / "one").rglob("*.snapshot"):
        os.truncate(part, 40)
    with pytest.raises(DataError, match="reading the data set failed: truncated") as caught:
        TfData().load(tmp_path / "one", {})
    assert "\n" not in str(caught.value)
    (tmp_path / "one" / SPEC).write_bytes(b"\xff\xff")
    with pytest.raises(DataError, match="the folder is damaged"):
        TfData().load(tmp_path / "one", {})


def test_what_cannot_be_used_is_one_line_that_says_what_to_do():
    assert "has no end" in refused(data().repeat()) and "take(" in refused(data().repeat())
    assert "no images" in refused(data().take(0))
    assert "data.options.class_names: this is no list; found 3" in refused(data(), class_names=3)
    assert "another form" in refused(tf.data.Dataset.from_tensor_slices(X))
    assert "allowed: picture" in refused(tf.data.Dataset.from_tensor_slices({"picture": X}))
    assert "found '-1 to" in refused(data(np.linspace(-1, 1, X.size, dtype=np.float32).reshape(X.shape)).batch(6))
    assert "out of range" in refused(data(X.astype(np.int32) + 500))
    assert "// 257" in refused(data(X.astype(np.uint16) * 257))
    assert "no plain tensor" in refused(data(y=tf.sparse.eye(6)))
    assert "no plain tensor" in refused(tf.data.Dataset.from_tensor_slices({"image": {"a": X}, "label": Y}))
    assert "nan" in refused(data(np.full(X.shape, np.nan)))

    def failing(image, label):
        tf.debugging.assert_less(label, np.int64(2))
        return image, label

    assert "reading the data set failed" in refused(data().map(failing))
    assert "unknown name" in refused({"train": data(), "extra": data()})
